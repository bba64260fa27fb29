"""What must be kept of the features to know their spectrum?  A small state, added up in float64 block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np

BLOCK = 2**22  # numbers read at a time: 32 MB in float64


@dataclass(frozen=True, eq=False)
class Moments:
    """What must be kept of the rows to know their spectrum?  Sums in float64; states of different rows add up.

    `n` rows, `mean` (d,) and `scatter` (d, d), the sum of outer products about the mean; `unit_mean` and
    `unit_scatter` (d,) are the same, per dimension, for the rows at length one.
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray
    unit_mean: np.ndarray
    unit_scatter: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Moments:
        """The state of the rows of `x` (n, d), read a block at a time: a memory map of any length streams."""
        step = max(1, BLOCK // x.shape[1])
        return reduce(add, (cls._block(x[start : start + step]) for start in range(0, len(x), step)))

    @classmethod
    def _block(cls, x: np.ndarray) -> Moments:
        x = x.astype(np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", x, x))
        unit = x / np.where(norms == 0, 1, norms)[:, None]
        mean, unit_mean = x.mean(axis=0), unit.mean(axis=0)
        x -= mean
        unit -= unit_mean
        return cls(len(x), mean, x.T @ x, unit_mean, np.einsum("nd,nd->d", unit, unit))

    def __add__(self, other: Moments) -> Moments:
        """The state of the rows of both (Chan's formula): exact in any order, which a sum of squares is not."""
        n = self.n + other.n
        shift, unit_shift = other.mean - self.mean, other.unit_mean - self.unit_mean
        weight = self.n * other.n / n
        return Moments(
            n,
            self.mean + shift * (other.n / n),
            self.scatter + other.scatter + np.outer(shift, shift) * weight,
            self.unit_mean + unit_shift * (other.n / n),
            self.unit_scatter + other.unit_scatter + unit_shift**2 * weight,
        )

    @cached_property
    def spectra(self) -> tuple[np.ndarray, np.ndarray]:
        """Singular values of the rows as they are, and eigenvalues of their covariance; descending, min(n, d) each.

        What float32 rounding of the rows, or float64 rounding of the sums, could have made is set to 0.
        """
        gram = self.scatter + self.n * np.outer(self.mean, self.mean)
        kept = min(self.n, len(self.mean))
        total = np.trace(gram)
        rounding = max(
            total / kept * np.finfo(np.float32).eps ** 2,
            total * len(self.mean) * np.finfo(np.float64).eps,
        )
        raw, centred = (np.linalg.eigvalsh(matrix)[::-1][:kept] for matrix in (gram, self.scatter))
        raw, centred = (np.where(values > rounding, values, 0.0) for values in (raw, centred))
        return np.sqrt(raw), centred / max(1, self.n - 1)

    @property
    def std(self) -> float:
        """Mean over dimensions of the standard deviation of the rows at length one (SimSiam, arXiv 2011.10566)."""
        return float(np.sqrt(self.unit_scatter / self.n).mean())


def grouped(x: np.ndarray, groups: int, rng: np.random.Generator) -> list[Moments]:
    """The states of `groups` random groups of the rows of `x` (n, d), which is read once, a block at a time.

    At random: rows lie in the order of their class often enough that every tenth would not do.
    """
    group = rng.permutation(len(x)) % groups
    step = max(1, BLOCK // x.shape[1])
    states: dict[int, Moments] = {}
    for start in range(0, len(x), step):
        members, block = group[start : start + step], x[start : start + step]
        for g in map(int, np.unique(members)):
            part = Moments.of(block[members == g])
            states[g] = states[g] + part if g in states else part
    return list(states.values())


def noise_moments(n: int, d: int, rng: np.random.Generator) -> Moments:
    """The state of n rows of N(0, I_d), without drawing them: its mean is normal and its scatter Wishart(n - 1).

    A Wishart matrix is A A^T with A lower triangular, chi on the diagonal and normal below (Bartlett 1933).
    """
    free = n - 1
    if free < d:
        rows = rng.standard_normal((free, d))
        scatter = rows.T @ rows
    else:
        root = np.tril(rng.standard_normal((d, d)), -1)
        root[np.diag_indices(d)] = np.sqrt(rng.chisquare(free - np.arange(d)))
        scatter = root @ root.T
    return Moments(n, rng.standard_normal(d) / np.sqrt(n), scatter, np.zeros(d), np.full(d, n / d))
