"""Margins of an association test: mean cosines of classes to attribute values, their shufflings and their bootstrap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sslviz.statistics import bootstrap_group_means
from sslviz.statistics.shuffling import chunks, permuted


def value_directions(bank: np.ndarray, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each value, the mean of its images less that of the others', (v, d); every class counts the same."""
    v = values.max() + 1
    means = np.zeros((v, bank.shape[1]))
    for value in range(v):  # cell by cell, so that a class that is frequent with a value does not stand for it
        cells = [bank[(values == value) & (codes == c)] for c in np.unique(codes[values == value])]
        means[value] = np.mean([cell.mean(axis=0, dtype=np.float64) for cell in cells], axis=0)
    return _minus_others(means, axis=0)


def class_margins(leaning: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """How much more each class leans than all other images do, (c, v)."""
    counts = np.bincount(codes)
    sums = np.stack([leaning[codes == c].sum(axis=0) for c in range(len(counts))])
    return minus_rest(sums, leaning.sum(axis=0), counts)


def minus_rest(sums: np.ndarray, total: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of each class less that of all other images, from sums (..., c, v)."""
    size = counts[:, None]
    return sums / size - (total - sums) / (counts.sum() - size)


def shuffled_margins(
    unit: np.ndarray,
    codes: np.ndarray,
    bank: np.ndarray,
    bank_codes: np.ndarray,
    bank_values: np.ndarray,
    draws: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """The margins (b, c, v) with the attribute shuffled within each class, a chunk at a time.

    A margin is the product of a direction of the classes with one of the attribute, so images are projected first.
    """
    rng = np.random.default_rng([seed, 1])
    c, v = codes.max() + 1, bank_values.max() + 1
    toward = bank @ class_margins(unit, codes).T  # (m, c)
    table = np.zeros((bank_codes.max() + 1, v), int)
    np.add.at(table, (bank_codes, bank_values), 1)
    for b in chunks(draws, toward.size):
        means = np.zeros((b, v, c))
        for group, counts in enumerate(table):
            present = counts > 0
            starts = np.r_[0, np.cumsum(counts[present])[:-1]]
            sums = np.add.reduceat(permuted(toward[bank_codes == group], b, rng), starts, axis=1)
            means[:, present] += sums / counts[present][:, None]
        yield _minus_others(means / (table > 0).sum(axis=0)[:, None], axis=1).swapaxes(1, 2)


def bootstrap_ends(leaning: np.ndarray, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of 95 % intervals of margins and effects, (2, c, v) each; images are drawn within each class."""
    v, n, counts = leaning.shape[1], len(codes), np.bincount(codes)
    moments = bootstrap_group_means(np.concatenate([leaning, leaning**2], axis=1).T, codes, seed=seed)  # (b, 2v, c)
    sums = moments.swapaxes(1, 2) * counts[:, None]  # (b, c, 2v)
    total, squares = sums[:, :, :v].sum(axis=1), sums[:, :, v:].sum(axis=1)
    spread = np.sqrt(np.maximum(squares - total**2 / n, 1e-18) / (n - 1))
    margins = minus_rest(sums[:, :, :v], total[:, None], counts)
    low, high = np.quantile(np.stack([margins, margins / spread[:, None]]), [0.025, 0.975], axis=1)
    return low, high


def _minus_others(means: np.ndarray, axis: int) -> np.ndarray:
    """Each mean (..., v, ...) less the mean of the others along this axis."""
    v = means.shape[axis]
    return (means - means.mean(axis=axis, keepdims=True)) * (v / (v - 1))
