"""What can a linear readout decode?"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sslviz.diagnostics.probes.probe import Controls, Probe, _classes, read_out
from sslviz.features import Features
from sslviz.features.columns import place_in_class
from sslviz.runtime.threads import one_thread
from sslviz.statistics import balanced_mean

PENALTIES = (1e-3, 1e-2, 1e-1)  # scikit-learn's C, for standardised features


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
