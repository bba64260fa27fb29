"""What can be read out of the features?  Two readouts: the nearest neighbours' vote, and a linear one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.diagnostics.neighbors.neighbors import Neighbors
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.statistics import Score, balanced_mean, bootstrap_balanced_mean, percentile_interval

FEWEST_IN_CLASS = 10  # scored images in the smallest class, for an interval

Controls = Mapping[str, Features | tuple[Features, Features | None]]
# (fit features, their classes as codes, features to read) -> predicted codes, and what was chosen on the way


@dataclass(frozen=True, eq=False)
class Probe:
    """Can this label be read out of the features, and out of its controls?

    `truth` and `predicted` (n,) index `classes` (c,); `ids` (n,) name the scored images.  `controls` {name: (n,)
    bool} say which of the same images each control got right, so that differences can be paired.  `method` is "knn",
    "linear" or "mlp", `params` what it was run with, `n_fit` how many images it was fitted on.
    """

    method: str
    label: str
    classes: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    ids: np.ndarray
    n_fit: int
    params: dict[str, float]
    controls: dict[str, np.ndarray]
    seed: int

    @property
    def correct(self) -> np.ndarray:
        """Which images were read right: (n,) bool."""
        return self.predicted == self.truth

    @property
    def accuracy(self) -> float:
        """Share of images read right, every class counting the same."""
        return balanced_mean(self.correct, self.truth)

    @property
    def chance(self) -> float:
        """What a reader who never looks gets on average: 1 / number of classes among the scored images."""
        return 1 / len(np.unique(self.truth))

    @property
    def confusion(self) -> np.ndarray:
        """How many images of each class (row) were read as each class (column): (c, c)."""
        c = len(self.classes)
        return np.bincount(self.truth * c + self.predicted, minlength=c * c).reshape(c, c)

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose class-balanced mean is the score, for each image: {score: (n,)}."""
        return {"accuracy": self.correct.astype(float)}

    def groups(self) -> np.ndarray:
        """Which class each image counts for: (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """`accuracy`, class-balanced, with its bootstrap interval over images, beside chance and other controls.

        No interval, and so no claim, where a class has fewer than ten scored images: within so few the bootstrap sees
        too little of what chance can do.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        value, low, high = self.accuracy, None, None
        counts = np.bincount(self.truth)
        counts = counts[counts > 0]
        if counts.min() >= FEWEST_IN_CLASS:
            low, high = percentile_interval(bootstrap_balanced_mean(self.correct, self.truth, seed=self.seed))
            if value == 1:  # no resample holds an error where there is none to draw; ...
                low = float(np.maximum(0, 1 - 3 / counts).mean())  # ... 3 / n of a class may hide (rule of three)
        controls = {"chance": self.chance}
        controls |= {name: balanced_mean(correct, self.truth) for name, correct in self.controls.items()}
        return {"accuracy": Score(value, low, high, controls)}


def read_out(
    method: str,
    features: Features,
    label: str,
    fit: Features | None,
    controls: Controls | None,
    seed: int,
    params: dict[str, float],
    readout: Callable[..., tuple[np.ndarray, dict[str, float]]],
    graph: Neighbors | None,
) -> Probe:
    """Splits, reads the features and each control in the same way, and keeps who was read right."""
    scored, fitted = _halves(features, label, seed) if fit is None else (features, fit)
    classes, truth, fit_codes = _classes(scored, fitted, label)
    _refuse_seen_images(scored, fitted)
    extra = {} if graph is None else {"graph": graph}
    predicted, chosen = readout(fitted, fit_codes, scored, **params, **extra)
    right: dict[str, np.ndarray] = {}
    for name, control in (controls or {}).items():
        whole, bank = control if isinstance(control, tuple) else (control, None)
        bank = (whole if bank is None else bank).select(list(fitted.ids))
        right[name] = readout(bank, fit_codes, whole.select(list(scored.ids)), **params)[0] == truth
    return Probe(method, label, classes, truth, predicted, scored.ids, len(fitted), params | chosen, right, seed)


def _halves(features: Features, label: str, seed: int) -> tuple[Features, Features]:
    labels = _complete(features, label)
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"Class {names[counts.argmin()]!r} of {label!r} has a single image, but one is needed to fit on and one to "
            "score; drop the class, or pass other images as `fit`."
        )
    half = stratified_half(labels, seed)
    return features.rows(~half), features.rows(half)


def _complete(features: Features, label: str) -> np.ndarray:
    """The column as text; ValueError where values are missing."""
    values = features.column(label)
    if missing := int(pd.isna(values).sum()):
        raise ValueError(
            f"The column {label!r} has no value for {missing} of {len(values)} images; drop those rows or fill them in."
        )
    return np.array([str(value) for value in values], dtype=object)


def _classes(scored: Features, fitted: Features, label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes, and for the images scored and fitted on which of them each is."""
    truth, known = _complete(scored, label), _complete(fitted, label)
    names = sorted(set(known), key=int if all(map(str.isdigit, set(known))) else str)
    if unseen := sorted(set(truth) - set(names)):
        raise ValueError(
            f"Images of {', '.join(map(repr, unseen[:5]))} are to be scored, but the images fitted on show no such "
            f"{label!r}; fit on images of every class."
        )
    for name, values in (("fitted on", known), ("scored", truth)):
        if len(set(values)) < 2:
            raise ValueError(
                f"A probe tells classes apart, but all images {name} have the {label!r} {values[0]!r}; "
                "choose another column or more images."
            )
    index = pd.Index(names)
    return np.array(names), index.get_indexer(pd.Index(truth)), index.get_indexer(pd.Index(known))


def _refuse_seen_images(scored: Features, fitted: Features) -> None:
    """ValueError where an image is fitted on and scored: same id and same features (ids alone may be row numbers)."""
    _, here, there = np.intersect1d(scored.ids, fitted.ids, return_indices=True)
    if len(here) and scored.x.shape[1] == fitted.x.shape[1]:
        if same := int((scored.x[here] == fitted.x[there]).all(axis=1).sum()):
            raise ValueError(
                f"{same} of the {len(scored)} images to score are also fitted on, which flatters a probe; "
                "pass other images as `fit`, or none to use one half of these."
            )
