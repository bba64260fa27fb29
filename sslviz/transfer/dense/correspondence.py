"""Correspondence: whether a part of a picture is known again in another, by frozen tokens of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sslviz.data import Images
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.transfer.budget import Budget, Passes
from sslviz.transfer.dense.asked_points import asked_points, given_points, points_of
from sslviz.transfer.dense.correspondence_result import Correspondence
from sslviz.transfer.dense.patch_matches import Asked, at_best, by_chance, centres, nearest_patches, patch_at
from sslviz.transfer.dense.patch_tokens import LAST, PIXELS, TokenReader, encoder_tokens, pixel_tokens, untrained_tokens
from sslviz.transfer.dense.picture_moves import MOVES
from sslviz.transfer.dense.pixel_classes import shown_rows, small

GIVEN = "given"  # the only move, where points were given


def correspondence(
    checkpoint: Checkpoint,
    images: Images,
    *,
    layer: str | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Correspondence:
    """Does it know a part of a picture again after the picture has moved?

    Each picture is shifted by whole patches, mirrored, and three quarters of it are enlarged to the whole.  The middle of
    each patch on an object is looked for in the moved picture: at the middle of the patch whose frozen token is nearest by
    cosine.  It is found where it lies within a tenth of the longer side of the object's box, as the moved picture shows it
    (PCK@.1).  Boxes come from the column `boxes`, or from all masks but "background"; without either, all patches are
    looked for, within a tenth of the picture's longer side.

    - layer: whose tokens, as `embed_layers` calls it; an earlier stage has a finer grid.  None: the last grid
    - precision: of the encoder, as of `embed`; the result keeps which it was

    Scores: `pck`, `of_ceiling`, and `pck` of each move.  Controls: a patch at random; the patch at the same place; colours
    of a patch, compared in the same way; and the encoder untrained.  The ceiling is that of the grid: the nearest patch.

    ValueError for no pictures, clips, and pictures whose objects hold the middle of no patch.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> result = sslviz.correspondence(checkpoint, sslviz.scenes(n=12), progress=False)
        >>> [*result.scores()]
        ['pck', 'pck shifted', 'pck mirrored', 'pck enlarged', 'of_ceiling']

    Caveat: The same picture is found in itself, which is easier than an object in another photograph.  Colours alone
    find much of a shifted picture, so read the score beside them.
    """
    require_pictures(images, "Correspondence needs pictures (n, h, w, 3), at least one")
    own, untrained = (make(checkpoint, images, layer, precision) for make in (encoder_tokens, untrained_tokens))
    grid = own.read(images.pixels[:1]).shape[1:3]
    points, there = points_of(images, grid)
    images = images.rows(there)
    moved, asked = asked_points(images, grid, points, seed)
    pairs = _Pairs(images, moved, [one for of_move in asked for one in of_move])
    result = _answered(own, untrained, pairs, [*MOVES], seed, progress)
    return replace(
        result, layer=layer or LAST, left_out={"no patch on an object": int((~there).sum())} if not there.all() else {}
    )


def correspondence_of(
    checkpoint: Checkpoint,
    first: Images,
    second: Images,
    points: Sequence[np.ndarray],
    *,
    layer: str | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Correspondence:
    """Does it find given points of one picture again in another one?

    - first, second: n pictures each; those of a pair have the same place
    - points: of each pair x and y in the first, and where the same point lies in the second, in pixels (m, 4)

    A point is found where the nearest patch lies within a tenth of the longer side of the second picture.  Everything else
    is as for `correspondence`; ValueError for points outside their picture, and for other numbers of pictures.

    Example:
        >>> import numpy as np, sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> left = sslviz.scenes(n=1)
        >>> result = sslviz.correspondence_of(checkpoint, left, left, [np.array([[20, 20, 20, 20]])], progress=False)
        >>> result.scores()["pck"].value
        1.0
    """
    for images in (first, second):
        require_pictures(images, "Correspondence needs pictures (n, h, w, 3), at least one")
    asked = given_points(first, second, points)
    moved = replace(second, ids=np.array([f"{GIVEN} {id_}" for id_ in second.ids]))
    own, untrained = (make(checkpoint, first, layer, precision) for make in (encoder_tokens, untrained_tokens))
    result = _answered(own, untrained, _Pairs(first, moved, asked), [GIVEN], seed, progress)
    return replace(result, layer=layer or LAST)


def _colours(rows: int, columns: int) -> TokenReader:
    """The pixels of each patch, without its place, and less the mean grey, so that angles differ."""
    both = pixel_tokens(rows, columns)
    return replace(both, read=lambda pixels: both.read(pixels)[..., : 3 * PIXELS**2] - np.float32(0.5))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pictures and their moved ones, and the points that are asked.

    - images: n pictures
    - moved: all of the first move, then of the next, (t * n)
    - asked: the points of each pair, in that order
    """

    images: Images
    moved: Images
    asked: list[Asked]

    def looked_for(self, tokens: TokenReader, title: str = "") -> tuple[list[np.ndarray], tuple[int, int]]:
        """Where these tokens find each point, and their grid."""
        first, second = tokens(self.images, title), tokens(self.moved, title)
        grid = first.shape[1], first.shape[2]
        middles, found = centres(grid, self.moved.size), []
        for i, one in enumerate(self.asked):
            patches = patch_at(one.before, grid, self.images.size)
            found.append(middles[nearest_patches(first[i % len(first)], second[i], patches)])
        return found, grid

    def share_right(self, found: list[np.ndarray]) -> np.ndarray:
        """The share of points of each pair that were found, (t, n)."""
        return self.shares([one.right(points) for one, points in zip(self.asked, found, strict=True)])

    def shares(self, of_points: list[np.ndarray]) -> np.ndarray:
        """The mean over the points of each pair, (t, n)."""
        return np.array([values.mean() for values in of_points]).reshape(-1, len(self.images))

    def controls(self, grid: tuple[int, int], bare: list[np.ndarray]) -> dict[str, np.ndarray]:
        """{control: the share of points that it finds, (t, n)}; `bare` is what the encoder untrained finds."""
        middles = centres(grid, self.moved.size)
        same_place = [middles[patch_at(one.before, grid, self.images.size)] for one in self.asked]
        return {
            "random patch": self.shares([by_chance(one, middles) for one in self.asked]),
            "same place": self.share_right(same_place),
            "pixels": self.share_right(self.looked_for(_colours(*grid))[0]),
            "untrained": self.share_right(bare),
        }


def _answered(
    own: TokenReader, untrained: TokenReader, pairs: _Pairs, moves: list[str], seed: int, progress: bool
) -> Correspondence:
    """The result of pictures and moved ones."""
    n, images, moved, asked = len(pairs.images), pairs.images, pairs.moved, pairs.asked
    found, grid = pairs.looked_for(own, own.name if progress else "")
    bare, _ = pairs.looked_for(untrained)
    share = pairs.share_right(found)
    shown = shown_rows(share.ravel())
    return Correspondence(
        run=own.name,
        layer=LAST,
        grid=grid,
        moves=moves,
        ids=images.ids,
        share=share,
        ceiling_share=pairs.shares([at_best(one, centres(grid, moved.size)) for one in asked]),
        control_share=pairs.controls(grid, bare),
        asked=np.array([len(one.before) for one in asked]).reshape(len(moves), n),
        shown=np.stack([shown % n, shown // n], axis=1),
        pictures=small(images.pixels[shown % n]),
        moved=small(moved.pixels[shown]),
        point_of=np.repeat(np.arange(len(shown)), [len(asked[i].before) for i in shown]),
        before=np.concatenate([asked[i].before for i in shown]),
        after=np.concatenate([asked[i].after for i in shown]),
        found=np.concatenate([found[i] for i in shown]),
        untrained=np.concatenate([bare[i] for i in shown]),
        right=np.concatenate([asked[i].right(found[i]) for i in shown]),
        size=images.size,
        moved_size=moved.size,
        seed=seed,
        precision=own.precision,
    )


def _passes(checkpoint: Checkpoint, images: Images, **others: object) -> Passes:
    """All pictures and their moved ones, by the encoder, and by it untrained."""
    return Passes(seen=2 * (1 + len(MOVES)) * len(images))


BUDGET = Budget(_passes)
