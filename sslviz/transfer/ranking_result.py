"""Ranking: the result of `ranking`, how high the images of a class stand among the answers to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_mean,
    bootstrap_balanced_mean,
    group_sizes,
    low_of_perfect,
    percentile_interval,
)

# Errors of scores beyond those of a mean over independent queries, where the queries are the gallery too.  An image is
# then in the average precision of every other one: the error of such a mean (a U-statistic) is twice as large.  A hit
# rests on few of them; two images that find each other share it, which doubles the variance.  tests/transfer/test_ranking.py
WIDER, WIDER_HIT = 2.0, 2**0.5
ALONE = "no other image of its class is in the gallery"


@dataclass(frozen=True, eq=False)
class Ranking(Fitted):
    """Result of `ranking`, of n queries.

    - label: the column by which an image is relevant
    - classes: names of the queries' classes, (c,)
    - ids: the queries, (n,)
    - truth: index into `classes`, (n,)
    - at: the K of hit@K
    - values: {score: (n,)}, each query's own average precision, the one within its first R, and hits
    - chance: {score: (n,)}, what a random order of the same gallery gives on average
    - control_values: {control: {score: (n,)}}
    - own_gallery: whether the queries themselves are the gallery
    - n_gallery: images that are ranked
    - duplicates: gallery images whose features repeat those of an earlier one
    - left_out: {reason: queries}
    - seed: of the resamples
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    at: list[int]
    values: dict[str, np.ndarray]
    chance: dict[str, np.ndarray]
    control_values: dict[str, dict[str, np.ndarray]]
    own_gallery: bool
    n_gallery: int
    duplicates: int
    left_out: dict[str, int]
    seed: int

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image adds to the class-balanced mean, as query and as answer: {score: (n,)}.

        Where queries are the gallery too, deviations from the class's mean are `WIDER` than the query's own value says.
        """
        if not self.own_gallery:
            return self.values
        size = np.bincount(self.truth)
        added = {}
        for name, values in self.values.items():
            mean = (np.bincount(self.truth, values) / size)[self.truth]
            added[name] = mean + (WIDER_HIT if name.startswith("hit") else WIDER) * (values - mean)
        return added

    def groups(self) -> np.ndarray:
        """The class that each query counts for: (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """`map`, `map@R` and `hit@K`, all in [0, 1] and class-balanced, beside chance and other controls.

        The interval is a bootstrap over the images of each class, or over the queries where the gallery is another one and
        stays as it is.  There is none where a class has fewer than ten queries.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        added, sizes = np.stack(list(self.per_image().values())), group_sizes(self.truth, self.units)
        draws = bootstrap_balanced_mean(added, self.truth, seed=self.seed, units=self.units)
        enough = sizes.min() >= MIN_PER_CLASS
        scores = {}
        for i, (name, value) in enumerate(self.values.items()):
            low, high = percentile_interval(draws[:, i].clip(0, 1)) if enough else (None, None)
            if enough and (value == 1).all():  # what three errors in n might hide (rule of three)
                low = low_of_perfect(sizes)
            controls = {"chance": balanced_mean(self.chance[name], self.truth)}
            controls |= {c: balanced_mean(v[name], self.truth) for c, v in self.control_values.items()}
            scores[name] = Score(balanced_mean(value, self.truth), low, high, controls)
        return scores
