"""How far predicted probabilities can be believed: calibration error, proper scores, their null, and the temperature."""

from __future__ import annotations

import numpy as np

from sslviz.statistics import resampled_times

DRAWS = 200  # of labels from the probabilities themselves, so that 10 of them lie in the tail of 5 %
TEMPERATURES = np.geomspace(0.05, 20, 61)  # a tenth from one to the next; a parabola finds the best between them


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """The bin of each confidence (n,), bins of equally many images in order of confidence: 0, 1, ...

    There are n^(1/3) of them: more make every predictor look miscalibrated (scikit-learn#18268).
    """
    n = len(confidence)
    count = max(1, round(n ** (1 / 3)))
    bins = np.empty(n, int)
    bins[np.argsort(confidence, kind="stable")] = np.arange(n) * count // n
    return bins


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """ECE: the mean over images of |share correct - mean confidence| of their bin; `correct` (..., n) gives (...)."""
    bins = bins_of(confidence)
    member = np.eye(bins.max() + 1)[bins]  # (n, bins)
    return np.abs(correct @ member - confidence @ member).sum(axis=-1) / len(confidence)


def brier(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The squared distance of the probabilities (n, c) from the class that is true, 0 to 2, (n,)."""
    own = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    return (probabilities**2).sum(axis=1) - 2 * own + 1


def surprise(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The negative log likelihood of the true class in nats, (n,)."""
    own = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    return -np.log(np.maximum(own, 1e-12))  # a probability of 0 would make every mean infinite


def null_errors(confidence: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """The ECE of a predictor that is right about itself: labels drawn from its own probabilities, (draws,).

    The predicted class is then the true one with probability `confidence`, and no other class matters.
    """
    drawn = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    return calibration_error(confidence, drawn.astype(float))


def temperature_of(
    logits: np.ndarray,
    truth: np.ndarray,
    units: np.ndarray | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, np.ndarray]:
    """The number that logits (n, c) are divided by for the best likelihood, and its bootstrap (draws,) (arXiv 1706.04599).

    Between 1/20 and 20.  Images of one of `units` (n,) are drawn together.
    """
    losses = np.stack([surprise(softmax(logits / t), truth) for t in TEMPERATURES], axis=1)  # (n, temperatures)
    n = len(truth)
    rng = np.random.default_rng(seed)
    if units is None:
        drawn = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n)  # how often each image is drawn
    else:
        times = resampled_times(np.zeros(n), draws, rng, units)
    return float(_least(losses.sum(axis=0)[None])[0]), _least(times @ losses)


def _least(losses: np.ndarray) -> np.ndarray:
    """The temperature of the least loss of each row (r, temperatures), by a parabola in its logarithm: (r,)."""
    rows, at = np.arange(len(losses)), losses.argmin(axis=1).clip(1, len(TEMPERATURES) - 2)
    below, middle, above = (losses[rows, at + i] for i in (-1, 0, 1))
    bend = below - 2 * middle + above
    step = np.divide(below - above, 2 * bend, out=np.zeros(len(rows)), where=bend > 0).clip(-1, 1)
    return np.exp(np.log(TEMPERATURES)[at] + step * np.log(TEMPERATURES[1] / TEMPERATURES[0]))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (n, c) of logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
