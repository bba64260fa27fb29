"""Shift: what a readout loses in another domain with the same labels, and how far apart the two domains lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.result import Fitted
from sslviz.features import Features
from sslviz.runtime.threads import one_thread
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_mean,
    bootstrap_balanced_mean,
    group_sizes,
    percentile_interval,
    permutation_p,
)
from sslviz.transfer.distances import proxy_a
from sslviz.transfer.shift_measures import apart, of_halves, readings
from sslviz.transfer.two_domains import two_domains

HALVES, TRAINED_THERE = "halves of the source", "head fitted on the target"


@dataclass(frozen=True, eq=False)
class Shift(Fitted):
    """Result of `shift`, of n images of the target and s of the source that were scored.

    - label: the column that was read
    - classes: names of the classes that both domains show, (c,)
    - ids: the images of the target that were scored, (n,)
    - truth: index into `classes` of the target's, (n,)
    - correct: whether the head fitted on the source reads them, (n,) bool
    - ceiling_correct: whether a head fitted on the other half of the target reads them, (n,) bool
    - source_truth, source_correct: the same of the source's own images, (s,)
    - domain, domain_correct: of which domain an image is (0 the source), and whether a classifier tells it, (images,)
    - mmd, mmd_null: squared maximum mean discrepancy, and the same with the domains shuffled within classes, (200,)
    - frechet: squared Frechet distance in units of the source's variance, less that of two halves of the source
    - control_values: {control: {score: value}}
    - n_fit, n_fit_target: images that the two heads were fitted on
    - left_out: {reason: images} that were not looked at
    - seed: of halves, fits and resamples
    - source_units: which images of the source belong together, (s,), as `units` says of the target
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    correct: np.ndarray
    ceiling_correct: np.ndarray
    source_truth: np.ndarray
    source_correct: np.ndarray
    domain: np.ndarray
    domain_correct: np.ndarray
    mmd: float
    mmd_null: np.ndarray
    frechet: float
    control_values: dict[str, dict[str, float]]
    n_fit: int
    n_fit_target: int
    left_out: dict[str, int]
    seed: int
    source_units: np.ndarray | None = None

    @property
    def source_accuracy(self) -> float:
        """What the head reads at home, every class counting the same."""
        return balanced_mean(self.source_correct, self.source_truth)

    @property
    def accuracy(self) -> float:
        """What the same head reads in the target."""
        return balanced_mean(self.correct, self.truth)

    @property
    def ceiling(self) -> float:
        """What a head fitted on the target reads there."""
        return balanced_mean(self.ceiling_correct, self.truth)

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks."""
        return 1 / len(self.classes)

    @property
    def p(self) -> float:
        """How often domains that are shuffled within classes lie as far apart (MMD): 0.005 at the least."""
        return permutation_p(self.mmd, self.mmd_null)

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image of the target adds to the accuracy there and to what another head would win, {score: (n,)}."""
        return {
            "accuracy": self.correct.astype(float),
            "recoverable": self.ceiling_correct.astype(float) - self.correct,
        }

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def levels(self) -> dict[str, Score]:
        """What is read at home, in the target, and there by a head fitted there, each beside the same of the controls."""
        draws = {"source": self._source_draws, "accuracy": self._draws[:, 0], "ceiling": self._draws.sum(axis=1)}
        values = {"source": self.source_accuracy, "accuracy": self.accuracy, "ceiling": self.ceiling}
        chance = {"chance": self.chance}
        return {name: self._score(name, value, draws[name], chance, True) for name, value in values.items()}

    def scores(self) -> dict[str, Score]:
        """What is read in the target, what is lost, what another head would win, and how far apart the domains lie.

        - accuracy: of the head fitted on the source, in the target
        - drop: the accuracy at home less that
        - recoverable: the accuracy of a head fitted on the target less that, paired over the same images
        - proxy_a: 0 where a linear classifier cannot tell the domains of images it did not see, 2 where always
        - mmd, mmd_p: squared maximum mean discrepancy, and how often shuffled domains reach it
        - frechet: in units of the source's variance, less that of two halves of the source

        Intervals are bootstraps over images; none where a class has fewer than ten.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {"accuracy": self.levels()["accuracy"]}
        ceiling = {TRAINED_THERE: self.source_accuracy - self.ceiling}
        drops = self._source_draws - self._draws[:, 0]
        scores["drop"] = self._score("drop", self.source_accuracy - self.accuracy, drops, ceiling)
        scores["recoverable"] = self._score("recoverable", self.ceiling - self.accuracy, self._draws[:, 1])
        told = bootstrap_balanced_mean(self.domain_correct, self.domain, seed=self.seed)
        scores["proxy_a"] = self._score("proxy_a", proxy_a(self.domain_correct, self.domain), 2 * (2 * told - 1))
        for name, value in (("mmd", self.mmd), ("mmd_p", self.p), ("frechet", self.frechet)):
            scores[name] = self._score(name, value)
        return scores

    @cached_property
    def _draws(self) -> np.ndarray:
        values = np.stack(list(self.per_image().values()))
        return bootstrap_balanced_mean(values, self.truth, seed=self.seed, units=self.units)

    @cached_property
    def _source_draws(self) -> np.ndarray:
        # Another seed: where both domains show the same pictures, resamples of them stay independent, which is cautious.
        right, truth, units = self.source_correct, self.source_truth, self.source_units
        return bootstrap_balanced_mean(right, truth, seed=self.seed + 1, units=units)

    def _score(
        self,
        name: str,
        value: float,
        draws: np.ndarray | None = None,
        controls: Mapping[str, float] | None = None,
        higher_is_better: bool | None = None,
    ) -> Score:
        beside = {control: values[name] for control, values in self.control_values.items() if name in values}
        sizes = group_sizes(self.truth, self.units), group_sizes(self.source_truth, self.source_units)
        fewest = min(map(min, sizes))
        low, high = (None, None) if draws is None or fewest < MIN_PER_CLASS else percentile_interval(draws)
        return Score(value, low, high, {**(controls or {}), **beside}, higher_is_better)


@one_thread
def shift(
    features: Features,
    target: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    target_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Shift:
    """What does a readout lose in another domain?

    `target` holds features of other images by the same encoder, with the same column `label`.  The linear readout of
    `linear_probe` is fitted on `fit`, or on a stratified half of `features`, and reads the rest of the source and one half
    of the target.  A readout fitted on the other half of the target says what the features hold there.

    The distance of the domains, whatever a readout minds, is measured in three ways.  Proxy A (arXiv 1505.07818) is
    that of a held-out linear classifier.  MMD^2 (arXiv 0805.2368) is unbiased, with the median distance as bandwidth.
    Frechet is less its own null, of at most 1,000 images each.  Pictures whose id is in both domains are never on both
    sides of a comparison.  All three also see other shares of the classes; the p of MMD, by 200 shufflings within each
    class, does not.

    Images that share the `group` of the features stay on one side of every split, those of the target too where its
    table has that column.  One of each takes part in the distances.

    Controls: two halves of the source, as if one were the target; and the head fitted on the target.  Others are read
    in the same way: the `control_features` {name: Features, or (Features, fit Features)} that `target_controls` {name:
    Features} has too.  Classes that one domain lacks, and images without a value, are left out and counted.  ValueError
    for features of another width, fewer than two classes in common, and images of the target that were fitted on.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(400) % 2
        >>> x = 6 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(400, 2))
        >>> here, there = (sslviz.Features.from_array(x + by, table={"label": label}) for by in ([0, 0], [9, 0]))
        >>> result = sslviz.shift(here, there)
        >>> print(f"{result.source_accuracy:.1f} {result.accuracy:.1f} {result.ceiling:.1f}")
        1.0 0.5 1.0

    Caveat: A distance is no loss: domains that any classifier tells apart may cost a readout nothing, and a small distance
    may cost it everything.
    """
    two = two_domains(features, target, label, fit, seed)
    own, distances = readings(two, two.space, seed), apart(two, two.space, seed)
    control_values = {HALVES: of_halves(two, two.space, own, seed)}
    for name, space in two.controls(control_features, target_controls):
        control_values[name] = readings(two, space, seed).values() | apart(two, space, seed).values()
    return Shift(
        label=label,
        classes=two.classes,
        ids=two.space.target_scored.ids,
        **vars(own),
        **vars(distances),
        control_values=control_values,
        n_fit=len(two.space.fitted),
        n_fit_target=len(two.space.target_fitted),
        left_out=two.left_out,
        seed=seed,
        scored_on=target.pictures,
        fitted_on=two.space.fitted.pictures,
        group_column=features.group,
        units=two.space.target_scored.units,
        source_units=two.space.scored.units,
    )
