"""Correspondence: whether a part of a picture is known again in another, by frozen tokens of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sslviz.data import Images
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_draws
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.statistics import Score, percentile_interval
from sslviz.transfer.dense.asked_points import asked_points, given_points, points_of
from sslviz.transfer.dense.patch_matches import Asked, at_best, by_chance, centres, nearest_patches, patch_at
from sslviz.transfer.dense.patch_tokens import LAST, PIXELS, TokenReader, encoder_tokens, pixel_tokens, untrained_tokens
from sslviz.transfer.dense.picture_moves import MOVES
from sslviz.transfer.dense.pixel_classes import shown_rows, small

GIVEN = "given"  # the only move, where points were given


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Result of `correspondence`, of n pictures that were moved in t ways.

    - run: the run it comes from
    - layer: whose tokens were compared; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - moves: how pictures were moved, (t,); "given" where pairs of points were given
    - ids: of the pictures, (n,)
    - share: of its points that were found again, (t, n)
    - ceiling_share: the same, where the nearest patch is always found, (t, n)
    - control_share: the same of controls, {control: (t, n)}
    - asked: how many points there are in each, int (t, n)
    - shown: pairs that the figure shows, the worst first: an index into `ids` and one into `moves`, int (k, 2)
    - pictures, moved: of these, uint8 (k, h, w, 3)
    - point_of: the shown pair of each of their m points, (m,)
    - before, after: where these lie in the first picture, and truly in the second, in pixels (m, 2)
    - found, untrained: where they were found, and are by the encoder untrained, (m, 2)
    - right: which were found, bool (m,)
    - size, moved_size: height and width in pixels of the first pictures, and of the others
    - left_out: {reason: images}
    - seed: of moves and intervals
    """

    run: str
    layer: str
    grid: tuple[int, int]
    moves: list[str]
    ids: np.ndarray
    share: np.ndarray
    ceiling_share: np.ndarray
    control_share: dict[str, np.ndarray]
    asked: np.ndarray
    shown: np.ndarray
    pictures: np.ndarray
    moved: np.ndarray
    point_of: np.ndarray
    before: np.ndarray
    after: np.ndarray
    found: np.ndarray
    untrained: np.ndarray
    right: np.ndarray
    size: tuple[int, int]
    moved_size: tuple[int, int]
    left_out: dict[str, int] = field(default_factory=dict)
    seed: int = 0

    @property
    def name(self) -> str:
        """How figures call it: the run it comes from."""
        return self.run

    @property
    def ceiling(self) -> float:
        """The score where the nearest patch is always found."""
        return float(self.ceiling_share.mean())

    def per_image(self) -> dict[str, np.ndarray]:
        """The share of its points that were found again, of each picture, for pairing two checkpoints."""
        each = {f"pck {name}": share for name, share in zip(self.moves, self.share, strict=True)}
        return {"pck": self.share.mean(0)} | (each if len(each) > 1 else {})

    def scores(self) -> dict[str, Score]:
        """Are parts of a picture known again?

        - pck: share of points whose most similar patch lies within a tenth of their object's longer side; the mean over
          pictures
        - of_ceiling: the same as a share of what this grid could show, if the nearest patch were always found
        - pck MOVE: of each move by itself

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        rows = {"pck": slice(None)} | {f"pck {name}": slice(i, i + 1) for i, name in enumerate(self.moves)}
        rows = rows if len(self.moves) > 1 else {"pck": slice(None)}
        scores = {name: self._score(self.share[at], at) for name, at in rows.items()}
        ceiling, controls = self.ceiling, scores["pck"].controls
        if not ceiling:
            reason = "patches are too coarse: not even the nearest one is right"
            return scores | {"of_ceiling": Score.unknown(reason, dict.fromkeys(controls, 0.0), True)}
        low = high = None
        if len(self.ids) >= FEWEST_IMAGES:
            own, best = mean_draws(np.stack([self.share.mean(0), self.ceiling_share.mean(0)]), self.seed).T
            low, high = percentile_interval(own[best > 0] / best[best > 0])
        relative = {name: value / ceiling for name, value in controls.items()}
        return scores | {"of_ceiling": Score(scores["pck"].value / ceiling, low, high, relative)}

    def _score(self, share: np.ndarray, rows: slice) -> Score:
        controls = {name: float(each[rows].mean()) for name, each in self.control_share.items()}
        of_pictures = share.mean(0)
        low, high = None, None
        if len(of_pictures) >= FEWEST_IMAGES:
            low, high = percentile_interval(mean_draws(of_pictures, self.seed))
        return Score(float(of_pictures.mean()), low, high, controls)


def correspondence(
    checkpoint: Checkpoint, images: Images, *, layer: str | None = None, seed: int = 0, progress: bool = True
) -> Correspondence:
    """Does it know a part of a picture again after the picture has moved?

    Each picture is shifted by whole patches, mirrored, and three quarters of it are enlarged to the whole.  The middle of
    each patch on an object is looked for in the moved picture: at the middle of the patch whose frozen token is nearest by
    cosine.  It is found where it lies within a tenth of the longer side of the object's box, as the moved picture shows it
    (PCK@.1).  Boxes come from the column `boxes`, or from all masks but "background"; without either, all patches are
    looked for, within a tenth of the picture's longer side.

    - layer: whose tokens, as `embed_layers` calls it; an earlier stage has a finer grid.  None: the last grid

    Scores: `pck`, `of_ceiling`, and `pck` of each move.  Controls: a patch at random; the patch at the same place; colours
    of a patch, compared in the same way; and the encoder untrained.  The ceiling is that of the grid: the nearest patch.

    ValueError for no pictures, clips, and pictures whose objects hold the middle of no patch.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> result = sslviz.correspondence(checkpoint, sslviz.scenes(n=12), progress=False)
        >>> [*result.scores()]
        ['pck', 'pck shifted', 'pck mirrored', 'pck enlarged', 'of_ceiling']

    Caveat: The same picture is found in itself, which is easier than an object in another photograph; colours alone find
    much of a shifted picture, so read the score beside them.
    """
    require_pictures(images, "Correspondence needs pictures (n, h, w, 3), at least one")
    own = encoder_tokens(checkpoint, layer)
    grid = own.read(images.pixels[:1]).shape[1:3]
    points, there = points_of(images, grid)
    images = images.rows(there)
    moved, asked = asked_points(images, grid, points, seed)
    result = _answered(own, untrained_tokens(checkpoint, layer), images, moved, asked, [*MOVES], seed, progress)
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
    seed: int = 0,
    progress: bool = True,
) -> Correspondence:
    """Does it find given points of one picture again in another one?

    - first, second: n pictures each; those of a pair have the same place
    - points: of each pair x and y in the first, and where the same point lies in the second, in pixels (m, 4)

    A point is found where the nearest patch lies within a tenth of the longer side of the second picture.  Scores, controls
    and errors as for `correspondence`; ValueError for points outside their picture, and for other numbers of pictures.

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
    moved = replace(second, ids=[f"{GIVEN} {id_}" for id_ in second.ids])  # type: ignore[arg-type]
    own, untrained = encoder_tokens(checkpoint, layer), untrained_tokens(checkpoint, layer)
    result = _answered(own, untrained, first, moved, [asked], [GIVEN], seed, progress)
    return replace(result, layer=layer or LAST)


def _colours(rows: int, columns: int) -> TokenReader:
    """The pixels of each patch, without its place, and less the mean grey, so that angles differ."""
    both = pixel_tokens(rows, columns)
    return replace(both, read=lambda pixels: both.read(pixels)[..., : 3 * PIXELS**2] - np.float32(0.5))


def _answered(
    own: TokenReader,
    untrained: TokenReader,
    images: Images,
    moved: Images,
    asked: list[list[Asked]],
    moves: list[str],
    seed: int,
    progress: bool,
) -> Correspondence:
    """The result of pictures and moved ones (all of the first move, then of the next), asked (t, n)."""
    n, title = len(images), own.name if progress else ""
    flat = [one for of_move in asked for one in of_move]

    def look(tokens: TokenReader, title: str = "") -> tuple[list[np.ndarray], tuple[int, int]]:
        """Where each point is found, and the grid."""
        first, second = tokens(images, title), tokens(moved, title)
        grid = first.shape[1], first.shape[2]
        middles, found = centres(grid, moved.size), []
        for i, one in enumerate(flat):
            patches = patch_at(one.before, grid, images.size)
            found.append(middles[nearest_patches(first[i % n], second[i], patches)])
        return found, grid

    found, grid = look(own, title)
    bare = look(untrained)[0]
    middles = centres(grid, moved.size)
    places = [middles[patch_at(one.before, grid, images.size)] for one in flat]

    def shares(of_points: list[np.ndarray]) -> np.ndarray:
        return np.array([values.mean() for values in of_points]).reshape(len(moves), n)

    def right(found: list[np.ndarray]) -> list[np.ndarray]:
        return [one.right(points) for one, points in zip(flat, found, strict=True)]

    share = shares(right(found))
    shown = shown_rows(share.ravel())
    return Correspondence(
        run=own.name,
        layer=LAST,
        grid=grid,
        moves=moves,
        ids=images.ids,
        share=share,
        ceiling_share=shares([at_best(one, middles) for one in flat]),
        control_share={
            "random patch": shares([by_chance(one, middles) for one in flat]),
            "same place": shares(right(places)),
            "pixels": shares(right(look(_colours(*grid))[0])),
            "untrained": shares(right(bare)),
        },
        asked=np.array([len(one.before) for one in flat]).reshape(len(moves), n),
        shown=np.stack([shown % n, shown // n], axis=1),
        pictures=small(images.pixels[shown % n]),
        moved=small(moved.pixels[shown]),
        point_of=np.repeat(np.arange(len(shown)), [len(flat[i].before) for i in shown]),
        before=np.concatenate([flat[i].before for i in shown]),
        after=np.concatenate([flat[i].after for i in shown]),
        found=np.concatenate([found[i] for i in shown]),
        untrained=np.concatenate([bare[i] for i in shown]),
        right=np.concatenate([flat[i].right(found[i]) for i in shown]),
        size=images.size,
        moved_size=moved.size,
        seed=seed,
    )
