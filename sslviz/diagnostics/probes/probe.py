"""Probe: the result of reading a label out of features and controls, and the steps that all readouts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.neighbors.neighbors import Neighbors
from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import apart, in_order, numbers_of, refuse_one_sided, stratified_half, written
from sslviz.statistics import (
    POWER_80,
    WIDTH_95,
    Score,
    balanced_intervals,
    balanced_mean,
    group_sizes,
    low_of_perfect,
    p_beyond,
)

# How the readout of each method is worded in a claim; neighbours are a matter of geometry, and claim nothing.
CLAIMED_READOUTS = {"linear": "linearly", "mlp": "by a small network"}

# (features to fit on, their classes as codes, features to read, ...) -> predicted codes, and the parameters chosen
Readout = Callable[..., tuple[np.ndarray, dict[str, float]]]


@dataclass(frozen=True, eq=False)
class Probe(Fitted):
    """Result of `knn_probe`, `linear_probe` and `mlp_probe`, of n scored images.

    - method: "knn", "linear" or "mlp"
    - label: the column that was read
    - classes: names of its classes, (c,)
    - truth, predicted: indices into `classes`, (n,)
    - ids: the scored images, (n,)
    - n_fit: images fitted on
    - params: parameters of the readout
    - control_correct: whether each control reads an image rightly, {name: (n,) bool}; differences can be paired
    - seed: of halves, fits and resamples
    """

    method: str
    label: str
    classes: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    ids: np.ndarray
    n_fit: int
    params: dict[str, float]
    control_correct: dict[str, np.ndarray]
    seed: int

    @property
    def correct(self) -> np.ndarray:
        """Whether each image was read rightly: (n,) bool."""
        return self.predicted == self.truth

    @property
    def accuracy(self) -> float:
        """The share of images read rightly, every class counting the same."""
        return balanced_mean(self.correct, self.truth)

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks: 1 / number of classes among the scored images."""
        return 1 / len(np.unique(self.truth))

    @property
    def confusion(self) -> np.ndarray:
        """Images of each class (row) read as each class (column): (c, c)."""
        c = len(self.classes)
        return np.bincount(self.truth * c + self.predicted, minlength=c * c).reshape(c, c)

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose class-balanced mean is the score, for each image: {score: (n,)}."""
        return {"accuracy": self.correct.astype(float)}

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def hypothesis(self) -> Hypothesis | None:
        """That the label can be read from the features; the examples are two images of each class.  None for neighbours."""
        if self.method not in CLAIMED_READOUTS:
            return None
        score = self.scores()["accuracy"]
        controls = ", ".join(f"{name} {value:.2f}" for name, value in score.controls.items() if name != "chance")
        statement = (
            f"{self.label} can be read from the features {CLAIMED_READOUTS[self.method]} at {score.value:.2f}, by chance at "
            f"{self.chance:.2f} ({controls})."
        )
        examples = np.concatenate([np.flatnonzero(self.truth == c)[:2] for c in range(len(self.classes))])
        p = p_beyond(score, self.chance) if score.value > self.chance else 1.0
        detectable = None
        if score.low is not None and score.high is not None:
            detectable = self.chance + POWER_80 * ((score.high - score.low) / WIDTH_95)
        return Hypothesis(statement, "accuracy", p, detectable, len(self.ids), self.ids[examples])

    def scores(self) -> dict[str, Score]:
        """`accuracy`, class-balanced, with its bootstrap interval over images, beside chance and other controls.

        There is no interval, and so no claim, where a class has fewer than ten scored images.  Within so few the bootstrap
        sees too little of what chance can do.  Images that belong together count as one, and are drawn together.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        value = self.accuracy
        [(low, high)] = balanced_intervals(self.correct[None], self.truth, seed=self.seed, units=self.units)
        if value == 1 and low is not None:
            low = low_of_perfect(group_sizes(self.truth, self.units))
        controls = {"chance": self.chance}
        controls |= {name: balanced_mean(correct, self.truth) for name, correct in self.control_correct.items()}
        return {"accuracy": Score(value, low, high, controls)}


def run_probe(
    method: str,
    features: Features,
    label: str,
    fit: Features | None,
    control_features: ControlFeatures | None,
    seed: int,
    params: dict[str, float],
    readout: Readout,
    graph: Neighbors | None,
) -> Probe:
    """Splits the images, then reads the features and each control in the same way."""
    scored, fitted = own_halves(features, label, seed) if fit is None else (features, apart(features, fit))
    classes, truth, fit_codes = class_codes(scored, fitted, label)
    refuse_seen_images(scored, fitted)
    extra = {} if graph is None else {"graph": graph}
    predicted, chosen = readout(fitted, fit_codes, scored, **params, **extra)
    control_correct: dict[str, np.ndarray] = {}
    for name, control, bank in aligned_controls(control_features, scored, fitted):
        control_correct[name] = readout(bank, fit_codes, control, **params)[0] == truth
    return Probe(
        method=method,
        label=label,
        classes=classes,
        truth=truth,
        predicted=predicted,
        ids=scored.ids,
        n_fit=len(fitted),
        params=params | chosen,
        control_correct=control_correct,
        seed=seed,
        **pictures_of(scored, fitted),
    )


def own_halves(features: Features, label: str, seed: int) -> tuple[Features, Features]:
    """The images that are scored and those that are fitted on, where none were given to fit on: halves of each class."""
    labels = _complete(features, label)
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"Class {names[counts.argmin()]!r} of {label!r} has a single image, but one is needed to fit on and one to "
            "score; drop the class, or pass other images as `fit`."
        )
    half = stratified_half(labels, seed, features.units)
    refuse_one_sided(features, label, half)
    return features.rows(~half), features.rows(half)


def _complete(features: Features, label: str) -> np.ndarray:
    """The column as text; ValueError where values are missing."""
    values = features.column(label)
    if missing := int(pd.isna(values).sum()):
        raise ValueError(
            f"The column {label!r} has no value for {missing} of {len(values)} images; drop those rows or fill them in."
        )
    return written(values)


def class_codes(scored: Features, fitted: Features, label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The names of the classes, and the class of each image scored and of each fitted on."""
    truth, fit_truth = _complete(scored, label), _complete(fitted, label)
    names = in_order(set(fit_truth))
    refuse_unseen(sorted(set(truth) - set(names)), label)
    for name, values in (("fitted on", fit_truth), ("scored", truth)):
        if len(set(values)) < 2:
            raise ValueError(
                f"A probe tells classes apart, but all images {name} have the {label!r} {values[0]!r}; "
                "choose another column or more images."
            )
    return np.array(names), numbers_of(names, truth), numbers_of(names, fit_truth)


def refuse_unseen(unseen: Sequence[str], label: str) -> None:
    """ValueError where classes are to be scored that the images fitted on do not show."""
    if unseen:
        raise ValueError(
            f"Images of {', '.join(map(repr, unseen[:5]))} are to be scored, but the images fitted on show no such "
            f"{label!r}; fit on images of every class."
        )


OTHER_HALF = "pass other images as `fit`, or none to use one half of these"


def refuse_seen_images(
    scored: Features, fitted: Features, *, which: str = "to score", instead: str = OTHER_HALF
) -> None:
    """ValueError where an image is fitted on and scored: same id and same features (ids alone may be row numbers).

    - which: what the scored images are called
    - instead: what to do
    """
    _, rows, fit_rows = np.intersect1d(scored.ids, fitted.ids, return_indices=True)
    if len(rows) and scored.x.shape[1] == fitted.x.shape[1]:
        if same := int((scored.x[rows] == fitted.x[fit_rows]).all(axis=1).sum()):
            raise ValueError(
                f"{same} of the {len(scored)} images {which} are also fitted on, which flatters a probe; {instead}."
            )
