"""Who is served worse?  How well a label is read in every group of a second column, beside what luck does to the worst."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.probe import Controls
from sslviz.features import Features
from sslviz.features.columns import coded, halves
from sslviz.statistics import Score, percentile_interval, permutation_p, wilson

DRAWS = 2000  # of the attribute shuffled within each class
SPLITS = 400  # of the images into those that name the worst group and those that judge it
FEWEST = 10  # images in the smallest group, for an interval and a verdict
LIKELY = 0.025  # of a verdict where there is nothing, as for an interval of 95 % of which one end counts
EVEN = "attribute shuffled"
POWER = 0.84  # standard errors beyond a threshold at which it is passed in 80 of 100 samples


@dataclass(frozen=True, eq=False)
class Groups:
    """Who is served worse?

    Of the images `ids`: `truth` (n,) indexes `classes`, `cue` (n,) `values` of the attribute, `predicted` (n,) is the
    class read.  `group` (n,) indexes the groups, of which `group_class` and `group_value` (g,) say what they are.
    `controls` {name: (n,) bool}: whom they read rightly.  `null_worst` and `null_disparity` (draws,) are what both read
    with the attribute shuffled within each class.
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
    controls: dict[str, np.ndarray]
    null_worst: np.ndarray
    null_disparity: np.ndarray
    seed: int

    @property
    def correct(self) -> np.ndarray:
        """Whom the readout reads rightly: (n,) bool."""
        return self.predicted == self.truth

    @property
    def names(self) -> list[str]:
        """What the groups are called: "disc, blue"."""
        pairs = zip(self.classes[self.group_class], self.values[self.group_value], strict=True)
        return [f"{c}, {v}" for c, v in pairs]

    @property
    def counts(self) -> np.ndarray:
        """Images in each group: (g,)."""
        return np.bincount(self.group, minlength=len(self.group_class))

    def accuracy(self, control: str = "") -> np.ndarray:
        """The share read rightly in each group, (g,); by a control, if named."""
        right = self.controls[control] if control else self.correct
        return np.bincount(self.group, right, len(self.group_class)) / self.counts

    def interval(self, *, together: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Wilson's 95 % interval of each group's accuracy, (g,) twice; `together`: all of them hold at once (Sidak)."""
        level = 0.95 ** (1 / len(self.counts)) if together else 0.95
        return wilson(self.accuracy(), self.counts, level)

    @property
    def worst(self) -> int:
        """The group with the lowest accuracy."""
        return int(self.accuracy().argmin())

    @property
    def by_value(self) -> np.ndarray:
        """The accuracy at each value of the attribute, classes counted alike: (m,)."""
        return _by_value(self.accuracy(), self.group_value, len(self.values))

    @property
    def p(self) -> dict[str, float]:
        """How often a shuffled attribute gives as low a worst group, and as large a disparity."""
        return {
            "worst_group": permutation_p(-float(self.accuracy().min()), -self.null_worst),
            "disparity": permutation_p(float(self._apart(self.accuracy())), self.null_disparity),
        }

    @property
    def found(self) -> bool:
        """Whether either is more than a shuffled attribute gives in 1 of 40 draws, both together; never of tiny groups."""
        return bool(self.counts.min() >= FEWEST and 2 * min(self.p.values()) <= LIKELY)

    @property
    def detectable(self) -> float:
        """The least disparity between two values that would be found in 80 of 100 samples such as this."""
        a, n = self.accuracy(), self.counts
        error = np.sqrt(_by_value(a * (1 - a) / n, self.group_value, len(self.values)))
        classes = np.bincount(self.group_value, minlength=len(self.values))
        spread = np.sqrt(2) * float((error / np.sqrt(classes)).max())
        return float(np.quantile(self.null_disparity, 1 - LIKELY / 2)) + POWER * spread

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean over groups is the accuracy, for each image: {score: (n,)}."""
        return {"accuracy": self.correct.astype(float)}

    def groups(self) -> np.ndarray:
        """Which group each image counts for: (n,)."""
        return self.group

    def scores(self) -> dict[str, Score]:
        """`worst_group`, corrected for being picked as the worst; `disparity` between values; `accuracy` over all groups."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        low, high = (ends.tolist() for ends in self.interval())
        chance, draws = {"chance": 1 / len(self.classes)}, self._resampled()
        worst = {name: self._worst(right) for name, right in self.controls.items()}
        apart = {name: float(self._apart(self.accuracy(name))) for name in self.controls}
        mean = {name: float(self.accuracy(name).mean()) for name in self.controls}
        shuffled = {EVEN: float(self.null_disparity.mean())}
        spread, means = percentile_interval(self._apart(draws)), percentile_interval(draws.mean(axis=-1))
        return {
            "worst_group": self._score(self._worst(self.correct), (min(low), min(high)), chance | worst),
            "disparity": self._score(float(self._apart(self.accuracy())), spread, shuffled | apart, None),
            "accuracy": self._score(float(self.accuracy().mean()), means, chance | mean),
        }

    def _score(
        self, value: float, ends: tuple[float, float], controls: dict[str, float], better: bool | None = True
    ) -> Score:
        if self.counts.min() < FEWEST:
            return Score(value, controls=controls, higher_is_better=better)
        return Score(value, min(ends[0], value), max(ends[1], value), controls, better)

    def _apart(self, accuracy: np.ndarray) -> Any:
        """The disparity of accuracies (..., g)."""
        return np.ptp(_by_value(accuracy, self.group_value, len(self.values)), axis=-1)

    def _worst(self, right: np.ndarray) -> float:
        """The accuracy of the worst group, named by one half of each group's images and judged by the other.

        At most the mean over groups: which half judges is luck, but the worst is never better than all.
        """
        rng = np.random.default_rng(self.seed)
        hits, counts = np.bincount(self.group, right, len(self.counts)).astype(int), self.counts
        if counts.min() < 2:
            return float((hits / counts).min())
        half = counts // 2
        named = rng.hypergeometric(hits, counts - hits, half, size=(SPLITS, len(counts)))
        worst = (named / half + 1e-9 * rng.random(named.shape)).argmin(axis=1)
        judged = ((hits - named) / (counts - half))[np.arange(SPLITS), worst].mean()
        return float(min(judged, (hits / counts).mean()))

    def _resampled(self) -> np.ndarray:
        """The accuracies of the groups on other images: (draws, g)."""
        rng = np.random.default_rng(self.seed)
        return rng.binomial(self.counts, self.accuracy(), size=(1000, len(self.counts))) / self.counts


def groups(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    controls: Controls | None = None,
    seed: int = 0,
) -> Groups:
    """Who is served worse?

    `label` is read by `linear_probe`; a group is a pair of a class and a value of `attribute` that is shown by an image.
    Scores: `worst_group`, the lowest accuracy.  The lowest of many is low by luck alone (sixteen equal groups of 25
    images, all truly 0.80, show a worst of 0.65), so that one half of the images names the worst group and the other
    judges it (mean over 400 splits, at most the mean over groups); its interval is that of the least group when Wilson's
    intervals of all hold at once.  `disparity`, the largest difference between two values of the attribute, classes
    counted alike; `accuracy`, the mean over groups.  Controls: the `controls` {name: Features, or (Features, fit
    Features)} in the same way, chance, and the disparity with the attribute shuffled within each class.  `p` compares
    worst group and disparity with these shufflings exactly, `found` both together at 2.5 %, and `detectable` is the least
    disparity that would be found.  No interval and no verdict where a group has fewer than ten images.  ValueError as for
    `linear_probe`.

    Caveat: What differs between groups may be the images' difficulty rather than the encoder: look at the same table for
    the controls.
    """
    scored, fitted = halves(features, label, attribute, seed) if fit is None else (features, fit)
    probe = linear_probe(scored, label, fit=fitted, controls=controls, seed=seed)
    values, cue = coded(scored, attribute)
    pairs, group = np.unique(probe.truth * len(values) + cue, return_inverse=True)
    of_class, of_value = np.divmod(pairs, len(values))
    worst, disparity = _shuffled(probe.correct, group, of_class, of_value, len(values), seed)
    return Groups(
        label, attribute, probe.classes, values, scored.ids, probe.truth, cue, probe.predicted, group, of_class, of_value,
        probe.controls, worst, disparity, seed,
    )  # fmt: skip


def _by_value(accuracy: np.ndarray, of_value: np.ndarray, m: int) -> np.ndarray:
    """The mean over the groups of each value: (..., g) -> (..., m)."""
    member = (of_value == np.arange(m)[:, None]).astype(float)
    return accuracy @ (member / member.sum(axis=1, keepdims=True)).T


def _shuffled(
    correct: np.ndarray, group: np.ndarray, of_class: np.ndarray, of_value: np.ndarray, m: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The worst group and the disparity with the attribute shuffled within each class, (draws,) each.

    Which of a class's hits fall into which group is then a draw without replacement, so that nothing needs shuffling.
    """
    rng, counts = np.random.default_rng(seed), np.bincount(group)
    hits = np.bincount(group, correct, len(counts)).astype(int)
    accuracy = np.empty((DRAWS, len(counts)))
    for c in np.unique(of_class):
        mine = of_class == c
        accuracy[:, mine] = rng.multivariate_hypergeometric(counts[mine], hits[mine].sum(), size=DRAWS) / counts[mine]
    return accuracy.min(axis=1), np.ptp(_by_value(accuracy, of_value, m), axis=1)
