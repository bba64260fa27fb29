"""True boxes of pictures as one table, and the box of each class that is guessed without looking."""

from __future__ import annotations

import numpy as np

from sslviz.data.boxes import Boxes
from sslviz.transfer.dense.average_precision import Placed


def placed(objects: list[Boxes], classes: list[str]) -> Placed:
    """The boxes of all pictures in one table; `classes` has all their names."""
    picture = np.repeat(np.arange(len(objects)), [len(boxes.classes) for boxes in objects])
    names = [str(name) for boxes in objects for name in boxes.classes]
    kind = np.array([classes.index(name) for name in names], dtype=int)
    corners = np.concatenate([boxes.corners for boxes in objects])
    return Placed(picture, kind, corners, np.ones(len(kind)))


def usual_boxes(fitted: Placed, classes: int, grid: tuple[int, int], fit_size: tuple[int, int]) -> Placed:
    """One box of each class that is in `fitted`: its mean width and height where its centres lie most often.

    Coordinates are in shares of the sides of pictures, and the picture is 0.  The score is the number of true boxes.
    """
    corners = fitted.corners / np.tile(np.array(fit_size, float)[::-1], 2)
    centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    x, y = np.minimum(centres * grid[::-1], np.array(grid[::-1]) - 1).astype(int).T
    cell, found = y * grid[1] + x, []
    kinds = np.flatnonzero(np.bincount(fitted.kind, minlength=classes))
    for kind in kinds:
        own = fitted.kind == kind
        place = centres[own & (cell == np.bincount(cell[own]).argmax())].mean(0)
        side = sides[own].mean(0)
        found.append([*(place - side / 2), *(place + side / 2)])
    often = np.bincount(fitted.kind, minlength=classes)[kinds].astype(float)
    return Placed(np.zeros(len(kinds), int), kinds, np.array(found).clip(0, 1), often)


def everywhere(boxes: Placed, pictures: int, size: tuple[int, int]) -> Placed:
    """The boxes of one picture, in shares of its sides, in every picture, in pixels of this size."""
    m = len(boxes.kind)
    corners = np.tile(boxes.corners * np.tile(np.array(size, float)[::-1], 2), (pictures, 1))
    picture = np.repeat(np.arange(pictures), m)
    return Placed(picture, np.tile(boxes.kind, pictures), corners, np.tile(boxes.score, pictures))


def surest_threshold(kind: np.ndarray, score: np.ndarray, right: np.ndarray, true: np.ndarray) -> float:
    """The score from which boxes are shown: where right boxes are most of all found and true ones (F1, largest).

    - kind, score, right: of each found box, (m,)
    - true: true boxes of each class, (c,)
    """
    known = true[kind] > 0
    order = np.argsort(-score[known], kind="stable")
    if not len(order):
        return 1.0
    f1 = 2 * right[known][order].cumsum() / (np.arange(1, len(order) + 1) + true.sum())
    return float(score[known][order][f1.argmax()])


def agreement(picture: np.ndarray, right: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F1 of the shown boxes of each picture, (n,); 1 where nothing is there and nothing is shown."""
    n = len(true)
    shown, hits, there = np.bincount(picture, minlength=n), np.bincount(picture, right, n), true.sum(1)
    return np.where(shown + there > 0, 2 * hits / np.maximum(shown + there, 1), 1.0)
