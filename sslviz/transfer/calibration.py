"""Calibration: whether the probabilities of a linear head on the features are right about themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import folds, one_of_each
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval, permutation_p
from sslviz.transfer.label_split import label_split
from sslviz.transfer.reliability import (
    bins_of,
    brier,
    calibration_error,
    null_errors,
    softmax,
    surprise,
    temperature_of,
)

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # scikit-learn's C; the likelihood chooses, and it punishes what is overconfident
MIN_IMAGES = 20  # scored, for intervals
ITSELF = "labels drawn from its own probabilities"
PRIOR = "class shares alone"
NEEDED = "none needed"
Held = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Calibration(Fitted):
    """Result of `calibration`, of n scored images.

    - label: the column that is predicted
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth, predicted: indices into `classes`, (n,)
    - confidence: probability of the predicted class, (n,)
    - values: {"brier": (n,), "nll": (n,)} of each image
    - null: ECE with labels drawn from the probabilities, (draws,)
    - temperature: what the logits are to be divided by
    - temperature_draws: its bootstrap over the images held out to choose it; empty where none was
    - scaled_confidence: `confidence` after the division, (n,)
    - scaled_null: as `null`, of those
    - control_values: as `values`, {control: {score: (n,)}}
    - params: C, and the images held out to choose it and the temperature
    - seed: of halves, fits and draws
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    values: dict[str, np.ndarray]
    null: np.ndarray
    temperature: float
    temperature_draws: np.ndarray
    scaled_confidence: np.ndarray
    scaled_null: np.ndarray
    control_values: dict[str, dict[str, np.ndarray]]
    params: dict[str, float]
    seed: int

    @property
    def correct(self) -> np.ndarray:
        """Whether each image is predicted rightly, (n,) bool."""
        return self.predicted == self.truth

    @cached_property
    def ece(self) -> float:
        """The expected calibration error, 0 to 1."""
        return float(calibration_error(self.confidence, self.correct.astype(float)))

    @cached_property
    def scaled_ece(self) -> float:
        """The same after temperature scaling."""
        return float(calibration_error(self.scaled_confidence, self.correct.astype(float)))

    @property
    def p(self) -> float:
        """How often a head that is right about itself has such an ECE."""
        return permutation_p(self.ece, self.null)

    @property
    def found(self) -> bool:
        """Whether the head is miscalibrated by more than luck, at 5 %."""
        return self.p < 0.05

    @cached_property
    def reliability(self) -> dict[str, np.ndarray]:
        """Each bin's mean confidence, share of images predicted rightly, and images: {"confidence", "correct", "n": (b,)}."""
        bins = bins_of(self.confidence)
        n = np.bincount(bins)
        return {
            "confidence": np.bincount(bins, self.confidence) / n,
            "correct": np.bincount(bins, self.correct) / n,
            "n": n,
        }

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image adds to the mean: {"brier", "nll": (n,)}."""
        return self.values

    def scores(self) -> dict[str, Score]:
        """`ece`, `ece after temperature`, `brier`, `nll` and `temperature`; every image counts the same.

        An ECE has no interval: resampling makes it larger.  It stands beside what a head that is right about itself reads.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        values, one = np.stack(list(self.values.values())), np.zeros(len(self.ids))
        draws = bootstrap_balanced_mean(values, one, seed=self.seed, units=self.units)
        scores = {
            "ece": self._error(self.ece, self.null),
            "ece after temperature": self._error(self.scaled_ece, self.scaled_null),
        }
        for i, (name, value) in enumerate(self.values.items()):
            low, high = percentile_interval(draws[:, i]) if len(self.ids) >= MIN_IMAGES else (None, None)
            controls = {control: float(values[name].mean()) for control, values in self.control_values.items()}
            scores[name] = Score(float(value.mean()), low, high, controls, higher_is_better=False)
        low, high = percentile_interval(self.temperature_draws) if len(self.temperature_draws) else (None, None)
        scores["temperature"] = Score(self.temperature, low, high, {NEEDED: 1.0}, higher_is_better=None)
        return scores

    def _error(self, value: float, null: np.ndarray) -> Score:
        return Score(value, controls={ITSELF: float(null.mean())}, higher_is_better=False, control_is="ceiling")


@one_thread
def calibration(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Calibration:
    """When a head on these features says 80 %, is it right in 80 of 100 cases?

    Multinomial logistic regression without class weights on features standardised by the fit images.  Without `fit`, one
    stratified half of `features` (by `seed`) is fitted on.  A fifth of the fit images is held out of the fit; its likelihood
    chooses C, and then the temperature (arXiv 1706.04599).  Scores, every image counting the same:

    - `ece`: mean distance in [0, 1] between confidence and share correct, in n^(1/3) bins of equally many images
    - `ece after temperature`: the same, logits divided by the temperature
    - `brier`: squared error of the probabilities, 0 to 2; `nll`: -log of the true class's probability, in nats
    - `temperature`: above 1 the head is too sure of itself, below 1 too little

    Control of an ECE, which is above 0 for a perfect head too: labels drawn from the head's own probabilities, 200
    times.  Controls of `brier` and `nll`: the class shares of the fit images, and `control_features` {name: Features,
    or (Features, fit Features)}.  Images that share the `group` of the features stay on one side of every split.  One
    of each is scored, as copies would count an error of the head several times.  Errors as for `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(400) % 2
        >>> x = 2 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(400, 2))
        >>> result = sslviz.calibration(sslviz.Features.from_array(x, table={"label": label}))
        >>> result.found, list(result.scores())
        (False, ['ece', 'ece after temperature', 'brier', 'nll', 'temperature'])

    Caveat: A head that always says the class shares is well calibrated and useless, so read the error beside Brier
    score or likelihood; and other images than these calibrate otherwise.
    """
    split = label_split(features, label, fit, seed)
    keep, units = one_of_each(split.scored, seed=seed), split.fitted.units
    scored, truth = split.scored.rows(keep), split.truth[keep]
    shares = np.bincount(split.codes, minlength=len(split.classes)) / len(split.codes)
    logits, held, params = _head(split.fitted.x[:], split.codes, scored.x[:], seed, units)
    temperature, draws = (1.0, np.zeros(0)) if held is None else temperature_of(*held, seed=seed)
    probabilities, scaled = softmax(logits), softmax(logits / temperature).max(axis=1)
    predictions = {PRIOR: np.tile(shares, (len(truth), 1))}
    for name, control, bank in aligned_controls(control_features, scored, split.fitted):
        predictions[name] = softmax(_head(bank.x[:], split.codes, control.x[:], seed, units)[0])
    return Calibration(
        label=label,
        classes=split.classes,
        ids=scored.ids,
        truth=truth,
        predicted=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
        values=_values(probabilities, truth),
        null=null_errors(probabilities.max(axis=1), seed=seed),
        temperature=temperature,
        temperature_draws=draws,
        scaled_confidence=scaled,
        scaled_null=null_errors(scaled, seed=seed),
        control_values={name: _values(p, truth) for name, p in predictions.items()},
        params=params,
        seed=seed,
        **pictures_of(scored, split.fitted),
    )


def _values(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    return {"brier": brier(probabilities, truth), "nll": surprise(probabilities, truth)}


@small_classes()
def _head(
    x: np.ndarray, codes: np.ndarray, scored: np.ndarray, seed: int, units: np.ndarray | None
) -> tuple[np.ndarray, Held | None, dict[str, float]]:
    """Logits of the scored images (n, c), those of the held-out fit images with their classes and units, and parameters.

    Without five images of any class nothing is held out: C is 0.01 then.
    """
    from sklearn.linear_model import LogisticRegression

    inner = folds(codes, 5, seed, units) != 4
    if units is not None:  # a class is not held out whole
        inner |= np.isin(units, units[~np.isin(codes, codes[inner])])
    standard = standardization(x[inner])
    x, scored = standard(x), standard(scored)
    path = LogisticRegression(max_iter=1000, warm_start=True)  # each fit starts where the last one ended
    if inner.all():
        path.set_params(C=PENALTIES[1]).fit(x, codes)
        return _logits(path, scored), None, {"C": PENALTIES[1], "held_out": 0}
    best, found, own = np.inf, None, None if units is None else units[~inner]
    for c in PENALTIES:
        path.set_params(C=c).fit(x[inner], codes[inner])
        held = _logits(path, x[~inner])
        if (loss := float(surprise(softmax(held), codes[~inner]).mean())) < best:
            best, found = (
                loss,
                (_logits(path, scored), (held, codes[~inner], own), {"C": c, "held_out": int((~inner).sum())}),
            )
    assert found is not None
    return found


def _logits(model: Any, x: np.ndarray) -> np.ndarray:
    """The logits (n, c) of a scikit-learn model, which has one column for two classes."""
    logits = model.decision_function(x)
    return np.stack([-logits / 2, logits / 2], axis=1) if logits.ndim == 1 else logits
