"""Novelty: the result of `novelty`, how strange known and new images are, and how well the two are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted
from sslviz.statistics import MIN_PER_CLASS, Score, group_sizes, percentile_interval
from sslviz.transfer.rank_statistics import (
    auroc,
    false_positive_draws,
    false_positives,
    placements,
)

HALVES = "known against known"
MIN_FOR_RECALL = 20  # novel images for an interval of FPR95: of fewer, 95 % are all of them
DRAWS = 200  # resamples for the interval of FPR95, each of which sorts the novel scores of each class


@dataclass(frozen=True, eq=False)
class Novelty(Fitted):
    """Result of `novelty` and `novelty_of`, of n scored images and h classes that were held out in turn.

    - label: the column whose classes are held out; empty where two sets were given
    - how: "knn", "mahalanobis" or "relative"
    - params: k, and how many classes were held out of how many
    - classes: names of all classes, (c,)
    - held: index into `classes` of those held out, (h,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - strangeness: of each image while a class is held out, (h, n); only the order of its values matters
    - control_auroc, control_fpr95: {control: (h,)}
    - seed: of halves, samples and resamples
    """

    label: str
    how: str
    params: dict[str, float]
    classes: np.ndarray
    held: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    strangeness: np.ndarray
    control_auroc: dict[str, np.ndarray]
    control_fpr95: dict[str, np.ndarray]
    seed: int

    @cached_property
    def auroc(self) -> np.ndarray:
        """The probability that a novel image is stranger than a known one, for each class held out, (h,)."""
        return np.array([auroc(novel, known) for novel, known in self._sides()])

    @cached_property
    def fpr95(self) -> np.ndarray:
        """The share of known images flagged where 95 % of the novel ones are, for each class held out, (h,)."""
        return np.array([false_positives(novel, known) for novel, known in self._sides()])

    def _sides(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(strangeness of the novel images, of the known ones) for each class held out."""
        return [
            (s[self.truth == code], s[self.truth != code]) for s, code in zip(self.strangeness, self.held, strict=True)
        ]

    @cached_property
    def influence(self) -> np.ndarray:
        """What each image moves the mean AUROC by, as a novel and as a known one, (n,); their squares sum to its variance."""
        moved = np.zeros(len(self.truth))
        for code, value, (novel, known) in zip(self.held, self.auroc, self._sides(), strict=True):
            moved[self.truth == code] += (placements(novel, known) - value) / len(novel)
            moved[self.truth != code] += (placements(-known, -novel) - value) / len(known)
        return moved / len(self.held)

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image adds to the mean AUROC, as a novel and as a known one: {"auroc": (n,)}.

        Their class-balanced mean is the score.
        """
        size = np.bincount(self.truth)
        of_class = np.count_nonzero(size) * size[self.truth]
        return {"auroc": self.auroc.mean() + of_class * self.influence}

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """`auroc` and `fpr95`, means over the classes held out, each of which counts the same; novel is positive.

        The interval of `auroc` is over other images, novel and known ones (DeLong 1988); that of `fpr95` is a bootstrap.
        There is none for fewer than ten novel images of a class, or twenty for `fpr95`.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        fewest = int(min(self._sizes))
        low, high = self._interval() if fewest >= MIN_PER_CLASS else (None, None)
        controls = {name: float(values.mean()) for name, values in self.control_auroc.items()}
        first, last = None, None
        if fewest >= MIN_FOR_RECALL:
            draws = [
                false_positive_draws(*side, draws=DRAWS, seed=self.seed + i, units=self._units_of(code))
                for i, (code, side) in enumerate(zip(self.held, self._sides(), strict=True))
            ]
            first, last = percentile_interval(np.mean(draws, axis=0))
        alarms = {name: float(values.mean()) for name, values in self.control_fpr95.items()}
        return {
            "auroc": Score(float(self.auroc.mean()), low, high, controls),
            "fpr95": Score(float(self.fpr95.mean()), first, last, alarms, higher_is_better=False),
        }

    @property
    def _sizes(self) -> np.ndarray:
        """Novel images of each class held out, those that belong together counted once, (h,)."""
        return group_sizes(self.truth, self.units)[np.searchsorted(np.unique(self.truth), self.held)]

    def _units_of(self, code: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The units of the novel images of a class, and those of the known ones."""
        return None if self.units is None else (self.units[self.truth == code], self.units[self.truth != code])

    def _interval(self) -> tuple[float, float]:
        value = float(self.auroc.mean())
        if value == 1:  # no image is misplaced: three in n may hide of each class (rule of three)
            return float(np.mean([max(0, 1 - 3 / size) for size in self._sizes])), 1.0
        moved = self.influence if self.units is None else np.bincount(self.units, self.influence)
        reach = 1.96 * float(np.sqrt((moved**2).sum()))
        return max(0.0, value - reach), min(1.0, value + reach)
