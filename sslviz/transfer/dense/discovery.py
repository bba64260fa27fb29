"""Discovery: the box of an object, found without any label by grouping the tokens of one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.data import Images
from sslviz.diagnostics.result import OfRun
from sslviz.explanations.mean_interval import mean_interval
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score
from sslviz.transfer.budget import Budget, Passes
from sslviz.transfer.dense.object_grouping import affinity, box_of, component, lost, tokencut
from sslviz.transfer.dense.patch_tokens import LAST, encoder_tokens, untrained_tokens
from sslviz.transfer.dense.pixel_classes import shown_rows, small
from sslviz.transfer.dense.true_boxes import best_overlap, true_boxes

How = Literal["tokencut", "lost"]
WAYS = ("tokencut", "lost")
HIT = 0.5  # overlap from which a box is called right, as everywhere for CorLoc
RANDOM_SEEDS = 5  # patches drawn for each picture, so that the control is no luck itself
MOST_PATCHES = 1024  # of a picture: the cut takes the third power of their number


@dataclass(frozen=True, eq=False)
class Discovery(OfRun):
    """Result of `discovery`, of n pictures with an object.

    - run: the run it comes from
    - how: "tokencut" or "lost"
    - layer: whose tokens were grouped; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - ids: of the pictures, (n,)
    - found: the box of each picture, x0 y0 x1 y1 in pixels (n, 4)
    - true_boxes: of all objects of all pictures, (m, 4)
    - true_of: the picture of each of these, an index into `ids` (m,)
    - overlap: intersection over union of the found box with the true one that it meets best, (n,)
    - control_overlap: the same of controls, {control: (draws, n)}
    - untrained_found: the boxes found with the encoder untrained, (n, 4)
    - shown: pictures that the figure shows, the worst first, indices into `ids` (k,)
    - pictures: of these, uint8 (k, h, w, 3)
    - size: height and width in pixels of the pictures that boxes are of
    - left_out: {reason: images}
    - seed: of what is drawn, and of intervals
    - precision: in which the encoder computed the tokens
    """

    run: str
    how: str
    layer: str
    grid: tuple[int, int]
    ids: np.ndarray
    found: np.ndarray
    true_boxes: np.ndarray
    true_of: np.ndarray
    overlap: np.ndarray
    control_overlap: dict[str, np.ndarray]
    untrained_found: np.ndarray
    shown: np.ndarray
    pictures: np.ndarray
    size: tuple[int, int]
    left_out: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    precision: str = "fp32"

    def per_image(self) -> dict[str, np.ndarray]:
        """Whether the box of each picture is right, and how far it overlaps, for pairing two checkpoints."""
        return {"corloc": (self.overlap >= HIT).astype(float), "iou": self.overlap}

    def scores(self) -> dict[str, Score]:
        """How often is the box that of an object?

        - corloc: share of pictures whose box overlaps by half or more with that of any object
        - iou: mean intersection over union with the object that the box meets best

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        hits = {name: float((values >= HIT).mean()) for name, values in self.control_overlap.items()}
        means = {name: float(values.mean()) for name, values in self.control_overlap.items()}
        own = self.per_image()
        scores = {}
        for name, controls in (("corloc", hits), ("iou", means)):
            low, high = mean_interval(own[name], self.seed)
            scores[name] = Score(float(own[name].mean()), low, high, controls)
        return scores


@one_thread
def discovery(
    checkpoint: Checkpoint,
    images: Images,
    *,
    how: How = "tokencut",
    layer: str | None = None,
    centered: bool = True,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Discovery:
    """Does an object stand out from its ground without any label?

    In each picture one group of patches is found by their frozen tokens alone, and a box is drawn around it.  It is right
    where it overlaps by half or more with the box of any object.  True boxes come from the column `boxes`, or else lie
    around the regions of all masks but "background".

    - how: "tokencut" cuts the graph of patches whose cosine is above 0.2 in two (arXiv 2202.11539).  "lost" starts at the
      patch that is like fewest others, and adds those like it (arXiv 2109.14279)
    - layer: whose tokens, as `embed_layers` calls it; an earlier stage has a finer grid.  None: the last grid
    - precision: of the encoder, as of `embed`; the result keeps which it was
    - centered: whether the mean token of all pictures is taken away first.  Both papers group the keys of transformers;
      tokens of other networks have no negative entries, so that without it all patches are alike

    Scores: `corloc` and the mean `iou`.  Controls: the mean of all true boxes; the whole picture; what is like a patch drawn
    at random; and the encoder untrained.

    ValueError for no pictures, clips, pictures without any object, nothing that says where objects are, and grids of more
    than 1,024 patches.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 32}, path=None)
        >>> result = sslviz.discovery(checkpoint, sslviz.shapes(n=12), progress=False)
        >>> [*result.scores()], sorted(result.scores()["corloc"].controls)
        (['corloc', 'iou'], ['mean box', 'random patch', 'untrained', 'whole picture'])

    Caveat: One box is drawn in every picture, whether it shows many objects or none.  The zero padding of convolutions makes
    the border stand out as well, and where objects lie in the middle, their mean box is often right.
    """
    require_pictures(images, "Discovery needs pictures (n, h, w, 3), at least one")
    if how not in WAYS:
        raise ValueError(f"There is no way {how!r} to find objects; choose one of: {', '.join(WAYS)}.")
    images, truth, left_out = _with_objects(images)
    rng = np.random.default_rng(seed)
    title = checkpoint.run if progress else ""
    reader = encoder_tokens(checkpoint, images, layer, precision)
    own = _centered(reader(images, title), centered)
    found, grid = _found(own, how, images.size, title), own.shape[1:3]
    at_random = [_around_random_patches(own, how, images.size, rng) for _ in range(RANDOM_SEEDS)]
    del own
    bare = _centered(untrained_tokens(checkpoint, images, layer, precision)(images), centered)
    untrained = _found(bare, how, images.size, "the control" if progress else "")
    everywhere = np.concatenate(truth)
    controls = {
        "mean box": [np.broadcast_to(everywhere.mean(0), found.shape)],
        "whole picture": [np.broadcast_to([0.0, 0.0, images.size[1], images.size[0]], found.shape)],
        "random patch": at_random,
        "untrained": [untrained],
    }
    overlap = best_overlap(found, truth)
    shown = shown_rows(overlap)
    return Discovery(
        run=checkpoint.run,
        how=how,
        layer=layer or LAST,
        grid=(grid[0], grid[1]),
        ids=images.ids,
        found=found,
        true_boxes=everywhere,
        true_of=np.repeat(np.arange(len(truth)), [len(boxes) for boxes in truth]),
        overlap=overlap,
        control_overlap={name: np.stack([best_overlap(b, truth) for b in boxes]) for name, boxes in controls.items()},
        untrained_found=untrained,
        shown=shown,
        pictures=small(images.pixels[shown]),
        size=images.size,
        left_out=left_out,
        seed=seed,
        precision=reader.precision,
    )


def _with_objects(images: Images) -> tuple[Images, list[np.ndarray], dict[str, int]]:
    """The pictures with an object, the boxes of each, and {reason: pictures} of the others; ValueError where none has one."""
    truth = true_boxes(images)
    there = np.array([len(boxes) > 0 for boxes in truth])
    if not there.any():
        raise ValueError("None of these pictures has an object, so there is nothing to find; choose others.")
    left_out = {"no object in the picture": int((~there).sum())} if not there.all() else {}
    return images.rows(there), [boxes for boxes in truth if len(boxes)], left_out


def _centered(tokens: np.ndarray, centered: bool) -> np.ndarray:
    """Tokens (n, rows, columns, d), without their mean if so wanted; ValueError for a grid that is too fine."""
    patches = tokens.shape[1] * tokens.shape[2]
    if patches > MOST_PATCHES:
        raise ValueError(
            f"This layer has {tokens.shape[1]} x {tokens.shape[2]} patches, and at most {MOST_PATCHES:,} can be grouped; "
            "choose a later layer."
        )
    return tokens - tokens.mean((0, 1, 2), dtype=np.float64).astype(np.float32) if centered else tokens


def _found(tokens: np.ndarray, how: str, size: tuple[int, int], title: str) -> np.ndarray:
    """The box of each picture, (n, 4)."""
    grid = tokens.shape[1], tokens.shape[2]
    boxes = np.empty((len(tokens), 4))
    with progress_bar(f"finding objects with {title}", len(tokens), "images", shown=bool(title)) as advance:
        for i, picture in enumerate(tokens.reshape(len(tokens), -1, tokens.shape[-1])):
            mask = tokencut(affinity(picture), grid) if how == "tokencut" else lost(picture @ picture.T, grid)
            boxes[i] = box_of(mask, size)
            advance(1)
    return boxes


def _around_random_patches(tokens: np.ndarray, how: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The boxes (n, 4) around all that is like one patch of each picture and hangs together with it."""
    like: Callable[[np.ndarray, int], np.ndarray] = (
        (lambda x, i: affinity(x)[i] == 1) if how == "tokencut" else (lambda x, i: x @ x[i] > 0)
    )
    grid = tokens.shape[1], tokens.shape[2]
    seeds = rng.integers(0, grid[0] * grid[1], len(tokens))
    pictures = tokens.reshape(len(tokens), -1, tokens.shape[-1])
    return np.stack(
        [box_of(component(like(x, int(i)), int(i), grid), size) for x, i in zip(pictures, seeds, strict=True)]
    )


def _passes(checkpoint: Checkpoint, images: Images, **others: object) -> Passes:
    """All pictures by the encoder, and by it untrained."""
    return Passes(seen=2 * len(images))


BUDGET = Budget(_passes)
