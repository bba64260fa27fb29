"""The linear probe: a penalised logistic regression on standardised features, and its weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.probes.probe import Probe, class_codes, run_probe
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import Standardization, standardization
from sslviz.features import Features
from sslviz.features.columns import folds
from sslviz.runtime.threads import one_thread
from sslviz.statistics import balanced_mean

PENALTIES = (1e-3, 1e-2, 1e-1)  # scikit-learn's C, for standardised features


@one_thread
def linear_probe(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Probe:
    """What can a linear readout decode?

    Multinomial logistic regression with class weights (scikit-learn's, L-BFGS) on features standardised by the fit images.
    C is the best of 0.001, 0.01, 0.1 on a stratified fifth of them, for the features and for each control alike.  Without
    `fit`, it is fitted on a stratified half of `features` (by `seed`) and scored on the other.  Arguments, score and errors
    as for `knn_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(120) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(120, 3))
        >>> features = sslviz.Features.from_array(x, table={"label": label})
        >>> print(sslviz.linear_probe(features).scores()["accuracy"])
        1.00 [0.85, 1.00]  vs 0.33 chance

    Caveat: What can be decoded need not be used by anything, and raw pixels already let a linear readout decode a
    lot: look at the distance to the controls.
    """
    return run_probe(
        "linear", features, label, fit, control_features, seed, {}, partial(linear_readout, seed=seed), None
    )


@one_thread
def linear_weights(fit: Features, label: str, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights of the readout of `linear_probe` fitted to `fit`: classes (c,), weights (c, d) and biases (c,).

    The class of features f is the one with the largest w . f + bias.  ValueError as for `linear_probe`.

    Caveat: A readout may go by what the encoder merely holds, and two directions that go together share their weights.
    """
    classes, codes, _ = class_codes(fit, fit, label)
    model, standard = _fitted(fit, codes, seed)
    weights, bias = model.coef_, model.intercept_
    if len(classes) == 2:  # scikit-learn keeps the second one's only
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    weights = weights / standard.scale
    return classes, weights.astype(np.float32), (bias - weights @ standard.center).astype(np.float32)


def readout_probabilities(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """How sure is the readout?  The probability of each class (n, c) by the weights (c, d) and bias of `linear_weights`.

    `x` (n, d) are features.  Rows sum to one.

    Caveat: Class weights made every class equally likely beforehand, and nobody checked how often such an answer is right.
    """
    from scipy.special import softmax

    logits = x.astype(np.float64) @ weights.T + bias
    if len(bias) == 2:  # both ways round: twice what tells the classes apart
        logits = logits / 2
    return softmax(logits, axis=1)


def linear_readout(
    fitted: Features, codes: np.ndarray, scored: Features, *, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """The classes of `scored` (n,) by a linear readout fitted to `fitted` with their `codes`; and its C."""
    model, standard = _fitted(fitted, codes, seed)
    return model.predict(standard(scored.x)), {"C": model.C}


@small_classes()
def _fitted(fitted: Features, codes: np.ndarray, seed: int) -> tuple[Any, Standardization]:
    """The regression on standardised features, and their standardisation."""
    from sklearn.linear_model import LogisticRegression

    standard = standardization(fitted.x)
    x = standard(fitted.x)
    penalty = best_penalty(x, codes, codes, seed, class_weight="balanced", units=fitted.units)
    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=1000).fit(x, codes), standard


@small_classes()
def best_penalty(
    x: np.ndarray,
    codes: np.ndarray,
    strata: np.ndarray,
    seed: int,
    *,
    class_weight: str | None = None,
    weight: np.ndarray | None = None,
    units: np.ndarray | None = None,
) -> float:
    """The one of PENALTIES that reads a fifth of each stratum best after a fit on the rest; the strongest of equals.

    Every stratum counts the same.  Those of fewer than five images are only fitted on.  Images of one of `units` (n,) stay
    together.
    """
    from sklearn.linear_model import LogisticRegression

    inner = folds(strata, 5, seed, units) != 4
    if inner.all():  # no stratum of five images: nothing to choose by
        return PENALTIES[1]
    # Coarse fits are enough to choose by, and each starts where the last one ended.
    path = LogisticRegression(class_weight=class_weight, max_iter=1000, tol=1e-2, warm_start=True)
    inner_weight = None if weight is None else weight[inner]
    accuracies = []
    for c in PENALTIES:
        model = path.set_params(C=c).fit(x[inner], codes[inner], inner_weight)
        accuracies.append(balanced_mean(model.predict(x[~inner]) == codes[~inner], strata[~inner]))
    return PENALTIES[int(np.argmax(accuracies))]
