"""Do maps agree, and would they have agreed anyway?  Rank correlations beside those of maps of other images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.data import Images
from sslviz.explanations.control_maps import resized
from sslviz.explanations.faithfulness.faithfulness import FEWEST, maps_of
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval


def rank_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How alike is every map of a to every map of b?  Spearman (n, m) of maps (n, h, w) and (m, h, w); 0 with a constant."""
    return _standard_ranks(a) @ _standard_ranks(b).T


def _standard_ranks(maps: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length > 0, length, 1)


@dataclass(frozen=True, eq=False)
class Agreement:
    """Do maps of the same images agree?  `correlations` (p, n) and `unrelated` (p,), one row for each of `pairs`.

    `names` are the maps' names, `pairs` "a and b"; `unrelated` is the mean correlation of one's map of an image and the
    other's of another image: what both owe to where objects usually are.
    """

    ids: np.ndarray
    names: list[str]
    pairs: list[str]
    correlations: np.ndarray
    unrelated: np.ndarray
    seed: int = 0

    def scores(self) -> dict[str, Score]:
        """The mean correlation of each pair of maps, beside that of maps of different images."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for pair, values, null in zip(self.pairs, self.correlations, self.unrelated, strict=True):
            low, high = interval(values, self.seed)
            scores[pair] = Score(float(values.mean()), low, high, {"other images": float(null)}, None)
        return scores


def agreement(maps: Mapping[str, Any], images: Images, *, seed: int = 0) -> Agreement:
    """Do two ways of making maps say the same?

    `maps` {name: maps} of the same `images` (at least 2), results or arrays (n, h, w) on any grids; two are compared on
    the coarser grid of theirs.  Spearman correlation over the cells of each image, averaged over images, in [-1, 1].
    Control: the same between maps of different images.  Intervals: bootstrap over images.  ValueError for fewer than two
    kinds of maps or two images.

    Caveat: Methods may agree and be wrong together, as those do that follow the picture's edges.
    """
    found = {name: maps_of(value, images) for name, value in maps.items()}
    if len(found) < 2 or len(images) < 2:
        raise ValueError(f"Agreement needs 2 kinds of maps of 2 images or more; got {len(found)} of {len(images)}.")
    names, pairs, same, other = list(found), [], [], []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            grid = min(found[a].shape[1:], found[b].shape[1:], key=lambda shape: shape[0] * shape[1])
            every = rank_correlations(resized(found[a], grid), resized(found[b], grid))
            pairs.append(f"{a} and {b}")
            same.append(every.diagonal())
            other.append(off_diagonal(every).mean())
    return Agreement(images.ids, names, pairs, np.stack(same), np.array(other), seed)


def off_diagonal(square: np.ndarray) -> np.ndarray:
    """Of a square matrix, what relates different images."""
    return square[~np.eye(len(square), dtype=bool)]


def interval(values: np.ndarray, seed: int) -> tuple[float, float] | tuple[None, None]:
    """95 % bootstrap interval of the mean over images (n,); none for too few of them."""
    if len(values) < FEWEST:
        return None, None
    return percentile_interval(bootstrap_balanced_mean(values, np.zeros(len(values)), seed=seed))
