"""Average precision of boxes, as COCO defines it, with a rule for equal scores that no order of the boxes can change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sslviz.transfer.dense.true_boxes import overlap

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # overlaps from which a box is right; the first is that of AP50
RECALLS = 101  # points of recall, 0, 0.01, ... 1, at which precision is read
MOST_BOXES = 100  # of a picture: the best ones count
DRAWS = 1000
_CELLS = 2**22  # numbers of all draws at once: 32 MB


class Placed(NamedTuple):
    """m boxes in pictures.

    - picture: which picture each lies in, int (m,)
    - kind: the number of its class, int (m,)
    - corners: x0 y0 x1 y1 in pixels, float (m, 4)
    - score: how sure it is, float (m,); 1 for true boxes
    """

    picture: np.ndarray
    kind: np.ndarray
    corners: np.ndarray
    score: np.ndarray

    def rows(self, keep: np.ndarray) -> Placed:
        """Some of them: a boolean mask, or row numbers."""
        return Placed(*(field[keep] for field in self))


class Matches(NamedTuple):
    """Which of m found boxes are right, and how many true ones there are.

    - picture, kind, score: of each found box, (m,), the surest of each picture first
    - right: whether it is right at each of the thresholds, bool (m, t)
    - true: true boxes of each class in each picture, int (n, c)
    """

    picture: np.ndarray
    kind: np.ndarray
    score: np.ndarray
    right: np.ndarray
    true: np.ndarray


def in_order(found: Placed) -> np.ndarray:
    """Row numbers: picture by picture, the surest first; of equal scores by x0, y0, x1, y1, and the class.

    At most MOST_BOXES of a picture, all classes together.
    """
    order = np.lexsort((found.kind, *found.corners.T[::-1], -found.score, found.picture))
    pictures = found.picture[order]
    rank = np.arange(len(order)) - np.searchsorted(pictures, pictures)
    return order[rank < MOST_BOXES]


def matches(found: Placed, truth: Placed, pictures: int, classes: int, thresholds: np.ndarray = THRESHOLDS) -> Matches:
    """Greedy matching within each picture and class.

    Found boxes come in the order of `in_order`.  Each takes the true box that it overlaps most, of those not yet taken
    and overlapped by the threshold or more.  It is right if there is one.  No true box is taken twice.
    """
    found = found.rows(in_order(found))
    truth = truth.rows(
        np.lexsort(truth.corners.T[::-1])
    )  # of equal overlaps the first is taken, whatever their order was
    right = np.zeros((len(found.score), len(thresholds)), bool)
    own, other = found.picture * classes + found.kind, truth.picture * classes + truth.kind
    by_true = np.argsort(other, kind="stable")
    by_own = np.argsort(own, kind="stable")
    for key in np.intersect1d(own, other):
        rows = by_own[np.searchsorted(own[by_own], key) : np.searchsorted(own[by_own], key, "right")]
        there = by_true[np.searchsorted(other[by_true], key) : np.searchsorted(other[by_true], key, "right")]
        right[rows] = _greedy(overlap(found.corners[rows, None], truth.corners[None, there]), thresholds)
    counts = np.bincount(other, minlength=pictures * classes).reshape(pictures, classes)
    return Matches(found.picture, found.kind, found.score, right, counts)


def _greedy(overlaps: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Whether each found box is right, (f, t), of overlaps (f, g)."""
    right = np.zeros((len(overlaps), len(thresholds)), bool)
    free = np.ones((len(thresholds), overlaps.shape[1]), bool)
    # 1e-10: a threshold that a box reaches exactly must not be missed by rounding
    for i in np.flatnonzero(overlaps.max(1) >= thresholds.min() - 1e-10):
        open_ = np.where(free, overlaps[i], -1.0)
        best = open_.argmax(1)
        right[i] = open_[np.arange(len(best)), best] >= thresholds - 1e-10
        free[right[i], best[right[i]]] = False
    return right


def average_precisions(found: Matches, times: np.ndarray | None = None) -> np.ndarray:
    """The average precision of each class at each threshold, (c, t); of drawn pictures (draws, c, t).

    Precision is read at 101 points of recall, each time the largest at this recall or a higher one, and averaged.  Of equal
    scores in different pictures wrong boxes count first, so that neither files nor rows in another order change it.  NaN for
    a class without any true box: whatever is found of it counts nothing.

    - times: how often each picture counts, int (draws, n)
    """
    n, classes = found.true.shape
    each = np.ones((1, n), np.int64) if times is None else np.asarray(times, np.int64)
    result = np.full((len(each), classes, found.right.shape[1]), np.nan)
    for kind in range(classes):
        rows = np.flatnonzero(found.kind == kind)
        total = each @ found.true[:, kind]
        for t in range(found.right.shape[1]):
            order = rows[np.lexsort((found.right[rows, t], -found.score[rows]))]
            result[:, kind, t] = _of_one(found.right[order, t], found.picture[order], each, total)
    return result[0] if times is None else result


def _of_one(right: np.ndarray, picture: np.ndarray, times: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The average precision of one class at one threshold, (draws,): boxes in their order, `total` (draws,) true ones."""
    hits = np.flatnonzero(right)
    if not len(hits):
        return np.where(total > 0, 0.0, np.nan)
    picture = picture[: hits[-1] + 1]  # what comes after the last right box changes no precision that is read
    found = np.full(len(times), np.nan)
    step = max(1, _CELLS // len(picture))
    for start in range(0, len(times), step):
        counted = times[start : start + step][:, picture]
        among = counted.cumsum(1)[:, hits]
        so_far = counted[:, hits].cumsum(1)
        precision = so_far / np.maximum(among, 1)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for i, (reached, values) in enumerate(zip(so_far, best, strict=True), start):
            if total[i]:
                found[i] = _read(reached, values, int(total[i]))
    return found


def _read(reached: np.ndarray, precision: np.ndarray, total: int) -> float:
    """The mean precision at the points of recall; 0 at those that are not reached."""
    # In whole numbers: as fractions, 7 of 20 would miss the point 0.35 by a rounding, as they do in pycocotools.
    needed = np.arange(RECALLS) * total
    at = np.searchsorted(reached * (RECALLS - 1), needed)
    return float(precision[at[at < len(reached)]].sum() / RECALLS)


def precision_draws(found: Matches, seed: int) -> np.ndarray:
    """`average_precisions` (draws, c, t) of pictures drawn again, each with all its boxes."""
    n = len(found.true)
    return average_precisions(found, np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=DRAWS))


def without_truth(found: Matches) -> np.ndarray:
    """How many found boxes are of a class that no picture shows, by class (c,): they count nothing."""
    counts = np.bincount(found.kind, minlength=found.true.shape[1])
    return np.where(found.true.sum(0) > 0, 0, counts)
