"""What can be read out of the features?  Two readouts: the nearest neighbours' vote, and a linear one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors
from sslviz.features import Features
from sslviz.features.columns import place_in_class, stratified_half
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_mean, bootstrap_balanced_mean, percentile_interval

PENALTIES = (1e-3, 1e-2, 1e-1)  # scikit-learn's C, for standardised features
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


def knn_probe(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    k: int = 20,
    temperature: float = 0.07,
    controls: Controls | None = None,
    graph: Neighbors | None = None,
    seed: int = 0,
) -> Probe:
    """Are an image's nearest neighbours of its own class?

    The `k` images of `fit` nearest by cosine vote with weight exp(similarity / temperature), as in DINO (arXiv
    2104.14294).  Without `fit`, a stratified half of `features` (by `seed`) votes on the other half.  `controls`
    {name: Features, or (Features, fit Features)} of the same images are read in the same way.  `graph` is
    `neighbors(features, k, among=fit)` where that was computed before.  Score: `accuracy` in [0, 1], class-balanced;
    interval over the scored images, for this probe as fitted, if every class has ten of them.  ValueError for a missing
    or incomplete column, a single class, a class the fit never saw, an image both fitted on and scored, fewer than `k`
    images to vote.

    Caveat: It asks whether a class lies together, not whether it can be told apart: what varies more than the class
    hides it.
    """
    return read_out("knn", features, label, fit, controls, seed, {"k": k, "temperature": temperature}, _vote, graph)


@one_thread
def linear_probe(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    controls: Controls | None = None,
    seed: int = 0,
) -> Probe:
    """What can a linear readout decode?

    Multinomial logistic regression with class weights (scikit-learn's, L-BFGS) on features standardised by the fit
    images; C is the best of 0.001, 0.01, 0.1 on a stratified fifth of them, for the features and for each control
    alike.  Without `fit`, it is fitted on a stratified half of `features` (by `seed`) and scored on the other.
    Arguments, score and errors as for `knn_probe`.

    Caveat: What can be decoded need not be used by anything, and raw pixels already let a linear readout decode a
    lot: look at the distance to the controls.
    """
    return read_out("linear", features, label, fit, controls, seed, {}, partial(regress, seed=seed), None)


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


def _vote(
    fitted: Features, codes: np.ndarray, scored: Features, *, k: int, temperature: float, graph: Neighbors | None = None
) -> tuple[np.ndarray, dict[str, float]]:
    if graph is None:
        graph = neighbors(scored, k, among=fitted)
    elif graph.metric != "cosine" or not (
        np.array_equal(graph.ids, scored.ids) and np.array_equal(graph.bank_ids, fitted.ids)
    ):
        raise ValueError("This graph is of other images or not by cosine; pass neighbors(features, k, among=fit).")
    graph = graph.nearest(k)
    weights = np.exp((graph.similarities - 1) / temperature)  # the largest is 1, whatever the temperature
    votes = np.zeros((len(scored), codes.max() + 1))
    rows = np.arange(len(scored))
    for column, weight in zip(graph.indices.T, weights.T, strict=True):
        votes[rows, codes[column]] += weight
    return votes.argmax(axis=1), {}


@one_thread
def linear_weights(fit: Features, label: str, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What does the linear readout go by?  Its `classes` (c,), and for each of them weights (c, d) and a bias (c,).

    The readout of `linear_probe`, fitted to `fit`: the class of features f is the one with the largest w . f + bias.
    ValueError as there.

    Caveat: A readout may go by what the encoder merely holds, and two directions that go together share their weights.
    """
    classes, codes, _ = _classes(fit, fit, label)
    model, center, scale = _fitted(fit, codes, seed)
    weights, bias = model.coef_, model.intercept_
    if len(classes) == 2:  # scikit-learn keeps the second one's only
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    weights = weights / scale
    return classes, weights.astype(np.float32), (bias - weights @ center).astype(np.float32)


def regress(fitted: Features, codes: np.ndarray, scored: Features, *, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """The classes that the linear readout sees in `scored` (n,), fitted to `fitted` with their `codes`; and its C."""
    model, center, scale = _fitted(fitted, codes, seed)
    return model.predict((scored.x - center) / scale), {"C": model.C}


def _fitted(fitted: Features, codes: np.ndarray, seed: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """The regression on standardised features, and what they were standardised by."""
    from sklearn.linear_model import LogisticRegression

    center, scale = fitted.x.mean(axis=0), fitted.x.std(axis=0)
    scale[scale == 0] = 1
    x = (fitted.x - center) / scale
    model = LogisticRegression(C=_best_penalty(x, codes, seed), class_weight="balanced", max_iter=1000)
    return model.fit(x, codes), center, scale


def _best_penalty(x: np.ndarray, codes: np.ndarray, seed: int) -> float:
    """Which of PENALTIES reads a fifth of each class best after a fit on the rest?  The strongest of equals."""
    from sklearn.linear_model import LogisticRegression

    inner = place_in_class(codes, seed) % 5 != 4
    if inner.all():  # no class of five images: nothing to choose by
        return PENALTIES[1]
    # Coarse fits are enough to choose by, and each starts where the last one ended.
    path = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-2, warm_start=True)
    reached = []
    for c in PENALTIES:
        right = path.set_params(C=c).fit(x[inner], codes[inner]).predict(x[~inner]) == codes[~inner]
        reached.append(balanced_mean(right, codes[~inner]))
    return PENALTIES[int(np.argmax(reached))]
