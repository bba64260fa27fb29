"""Would a remedy help?  Accuracy and worst group with three remedies, and what a readout still finds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.diagnostics.bias.leace import leace
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import PENALTIES, linear_probe
from sslviz.diagnostics.probes.probe import FEWEST_IN_CLASS
from sslviz.features import Features
from sslviz.features.columns import coded, halves, place_in_class
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_mean, bootstrap_group_means, percentile_interval

AS_IS = "no remedy"
REMEDIES = {"reweighted": "re-weighted", "dfr": "DFR", "leace": "LEACE"}
RETRAINS = 10  # balanced draws of which DFR averages the readouts
SUMMARIES: dict[str, Callable[[np.ndarray], Any]] = {  # of group accuracies (..., g)
    "accuracy": lambda groups: groups.mean(axis=-1),
    "worst_group": lambda groups: groups.min(axis=-1),
}


@dataclass(frozen=True, eq=False)
class Mitigation:
    """Would a remedy help?

    `groups` (n,) index `group_names` (g,), the pairs of `label` and `attribute` among the scored images `ids`;
    `fit_counts` (g,) say how many images of each were fitted on.  `correct` {"no remedy" or a remedy: (n,) bool}: whose
    label was read rightly.  `attribute_correct` {readout: (2, n) bool}: whose attribute was, before and after erasure;
    `attribute_groups` (n,) is the attribute's value, `chance` its share of a reader who never looks.
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
        return bootstrap_group_means(np.stack(list(self.correct.values())), self.groups, seed=self.seed)

    def levels(self) -> dict[str, dict[str, Score]]:
        """{remedy or "no remedy": {"accuracy", "worst_group"}}: the level reached with each, beside no remedy.

        Every group counts the same in the accuracy.  No interval where a group has fewer than ten scored images.
        """
        before, found = self.group_accuracy(AS_IS), {}
        for i, remedy in enumerate(self.correct):
            now, draws = self.group_accuracy(remedy), self._draws[:, i]
            found[remedy] = {
                name: self._score(float(summary(now)), summary(draws), {AS_IS: float(summary(before))})
                for name, summary in SUMMARIES.items()
            }
        return found

    def _score(self, value: float, draws: np.ndarray, controls: dict[str, float]) -> Score:
        if np.bincount(self.groups).min() < FEWEST_IN_CLASS:
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
            draws = bootstrap_group_means(correct[1:], self.attribute_groups, seed=self.seed)[:, 0].mean(axis=1)
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

    All read `label` by logistic regression from standardised features, fitted on `fit` (without it, on a stratified half
    of `features`), and are scored on the same images.  "reweighted": every group (pair of label and attribute) weighs the
    same.  "dfr" (arXiv 2204.02937): the mean of ten readouts, each fitted on as many images of every group as the
    smallest has (with an L2 penalty, where the paper has L1).  "leace" (arXiv 2306.03819): as without a remedy, on
    features whose attribute was linearly guarded by an erasure fitted on `fit`.  The penalty is the best of three on a
    fifth of each group.  Scores: what is gained in `accuracy`, every group counting the same, and in the `worst_group`,
    paired over the same images, beside no remedy; the least of many groups reads low, with a remedy and without.  After
    erasure the attribute itself is read linearly and by 20 neighbours, beside chance.  Interval: bootstrap over images
    within groups.  ValueError as for `linear_probe`.

    Caveat: Linearly guarded is not removed: what kNN still reads is still there; and where label and attribute go together
    in `fit`, guarding the one takes the other along.  These are previews on frozen features, not retrained encoders.
    """
    scored, fitted = halves(features, label, attribute, seed) if fit is None else (features, fit)
    probe = linear_probe(scored, label, fit=fitted, seed=seed)
    names, groups = np.unique(_pairs(scored, label, attribute), return_inverse=True)
    known = _pairs(fitted, label, attribute)
    center, scale = fitted.x.mean(axis=0), fitted.x.std(axis=0)
    scale[scale == 0] = 1
    x, z = (fitted.x - center) / scale, (scored.x - center) / scale
    codes = coded(fitted, label)[1]
    reweighted, dfr = _balanced(x, codes, np.unique(known, return_inverse=True)[1], z, seed)
    hide = leace(fitted.x, coded(fitted, attribute)[1])
    erased, erased_fit = (Features(hide(f.x).astype(np.float32), f.ids, f.table, f.source) for f in (scored, fitted))
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
        fit_counts=(known[:, None] == names).sum(axis=0),
        correct=correct,
        attribute_correct={"linear": np.stack([p.correct for p in linear]), "knn": np.stack([p.correct for p in near])},
        attribute_groups=linear[0].truth,
        chance=linear[0].chance,
        seed=seed,
    )


def _pairs(features: Features, label: str, attribute: str) -> np.ndarray:
    """What each image's group is called: "disc, blue"."""
    (classes, codes), (values, other) = coded(features, label), coded(features, attribute)
    return np.char.add(np.char.add(classes.astype(str)[codes], ", "), values.astype(str)[other])


def _balanced(
    x: np.ndarray, codes: np.ndarray, groups: np.ndarray, z: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a re-weighted readout and the mean of group-balanced ones make of `z` (n, d): two (n,) of codes."""
    from sklearn.linear_model import LogisticRegression

    counts = np.bincount(groups)
    weight = len(groups) / (len(counts) * counts[groups])
    c = _best_penalty(x, codes, groups, weight, seed)
    reweighted = LogisticRegression(C=c, max_iter=1000).fit(x, codes, weight)
    parts = []
    for i in range(RETRAINS):
        few = place_in_class(groups, seed + i) < counts.min()
        parts.append(LogisticRegression(C=c * len(x) / few.sum(), max_iter=1000).fit(x[few], codes[few]))
    mean = parts[0]
    mean.coef_ = np.mean([part.coef_ for part in parts], axis=0)
    mean.intercept_ = np.mean([part.intercept_ for part in parts], axis=0)
    return reweighted.predict(z), mean.predict(z)


def _best_penalty(x: np.ndarray, codes: np.ndarray, groups: np.ndarray, weight: np.ndarray, seed: int) -> float:
    """Which of PENALTIES reads a fifth of each group best after a fit on the rest?  Groups without five are only fitted on."""
    from sklearn.linear_model import LogisticRegression

    inner = place_in_class(groups, seed) % 5 != 4
    if inner.all():
        return PENALTIES[1]
    path = LogisticRegression(max_iter=1000, tol=1e-2, warm_start=True)
    reached = []
    for c in PENALTIES:
        right = path.set_params(C=c).fit(x[inner], codes[inner], weight[inner]).predict(x[~inner]) == codes[~inner]
        reached.append(balanced_mean(right, groups[~inner]))
    return PENALTIES[int(np.argmax(reached))]
