"""Three ways to carry features of a target to a readout of the source, without labels: statistics, covariances, entropy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.transfer.two_domains import Head

RIDGE = 1.0  # added to covariances of standardised features, as in CORAL's own code
TENT_BATCH, TENT_RATE = 200, 1e-3  # images of a step and Adam's rate (arXiv 2006.10726)
FLOOR = 1e-5  # of a variance, as of a batch norm


@dataclass(frozen=True, eq=False)
class Source:
    """The images that the readout was fitted on, (n, d): what the target's features are to look like."""

    x: np.ndarray

    @cached_property
    def center(self) -> np.ndarray:
        """The mean of each column, (d,)."""
        return self.x.mean(axis=0, dtype=np.float64)

    @cached_property
    def scale(self) -> np.ndarray:
        """The standard deviation of each column, 1 where it does not vary, (d,)."""
        scale = self.x.std(axis=0, dtype=np.float64)
        return np.where(scale > 0, scale, 1.0)

    def standardized(self, x: np.ndarray) -> np.ndarray:
        """Rows in units of the source's columns."""
        return (x - self.center) / self.scale

    @cached_property
    def colors(self) -> np.ndarray:
        """(C + ridge)^(1/2) of the standardised rows, (d, d)."""
        return covariance_power(self.standardized(self.x), 0.5)


def by_statistics(x: np.ndarray, source: Source) -> np.ndarray:
    """Rows (m, d) with the mean and the variance of the source in each column (AdaBN, arXiv 1603.04779, on features).

    Their own mean and variance are those of these rows, of all that are read together.
    """
    y = source.standardized(x)
    y = (y - y.mean(axis=0)) / np.sqrt(y.var(axis=0) + FLOOR)
    return y * source.scale + source.center


def by_coral(x: np.ndarray, source: Source) -> np.ndarray:
    """Rows (m, d) whitened by their own covariance and coloured by the source's (CORAL, arXiv 1511.05547), with its mean.

    The paper carries the source to the target and fits again; here the readout stays, so the target is carried.
    """
    y = source.standardized(x)
    y = (y - y.mean(axis=0)) @ covariance_power(y, -0.5) @ source.colors
    return y * source.scale + source.center


def by_tent(
    x: np.ndarray, source: Source, head: Head, *, batch: int = TENT_BATCH, rate: float = TENT_RATE
) -> np.ndarray:
    """The logits (m, c) of a head behind a scale and a shift that lower the entropy of its answers (Tent, arXiv 2006.10726).

    Each batch is standardised by its own mean and variance, then scaled and shifted column by column, at first as the source
    is.  One step of Adam a batch, in the order of the rows; a batch is read before its step.
    """
    affine = np.stack(
        [np.ones_like(source.scale), np.zeros_like(source.scale)]
    )  # scale and shift of standardised columns
    weights = head.weights * source.scale  # (c, d), of those
    first, second, read = np.zeros_like(affine), np.zeros_like(affine), []
    for step, rows in enumerate(batches(x, batch), 1):
        z = source.standardized(by_statistics(rows, source))
        logits = head.logits((z * affine[0] + affine[1]) * source.scale + source.center)
        read.append(logits)
        slope = entropy_slope(logits) @ weights / len(z)  # (b, d)
        gradient = np.stack([(slope * z).sum(axis=0), slope.sum(axis=0)])
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        affine = affine - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return np.concatenate(read)


def batches(x: np.ndarray, size: int) -> list[np.ndarray]:
    """The rows in their order, in batches of about this size, all alike: a last one of a few rows has no statistics."""
    return np.array_split(x, max(1, round(len(x) / size)))


def entropy_slope(logits: np.ndarray) -> np.ndarray:
    """The derivative of the entropy H of each row's softmax p with respect to its logits, (m, c): -p (log p + H)."""
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    return -p * (log_p - (p * log_p).sum(axis=1, keepdims=True))


def histogram_entropy(answers: np.ndarray, classes: int) -> float:
    """The entropy of how often each class is answered: 1 where all alike, 0 where there is one answer only."""
    share = np.bincount(answers, minlength=classes) / len(answers)
    return abs(float((share[share > 0] * np.log(share[share > 0])).sum() / np.log(classes)))


def covariance_power(x: np.ndarray, exponent: float, ridge: float = RIDGE) -> np.ndarray:
    """(C + ridge)^exponent of the covariance C of rows (n, d), (d, d); of fewer rows than columns in the time of those."""
    rows = (x - x.mean(axis=0)) / np.sqrt(max(1, len(x) - 1))
    if len(x) > x.shape[1]:
        variances, directions = np.linalg.eigh(rows.T @ rows)
        return (directions * (np.maximum(variances, 0) + ridge) ** exponent) @ directions.T
    _, singular, directions = np.linalg.svd(rows, full_matrices=False)
    along = (singular**2 + ridge) ** exponent - ridge**exponent
    return ridge**exponent * np.eye(x.shape[1]) + (directions.T * along) @ directions
