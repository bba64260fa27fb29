"""Which points of pictures are looked for, where they truly lie, and how near an answer must be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslviz.data import Images
from sslviz.transfer.dense.patch_matches import RADIUS, Asked, centres
from sslviz.transfer.dense.picture_moves import MOVES
from sslviz.transfer.dense.true_boxes import objects_of, says_objects


def points_of(images: Images, grid: tuple[int, int]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """The points of each picture that has any, with the longer side of what they lie on; and which pictures have some, (n,).

    Middles of patches in the boxes of objects, (m, 2), and the longer side of the smallest box that each lies in, (m,).
    Where nothing says where objects are, all middles, and the longer side of the picture.  ValueError where there is none.
    """
    middles = centres(grid, images.size)
    if not says_objects(images):
        whole = middles, np.full(len(middles), float(max(images.size)))
        return [whole] * len(images), np.ones(len(images), bool)
    found = [_in_boxes(middles, boxes.corners) for boxes in objects_of(images)]
    there = np.array([len(points) > 0 for points, _ in found])
    if not there.any():
        raise ValueError(
            f"No patch of the grid {grid[0]} x {grid[1]} has its middle on an object of these pictures; choose others, or an "
            "earlier layer, whose grid is finer."
        )
    return [found[i] for i in np.flatnonzero(there)], there


def _in_boxes(middles: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = ((middles[:, None] >= boxes[:, :2]) & (middles[:, None] < boxes[:, 2:])).all(2)  # (patches, boxes)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)
    least = np.where(inside, longer, np.inf).min(1, initial=np.inf)
    return middles[np.isfinite(least)], least[np.isfinite(least)]


def asked_points(
    images: Images, grid: tuple[int, int], points: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[Images, list[list[Asked]]]:
    """All pictures moved in every way, those of the first way first, and what is asked of each: (t, n).

    Of the points those are asked for that lie in the moved picture; each picture has one at least.
    """
    rng = np.random.default_rng(seed)
    size, n = np.array(images.size[::-1]), len(images)
    pixels = np.empty((len(MOVES) * n, *images.pixels.shape[1:]), np.uint8)
    asked: list[list[Asked]] = []
    for t, move in enumerate(MOVES.values()):
        of_move = []
        for i, (before, longer) in enumerate(points):
            moved = move(images.pixels[i], grid, before[rng.integers(len(before))], rng)
            pixels[t * n + i] = moved.pixels
            after = moved.points(before)
            kept = ((after >= 0) & (after < size)).all(1)
            of_move.append(Asked(before[kept], after[kept], RADIUS * longer[kept] * np.abs(moved.scale).max()))
        asked.append(of_move)
    ids = [f"{name} {id_}" for name in MOVES for id_ in images.ids]
    return Images(pixels, np.array(ids), images.table.iloc[np.tile(np.arange(n), len(MOVES))]), asked


def given_points(first: Images, second: Images, points: Sequence[np.ndarray]) -> list[Asked]:
    """What is asked by pairs of points (m, 4) of each pair of pictures; ValueError where they cannot be meant."""
    if not len(first) == len(second) == len(points):
        raise ValueError(
            f"Pairs take as many first pictures as second ones and sets of points; got {len(first)}, {len(second)} and "
            f"{len(points)}."
        )
    limits = np.array([*first.size[::-1], *second.size[::-1]])
    asked = []
    for id_, given in zip(first.ids, points, strict=True):
        pairs = np.asarray(given, float)
        if pairs.ndim != 2 or pairs.shape[1] != 4 or not len(pairs):
            raise ValueError(f"Points of a pair are (m, 4), x and y in both pictures; got {pairs.shape} for {id_}.")
        if not ((pairs >= 0) & (pairs <= limits)).all():
            raise ValueError(f"A point of {id_} lies outside its picture; points are x and y in pixels of it.")
        asked.append(Asked(pairs[:, :2], pairs[:, 2:], np.full(len(pairs), RADIUS * max(second.size))))
    return asked
