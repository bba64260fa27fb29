"""What `groups` finds: the accuracy of each group, the worst of them, and how far values lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.diagnostics.bias.group_accuracy import accuracy_by_value, worst_group
from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.result import Fitted
from sslviz.features.columns import folds
from sslviz.statistics import (
    MIN_PER_CLASS,
    POWER_80_PAST_THRESHOLD,
    Score,
    percentile_interval,
    permutation_p,
    wilson,
)
from sslviz.statistics.intervals import JACKKNIFE_GROUPS

LEVEL = 0.025  # of a verdict where there is nothing, as for an interval of 95 % of which one end counts
SHUFFLED = "attribute shuffled"


@dataclass(frozen=True, eq=False)
class Groups(Fitted):
    """Result of `groups`, of n scored images in g groups.

    - label, attribute: the two columns
    - classes: names of the classes of the label, (c,)
    - values: names of the values of the attribute, (m,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - cue: index into `values`, (n,)
    - predicted: the class read, index into `classes`, (n,)
    - group: the group of each image, (n,)
    - group_class, group_value: the class and the value of each group, (g,)
    - control_correct: whether each control reads an image rightly, {name: (n,) bool}
    - null_worst, null_disparity: worst group and disparity with the attribute shuffled within classes, (draws,)
    - seed: of splits and resamples
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    cue: np.ndarray
    predicted: np.ndarray
    group: np.ndarray
    group_class: np.ndarray
    group_value: np.ndarray
    control_correct: dict[str, np.ndarray]
    null_worst: np.ndarray
    null_disparity: np.ndarray
    seed: int

    @property
    def correct(self) -> np.ndarray:
        """Whom the readout reads rightly: (n,) bool."""
        return self.predicted == self.truth

    @property
    def names(self) -> list[str]:
        """The names of the groups: "disc, blue"."""
        pairs = zip(self.classes[self.group_class], self.values[self.group_value], strict=True)
        return [f"{c}, {v}" for c, v in pairs]

    @property
    def counts(self) -> np.ndarray:
        """Images in each group: (g,)."""
        return np.bincount(self.group, minlength=len(self.group_class))

    def accuracy(self, control: str = "") -> np.ndarray:
        """The share read rightly in each group, (g,); by a control, if named."""
        right = self.control_correct[control] if control else self.correct
        return np.bincount(self.group, right, len(self.group_class)) / self.counts

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Wilson's interval of each group's accuracy, (g,) twice, such that all of them hold at once in 95 % (Sidak)."""
        return wilson(self.accuracy(), self.counts, 0.95 ** (1 / len(self.counts)))

    @property
    def worst(self) -> int:
        """The group with the lowest accuracy."""
        return int(self.accuracy().argmin())

    @property
    def by_value(self) -> np.ndarray:
        """The accuracy at each value of the attribute, classes counted alike: (m,)."""
        return accuracy_by_value(self.accuracy(), self.group_value, len(self.values))

    @property
    def p(self) -> dict[str, float]:
        """The share of shufflings with as low a worst group, and with as large a disparity."""
        return {
            "worst_group": permutation_p(-float(self.accuracy().min()), -self.null_worst),
            "disparity": permutation_p(float(self._disparity(self.accuracy())), self.null_disparity),
        }

    @property
    def found(self) -> bool:
        """Whether either is more than a shuffled attribute gives in 1 of 40 draws, both together; never of tiny groups."""
        return bool(self.counts.min() >= MIN_PER_CLASS and 2 * min(self.p.values()) <= LEVEL)

    @property
    def detectable(self) -> float:
        """The least disparity between two values that would be found in 80 of 100 samples such as this."""
        accuracy = self.accuracy()
        error = np.sqrt(accuracy_by_value(accuracy * (1 - accuracy) / self.counts, self.group_value, len(self.values)))
        classes = np.bincount(self.group_value, minlength=len(self.values))
        spread = np.sqrt(2) * float((error / np.sqrt(classes)).max())
        return float(np.quantile(self.null_disparity, 1 - LEVEL / 2)) + POWER_80_PAST_THRESHOLD * spread

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean over groups is the accuracy, for each image: {score: (n,)}."""
        return {"accuracy": self.correct.astype(float)}

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: worst group and disparity without one tenth of each group at a time, for paired differences."""
        if self.counts.min() < MIN_PER_CLASS:
            return {}
        tenth = folds(self.group, JACKKNIFE_GROUPS, self.seed, self.units)
        rest = [tenth != g for g in range(JACKKNIFE_GROUPS)]
        counts = [np.bincount(self.group[rows]) for rows in rest]
        hits = [np.bincount(self.group[rows], self.correct[rows]).astype(int) for rows in rest]
        pairs = list(zip(hits, counts, strict=True))
        return {
            "worst_group": np.array([worst_group(h, n, self.seed) for h, n in pairs]),
            "disparity": np.array([float(self._disparity(h / n)) for h, n in pairs]),
        }

    def groups(self) -> np.ndarray:
        """The group that each image counts for: (n,)."""
        return self.group

    def hypothesis(self) -> Hypothesis:
        """That the label is read less well at one value of the attribute than at another."""
        by_value, worst = self.by_value, self.worst
        low, high = int(np.argmin(by_value)), int(np.argmax(by_value))
        worst_class, worst_value = self.classes[self.group_class[worst]], self.values[self.group_value[worst]]
        statement = (
            f"{self.label} is read right in {by_value[low]:.2f} of the images with {self.attribute} {self.values[low]}, "
            f"in {by_value[high]:.2f} of those with {self.values[high]}; least of all for {worst_class} with "
            f"{worst_value} ({self.accuracy()[worst]:.2f})."
        )
        p = min(1.0, 2 * min(self.p.values())) if self.counts.min() >= MIN_PER_CLASS else 1.0
        missed = self.ids[(self.group == worst) & ~self.correct]
        return Hypothesis(statement, "disparity", p, self.detectable, len(self.ids), missed)

    def scores(self) -> dict[str, Score]:
        """`worst_group`, corrected for being picked as the worst; `disparity` between values; `accuracy` over all groups."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        low, high = (ends.tolist() for ends in self.interval())
        chance, draws = {"chance": 1 / len(self.classes)}, self._resampled()
        worst = {name: self._worst(right) for name, right in self.control_correct.items()}
        disparity = {name: float(self._disparity(self.accuracy(name))) for name in self.control_correct}
        mean = {name: float(self.accuracy(name).mean()) for name in self.control_correct}
        shuffled = {SHUFFLED: float(self.null_disparity.mean())}
        disparities, means = percentile_interval(self._disparity(draws)), percentile_interval(draws.mean(axis=-1))
        return {
            "worst_group": self._score(self._worst(self.correct), (min(low), min(high)), chance | worst),
            "disparity": self._score(float(self._disparity(self.accuracy())), disparities, shuffled | disparity, None),
            "accuracy": self._score(float(self.accuracy().mean()), means, chance | mean),
        }

    def _score(
        self, value: float, ends: tuple[float, float], controls: dict[str, float], better: bool | None = True
    ) -> Score:
        if self.counts.min() < MIN_PER_CLASS:
            return Score(value, controls=controls, higher_is_better=better)
        return Score(value, min(ends[0], value), max(ends[1], value), controls, better)

    def _disparity(self, accuracy: np.ndarray) -> Any:
        """The disparity of accuracies (..., g)."""
        return np.ptp(accuracy_by_value(accuracy, self.group_value, len(self.values)), axis=-1)

    def _worst(self, right: np.ndarray) -> float:
        hits = np.bincount(self.group, right, len(self.counts)).astype(int)
        return worst_group(hits, self.counts, self.seed)

    def _resampled(self) -> np.ndarray:
        """The accuracies of the groups on other images: (draws, g)."""
        rng = np.random.default_rng(self.seed)
        return rng.binomial(self.counts, self.accuracy(), size=(1000, len(self.counts))) / self.counts
