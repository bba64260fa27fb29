"""Readouts fitted to a few labelled images, many draws at a time: a penalised logistic regression, nearest centroids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.probes.standardization import standardization
from sslviz.features.columns import folds
from sslviz.statistics import balanced_mean
from sslviz.transfer.softmax_regressions import SoftmaxRegressions, softmax_regressions

PENALTIES = np.logspace(-4, 1, 10)  # scikit-learn's C, for standardised features: from far too strong to far too weak
FOLDS = 5
# At one label a class nothing is left to choose by.  There all penalties read alike: digits at .59 to .60.
PENALTY_OF_ONE = float(PENALTIES[5])
VALIDATED = 500  # images to choose a penalty by: an accuracy of them has a standard error of two hundredths
COARSE = 1e-3  # of the gradient, where penalties are only chosen; tighter fits choose the same within that error
HELD = 2**24  # numbers of the draws that are fitted at a time
ALL = "all"


@dataclass(frozen=True, eq=False)
class Readings:
    """What is read after fits to few labels.

    - predicted: {labels a class: class of each image, (draws, n)}
    - predicted_by_all: the same after one fit to all labels, (n,)
    - penalties: {labels a class, or "all": the C chosen}; empty for centroids
    """

    predicted: dict[int, np.ndarray]
    predicted_by_all: np.ndarray
    penalties: dict[str, float]


def few_label_readings(
    fit_x: np.ndarray,
    fit_codes: np.ndarray,
    scored_x: np.ndarray,
    labelled: Mapping[int, np.ndarray],
    readout: str,
    seed: int,
    units: np.ndarray | None = None,
) -> Readings:
    """Reads the images `scored_x` (n, d) after fits to the `labelled` rows {labels a class: (draws, rows)} of `fit_x`.

    Features are standardised by all rows of `fit_x`, labelled or not: that takes no label.  Rows of one of `units` (m,) are
    held out together where a penalty is chosen by all labels.
    """
    standard = standardization(fit_x)
    x, scored = standard(fit_x), standard(scored_x)
    choose, fitted = (_best_penalty, _logistic) if readout == "logistic" else (_no_penalty, _centroids)
    predicted, penalties = {}, {}
    for k, rows in labelled.items():
        fold = fold_of_each(k, rows.shape[1])
        penalties[str(k)] = choose(x, fit_codes, rows, fold, None)
        step = max(1, HELD // (rows.shape[1] * x.shape[1]))
        parts = (rows[start : start + step] for start in range(0, len(rows), step))
        read = [_read(fitted(x[part], fit_codes[part], penalties[str(k)], None), scored) for part in parts]
        predicted[k] = np.concatenate(read)
    fold = folds(fit_codes, FOLDS, seed, units)
    counts = np.bincount(fit_codes)
    weight = len(fit_codes) / len(counts) / counts[fit_codes]  # every class counts the same, as in the drawn labels
    penalties[ALL] = choose(x, fit_codes, np.arange(len(x))[None], fold, weight)
    fits = fitted(x[None], fit_codes[None], penalties[ALL], weight[None])
    return Readings(predicted, _read(fits, scored)[0], penalties if readout == "logistic" else {})


def fold_of_each(k: int, n: int) -> np.ndarray:
    """The fold in which each of `n` rows, k of a class after those of another, is held out to choose a penalty: (n,).

    Below five labels a class, one image of every class is held out at a time.  A single image would leave its own class
    one short, which alone makes a strong penalty name another class.
    """
    return np.arange(n) % k % FOLDS


def _read(fits: SoftmaxRegressions, scored: np.ndarray) -> np.ndarray:
    """The classes that each fit names, (fits, n); one product for all of them."""
    b, d, classes = fits.weights.shape
    weights = fits.weights.transpose(1, 0, 2).reshape(d, b * classes).astype(scored.dtype)
    logits = (scored @ weights).reshape(len(scored), b, classes) + fits.bias
    return logits.argmax(axis=2).T


def _centroids(x: np.ndarray, codes: np.ndarray, penalty: float, weight: np.ndarray | None) -> SoftmaxRegressions:
    """The fits that name the class with the nearest mean."""
    members = np.eye(codes.max() + 1)[codes]  # (b, n, classes)
    weights = x.transpose(0, 2, 1) @ (members / members.sum(axis=1, keepdims=True))
    return SoftmaxRegressions(weights, -(weights**2).sum(axis=1) / 2)


def _no_penalty(*_: object) -> float:
    """Centroids have none."""
    return 0.0


def _logistic(x: np.ndarray, codes: np.ndarray, penalty: float, weight: np.ndarray | None) -> SoftmaxRegressions:
    """Logistic regressions on the rows of each draw (b, n, d)."""
    x, basis = rotated(x)
    fits = softmax_regressions(x, codes, int(codes.max()) + 1, penalty, weight=weight)
    return fits if basis is None else SoftmaxRegressions(basis @ fits.weights, fits.bias)


def rotated(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows (b, n, d) in the coordinates of a basis (b, d, n) of their own span; as they are, and None, for many rows.

    Penalised weights lie in the span of the rows, so that a fit in n coordinates is the fit in d, and much faster where
    n is far below d.  Beyond half of d the rotation takes longer than it saves.
    """
    if 2 * x.shape[1] > x.shape[2]:
        return x, None
    basis, coordinates = np.linalg.qr(x.transpose(0, 2, 1).astype(float))
    return coordinates.transpose(0, 2, 1), basis


def _best_penalty(
    x: np.ndarray, codes: np.ndarray, rows: np.ndarray, fold: np.ndarray, weight: np.ndarray | None
) -> float:
    """The penalty that reads held-out labelled images best, over folds and draws `rows` (b, n); the strongest of equals.

    One penalty for all draws: of the few labels of one draw the choice would be a lottery, and part of the spread over
    draws.  Only as many draws, and then folds, are used as hold out VALIDATED images together.
    """
    classes, folds = int(codes.max()) + 1, int(fold.max()) + 1
    if folds == 1:
        return PENALTY_OF_ONE
    b = min(len(rows), -(-VALIDATED // rows.shape[1]))
    folds = min(folds, max(1, -(-VALIDATED * folds // (b * rows.shape[1]))))
    held_out = np.tile(fold[None] == np.arange(folds)[:, None], (b, 1))  # (b * folds, n)
    stacked = np.repeat(rotated(x[rows[:b]])[0], folds, axis=0)
    codes = np.repeat(codes[rows[:b]], folds, axis=0)
    weight = ~held_out * (1.0 if weight is None else weight)
    fits, accuracies = None, []
    for penalty in PENALTIES:  # each starts where the last one ended
        fits = softmax_regressions(stacked, codes, classes, penalty, weight=weight, tol=COARSE, start=fits)
        right = fits.logits(stacked).argmax(axis=2) == codes
        accuracies.append(balanced_mean(right[held_out], codes[held_out]))
    return float(PENALTIES[int(np.argmax(accuracies))])
