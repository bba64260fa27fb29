"""Noise tolerance: accuracy of readouts on true labels after a fit to labels that are partly wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.linear import linear_readout
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_intervals, balanced_mean
from sslviz.transfer.label_noise import noisy_labels
from sslviz.transfer.label_split import label_split

Kind = Literal["symmetric", "pair"]
KINDS = ("symmetric", "pair")
LINEAR, NEIGHBORS = "linear", "neighbours"
READOUTS = (LINEAR, NEIGHBORS)
K = 20  # neighbours that vote, as in `knn_probe`
KNOWN = "wrong labels thrown out"


@dataclass(frozen=True, eq=False)
class NoiseTolerance(Fitted):
    """Result of `noise_tolerance`, of n scored images and r rates.

    - label: the column that is read
    - kind: "symmetric" or "pair"
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - rates: shares of wrong labels asked for, 0 first, (r,)
    - realised: shares of labels that are wrong, (r,)
    - rates_left_out: rates at which the true class is no longer the commonest
    - correct: whether an image is read rightly, {readout: (r, n) bool}
    - known_correct: the same of a fit to the images whose labels stayed true, {readout: (r, n) bool}
    - control_correct: {control: {readout: (r, n) bool}}
    - params: neighbours that vote, and images fitted on
    - seed: of halves, wrong labels, fits and resamples
    """

    label: str
    kind: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    rates: np.ndarray
    realised: np.ndarray
    rates_left_out: list[float]
    correct: dict[str, np.ndarray]
    known_correct: dict[str, np.ndarray]
    control_correct: dict[str, dict[str, np.ndarray]]
    params: dict[str, float]
    seed: int

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks."""
        return 1 / len(np.unique(self.truth))

    def accuracy(self, correct: np.ndarray) -> np.ndarray:
        """The class-balanced accuracy at each rate, (r,), of some `correct` (r, n)."""
        return np.array([balanced_mean(row, self.truth) for row in correct])

    def over_rates(self, correct: np.ndarray) -> np.ndarray:
        """The area under each image's line from the first to the last rate, per unit of rate: (r, n) -> (n,)."""
        return np.trapezoid(correct.astype(float), self.realised, axis=0) / (self.realised[-1] - self.realised[0])

    def per_image(self) -> dict[str, np.ndarray]:
        """The mean over rates of whether an image is read rightly: {readout: (n,)}."""
        return {name: self.over_rates(correct) for name, correct in self.correct.items()}

    def groups(self) -> np.ndarray:
        """The class that each image counts for, (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """For each readout the accuracy on true labels, averaged over rates, and `lost`: how much less that is than at rate 0.

        Classes count alike.  The interval is a bootstrap over the scored images, if every class has ten; one set of wrong
        labels is drawn.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        mean = self.per_image()
        lost = {name: self.correct[name][0] - mean[name] for name in READOUTS}
        values = np.stack([*mean.values(), *lost.values()])
        ends = balanced_intervals(values, self.truth, seed=self.seed, units=self.units)
        scores = {}
        for i, name in enumerate(READOUTS):
            controls = {"chance": self.chance}
            controls |= {c: self._mean(theirs[name]) for c, theirs in self.control_correct.items()}
            scores[name] = Score(self._mean(self.correct[name]), ends[i][0], ends[i][1], controls)
        for i, name in enumerate(READOUTS):
            known = self.known_correct[name]
            control = {KNOWN: float(self.accuracy(known)[0] - self._mean(known))}
            value = balanced_mean(lost[name], self.truth)
            low, high = ends[len(READOUTS) + i]
            scores[f"{name} lost"] = Score(value, low, high, control, higher_is_better=False, control_is="ceiling")
        return scores

    def _mean(self, correct: np.ndarray) -> float:
        return balanced_mean(self.over_rates(correct), self.truth)


@one_thread
def noise_tolerance(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    rates: Sequence[float] = (0, 0.2, 0.4, 0.6),
    kind: Kind = "symmetric",
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> NoiseTolerance:
    """How many wrong labels does a readout of these features bear?

    A share of the labels fitted on is made wrong, and the readouts are scored on true ones.  "symmetric": another class,
    each of the others with the same probability.  "pair": the next class.  `realised` is the share that became wrong.
    Rates at which the true class is no longer the commonest are left out: from 1 - 1 / classes on, or .5 for "pair".

    Readouts: that of `linear_probe`, which chooses C on wrong labels too, and a vote of 20 neighbours as in `knn_probe`; of
    fewer than 200 images a tenth of them vote.  Images that share the `group` of the features stay on one side of every
    split; each of them is labelled wrongly by itself.

    Scores count classes alike.  `linear` and `neighbours` in [0, 1] are the accuracy averaged over rates (area under
    the curve).  `linear lost` and `neighbours lost` say how much lower that is than without wrong labels.  Controls:
    chance, `control_features` {name: Features, or (Features, fit Features)}; for what is lost, a fit to the images
    whose labels stayed true.  Errors as for `linear_probe`, and for rates outside [0, 1).

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(240) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(240, 3))
        >>> result = sslviz.noise_tolerance(sslviz.Features.from_array(x, table={"label": label}))
        >>> result.realised, bool(result.scores()["neighbours"].value > 0.9)
        (array([0. , 0.2, 0.4, 0.6]), True)

    Caveat: These labels are wrong at random; people err where images are alike, which costs more.
    """
    if kind not in KINDS:
        raise ValueError(f"Labels are made wrong by {' or '.join(map(repr, KINDS))}, but `kind` is {kind!r}.")
    split = label_split(features, label, fit, seed)
    tried, left_out = _rates(rates, len(split.classes), kind)
    noisy = [noisy_labels(split.codes, len(split.classes), rate, kind, seed) for rate in tried]
    realised = np.array([(labels != split.codes).mean() for labels in noisy])
    if realised[-1] == 0:
        raise ValueError(
            f"The classes of {label!r} have too few images to make some of their labels wrong; give more images a class, or "
            "higher rates."
        )
    k = min(K, max(1, len(split.fitted) // 10))
    correct = _read(split.scored, split.fitted, noisy, split.truth, k, seed)
    known = [{name: rows[:1] for name, rows in correct.items()}]  # at rate 0 there is nothing to throw out
    for labels in noisy[1:]:
        kept = labels == split.codes
        known.append(_read(split.scored, split.fitted.rows(kept), [labels[kept]], split.truth, k, seed))
    return NoiseTolerance(
        label=label,
        kind=kind,
        classes=split.classes,
        ids=split.scored.ids,
        truth=split.truth,
        rates=np.array(tried),
        realised=realised,
        rates_left_out=left_out,
        correct=correct,
        known_correct={name: np.concatenate([one[name] for one in known]) for name in READOUTS},
        control_correct={
            name: _read(scored, fitted, noisy, split.truth, k, seed)
            for name, scored, fitted in aligned_controls(control_features, split.scored, split.fitted)
        },
        params={"k": k, "n_fit": len(split.fitted)},
        seed=seed,
        **pictures_of(split.scored, split.fitted),
    )


def _rates(rates: Sequence[float], classes: int, kind: str) -> tuple[list[float], list[float]]:
    """The rates to be tried, 0 first, and those left out."""
    asked = sorted({0.0, *map(float, rates)})
    if asked[0] < 0 or asked[-1] >= 1:
        raise ValueError(f"Rates are shares of wrong labels from 0 to below 1, but `rates` is {tuple(rates)}.")
    most = 0.5 if kind == "pair" else 1 - 1 / classes
    kept = [rate for rate in asked if rate < most - 1e-9]
    if len(kept) < 2:
        raise ValueError(
            f"Of {classes} classes the true one is the commonest below a rate of {most:.3g}, but `rates` is {tuple(rates)}; "
            "name a rate between 0 and that."
        )
    return kept, [rate for rate in asked if rate not in kept]


def _read(
    scored: Features, fitted: Features, labels: Sequence[np.ndarray], truth: np.ndarray, k: int, seed: int
) -> dict[str, np.ndarray]:
    """Whether each image is read rightly after a fit to each of the `labels`: {readout: (r, n) bool}."""
    graph = neighbors(scored, min(k, len(fitted)), among=fitted)
    linear = [linear_readout(fitted, codes, scored, seed=seed)[0] == truth for codes in labels]
    voted = [vote(codes[graph.indices]) == truth for codes in labels]
    return {LINEAR: np.stack(linear), NEIGHBORS: np.stack(voted)}


def vote(codes: np.ndarray) -> np.ndarray:
    """The commonest of each row of codes (n, k), nearest first: (n,).  Of equally common ones that of the nearest image."""
    rows, votes = np.arange(len(codes)), np.zeros((len(codes), codes.max() + 1))
    for place, column in enumerate(codes.T):
        votes[rows, column] += 1 + 0.5 ** (
            place + 2
        )  # the halves sum to less than one vote, and the first outweighs the rest
    return votes.argmax(axis=1)
