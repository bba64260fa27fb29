"""Previews of three remedies (re-weighting, DFR, LEACE): accuracy, worst group, and the attribute after erasure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.diagnostics.bias.leace import leace
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import best_penalty, linear_probe
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import coded, place_in_class, scored_and_fitted
from sslviz.runtime.threads import one_thread
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_mean,
    bootstrap_balanced_mean,
    bootstrap_group_means,
    group_sizes,
    percentile_interval,
)

AS_IS = "no remedy"
REMEDIES = {"reweighted": "re-weighted", "dfr": "DFR", "leace": "LEACE"}
RETRAINS = 10  # balanced draws of which DFR averages the readouts
SUMMARIES: dict[str, Callable[[np.ndarray], Any]] = {  # of group accuracies (..., g)
    "accuracy": lambda groups: groups.mean(axis=-1),
    "worst_group": lambda groups: groups.min(axis=-1),
}


@dataclass(frozen=True, eq=False)
class Mitigation(Fitted):
    """Result of `mitigation`, of n scored images in g groups.

    - label, attribute: the two columns
    - ids: the scored images, (n,)
    - group_names: pairs of label and attribute, (g,)
    - groups: index into `group_names`, (n,)
    - fit_counts: images of each group that were fitted on, (g,)
    - correct: whether the label was read rightly, {"no remedy" or a remedy: (n,) bool}
    - attribute_correct: whether the attribute was, before and after erasure, {readout: (2, n) bool}
    - attribute_groups: the attribute's value, (n,)
    - chance: share of the attribute that a reader who never looks gets
    - seed: of splits and resamples
    """

    label: str
    attribute: str
    ids: np.ndarray
    group_names: np.ndarray
    groups: np.ndarray
    fit_counts: np.ndarray
    correct: dict[str, np.ndarray]
    attribute_correct: dict[str, np.ndarray]
    attribute_groups: np.ndarray
    chance: float
    seed: int

    def group_accuracy(self, remedy: str) -> np.ndarray:
        """The share read rightly of each group, (g,)."""
        return np.bincount(self.groups, self.correct[remedy]) / np.bincount(self.groups)

    @cached_property
    def _draws(self) -> np.ndarray:
        """(draws, remedies, g): what the groups would read on other images, the same ones for every remedy."""
        correct = np.stack(list(self.correct.values()))
        return bootstrap_group_means(correct, self.groups, seed=self.seed, units=self.units)

    def levels(self) -> dict[str, dict[str, Score]]:
        """{remedy or "no remedy": {"accuracy", "worst_group"}}: the level reached with each, beside no remedy.

        Every group counts the same in the accuracy.  No interval where a group has fewer than ten scored images.
        """
        before, levels = self.group_accuracy(AS_IS), {}
        for i, remedy in enumerate(self.correct):
            now, draws = self.group_accuracy(remedy), self._draws[:, i]
            levels[remedy] = {
                name: self._score(float(summary(now)), summary(draws), {AS_IS: float(summary(before))})
                for name, summary in SUMMARIES.items()
            }
        return levels

    def _score(self, value: float, draws: np.ndarray, controls: dict[str, float]) -> Score:
        if group_sizes(self.groups, self.units).min() < MIN_PER_CLASS:
            return Score(value, controls=controls)
        low, high = percentile_interval(draws)
        return Score(value, low, high, controls)

    def scores(self) -> dict[str, Score]:
        """What each remedy gains over none, paired, in accuracy and in the worst group; and the attribute after erasure.

        `attribute_linear` and `attribute_knn` are read after LEACE, every value counting the same, beside chance: above
        it, the attribute is still there for those who read in that way.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores, before = {}, self.group_accuracy(AS_IS)
        for i, remedy in enumerate(self.correct):
            for name, summary in SUMMARIES.items() if remedy != AS_IS else ():
                gain = summary(self.group_accuracy(remedy)) - summary(before)
                draws = summary(self._draws[:, i]) - summary(self._draws[:, 0])
                scores[f"{remedy}_{name}"] = self._score(float(gain), draws, {AS_IS: 0.0})
        for readout, correct in self.attribute_correct.items():
            draws = bootstrap_balanced_mean(correct[1], self.attribute_groups, seed=self.seed, units=self.units)
            value = balanced_mean(correct[1], self.attribute_groups)
            scores[f"attribute_{readout}"] = self._score(value, draws, {"chance": self.chance})
        return scores


@one_thread
def mitigation(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    seed: int = 0,
) -> Mitigation:
    """Would a remedy help?  Three previews of what could be done about an attribute, without touching the encoder.

    All read `label` by logistic regression from standardised features, fitted on `fit` and scored on the same images.
    Without `fit` they are fitted on a stratified half of `features`.  The penalty is the best of three on a fifth of each
    group.  A group is a pair of label and attribute.

    - reweighted: every group weighs the same.
    - dfr (arXiv 2204.02937): the mean of ten readouts, each fitted on as many images of every group as the smallest has;
      with an L2 penalty, where the paper has L1.
    - leace (arXiv 2306.03819): as without a remedy, on features whose attribute was linearly guarded by an erasure fitted
      on `fit`.

    Scores: what is gained in `accuracy`, every group counting the same, and in the `worst_group`.  Gains are paired over
    the same images, beside no remedy.  The least of many groups reads low, with a remedy and without.  After erasure the
    attribute itself is read linearly and by 20 neighbours, beside chance.  Interval: bootstrap over images within groups.
    ValueError as for `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"shape": ["disc", "cross"] * 80, "color": ["red", "red", "blue", "blue"] * 40}
        >>> x = np.stack([np.array(table[c]) == v for c, v in (("shape", "disc"), ("color", "red"))], axis=1)
        >>> features = sslviz.Features.from_array(x + 0.1 * np.random.default_rng(0).normal(size=x.shape), table=table)
        >>> levels = sslviz.mitigation(features, "shape", "color").levels()
        >>> levels["dfr"]["worst_group"].value
        1.0

    Caveat: Linearly guarded is not removed: what kNN still reads is still there; and where label and attribute go together
    in `fit`, guarding the one takes the other along.  These are previews on frozen features, not retrained encoders.
    """
    scored, fitted = scored_and_fitted(features, fit, label, attribute, seed=seed)
    probe = linear_probe(scored, label, fit=fitted, seed=seed)
    names, groups = np.unique(_pairs(scored, label, attribute), return_inverse=True)
    fit_groups = _pairs(fitted, label, attribute)
    standard = standardization(fitted.x)
    codes, group_codes = coded(fitted, label)[1], np.unique(fit_groups, return_inverse=True)[1]
    reweighted, dfr = _balanced(standard(fitted.x), codes, group_codes, standard(scored.x), seed, fitted.units)
    hide = leace(fitted.x, coded(fitted, attribute)[1])
    erased, erased_fit = (replace(f, x=hide(f.x).astype(np.float32)) for f in (scored, fitted))
    correct = {
        AS_IS: probe.correct,
        "reweighted": reweighted == probe.truth,
        "dfr": dfr == probe.truth,
        "leace": linear_probe(erased, label, fit=erased_fit, seed=seed).correct,
    }
    k = min(20, len(fitted))
    linear = [linear_probe(f, attribute, fit=g, seed=seed) for f, g in ((scored, fitted), (erased, erased_fit))]
    near = [knn_probe(f, attribute, fit=g, k=k, seed=seed) for f, g in ((scored, fitted), (erased, erased_fit))]
    return Mitigation(
        label=label,
        attribute=attribute,
        ids=scored.ids,
        group_names=names,
        groups=groups,
        fit_counts=(fit_groups[:, None] == names).sum(axis=0),
        correct=correct,
        attribute_correct={"linear": np.stack([p.correct for p in linear]), "knn": np.stack([p.correct for p in near])},
        attribute_groups=linear[0].truth,
        chance=linear[0].chance,
        seed=seed,
        **pictures_of(scored, fitted),
    )


def _pairs(features: Features, label: str, attribute: str) -> np.ndarray:
    """The name of each image's group: "disc, blue"."""
    (classes, class_codes), (values, value_codes) = coded(features, label), coded(features, attribute)
    return np.char.add(np.char.add(classes.astype(str)[class_codes], ", "), values.astype(str)[value_codes])


@small_classes()
def _balanced(
    x: np.ndarray, codes: np.ndarray, groups: np.ndarray, z: np.ndarray, seed: int, units: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The codes that a re-weighted readout and the mean of group-balanced ones read from `z` (n, d), two (n,)."""
    from sklearn.linear_model import LogisticRegression

    counts = np.bincount(groups)
    weight = len(groups) / (len(counts) * counts[groups])
    c = best_penalty(x, codes, groups, seed, weight=weight, units=units)
    reweighted = LogisticRegression(C=c, max_iter=1000).fit(x, codes, weight)
    parts = []
    for i in range(RETRAINS):
        few = place_in_class(groups, seed + i) < counts.min()
        parts.append(LogisticRegression(C=c * len(x) / few.sum(), max_iter=1000).fit(x[few], codes[few]))
    mean = parts[0]
    mean.coef_ = np.mean([part.coef_ for part in parts], axis=0)
    mean.intercept_ = np.mean([part.intercept_ for part in parts], axis=0)
    return reweighted.predict(z), mean.predict(z)
