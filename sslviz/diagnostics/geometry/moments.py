"""Moments of the features, from which their spectrum is read: a small state, added up in float64 block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROWS = 8192  # read at a time; a tenth of them, the members of one group, in float64


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and scatter of rows, in float64; the moments of different rows add up.

    - n: how many rows
    - mean: (d,)
    - scatter: (d, d), the sum of outer products about the mean
    - unit_mean, unit_scatter: (d,), mean and sum of squares about it per dimension, of the rows at length one
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray
    unit_mean: np.ndarray
    unit_scatter: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Moments:
        """The moments of the rows of `x` (n, d), read a block at a time, so that a memory map of any length streams."""
        return grouped(x, np.zeros(len(x), dtype=int))[0]

    def __add__(self, other: Moments) -> Moments:
        """The moments of the rows of both, by Chan's formula: exact in any order, unlike a sum of squares."""
        return self._with(other, 1)

    def __sub__(self, part: Moments) -> Moments:
        """The moments of the rows without those of `part`, which must be some of them, not all."""
        return self._with(part, -1)

    def _with(self, other: Moments, sign: int) -> Moments:
        n = self.n + sign * other.n
        shift, unit_shift = other.mean - self.mean, other.unit_mean - self.unit_mean
        share, weight = sign * other.n / n, sign * self.n * other.n / n
        scatter = np.multiply.outer(shift, shift * weight)
        scatter += self.scatter
        (np.add if sign > 0 else np.subtract)(scatter, other.scatter, out=scatter)
        return Moments(
            n,
            self.mean + shift * share,
            scatter,
            self.unit_mean + unit_shift * share,
            np.maximum(self.unit_scatter + sign * other.unit_scatter + unit_shift**2 * weight, 0),
        )

    @property
    def gram(self) -> np.ndarray:
        """The sum of outer products of the rows as they are, (d, d)."""
        return self.scatter + np.multiply.outer(self.mean, self.n * self.mean)

    @property
    def std(self) -> float:
        """Mean over dimensions of the standard deviation of the rows at length one (SimSiam, arXiv 2011.10566)."""
        return float(np.sqrt(self.unit_scatter / self.n).mean())


def grouped(x: np.ndarray, group: np.ndarray) -> list[Moments]:
    """The moments of each group of rows, by the numbers in `group` (n,); `x` (n, d) is read once, in order.

    It holds a d x d matrix for each group: 34 MB each at 2,048 dimensions.
    """
    sums: dict[int, _Sums] = {}
    for start in range(0, len(x), ROWS):
        block, members = x[start : start + ROWS], group[start : start + ROWS]
        if not sums:
            near = _Sums.near(block)
        for g in map(int, np.unique(members)):
            sums.setdefault(g, near.fresh()).add(np.array(block[members == g], dtype=np.float64, order="C"))
    return [sums.pop(g).moments() for g in sorted(sums)]  # each makes room for the next


class _Sums:
    """Sums about a point near the mean, where they lose no digits; they are centred once, at the end."""

    def __init__(self, point: np.ndarray, unit_point: np.ndarray) -> None:
        d = len(point)
        self.point, self.unit_point, self.n = point, unit_point, 0
        self.total, self.unit_total, self.unit_squares = np.zeros(d), np.zeros(d), np.zeros(d)
        self.products = np.zeros((d, d), order="F")  # the lower triangle

    @classmethod
    def near(cls, x: np.ndarray) -> _Sums:
        """About the mean of these rows."""
        x = x.astype(np.float64)
        return cls(x.mean(axis=0), (x / _lengths(x)[:, None]).mean(axis=0))

    def fresh(self) -> _Sums:
        """About the same point, and empty."""
        return _Sums(self.point, self.unit_point)

    def add(self, x: np.ndarray) -> None:
        """Adds rows of float64, which are overwritten."""
        from scipy.linalg.blas import dsyrk

        scale = 1 / _lengths(x)[:, None]
        x -= self.point
        self.n += len(x)
        self.total += x.sum(axis=0)
        self.products = dsyrk(1.0, x.T, beta=1.0, c=self.products, lower=1, overwrite_c=1)
        x += self.point  # in place, since allocating a second block takes as long as its sums
        x *= scale
        x -= self.unit_point
        self.unit_total += x.sum(axis=0)
        self.unit_squares += np.einsum("nd,nd->d", x, x)

    def moments(self) -> Moments:
        shift, unit_shift = self.total / self.n, self.unit_total / self.n
        scatter = self.products + self.products.T  # of a triangle: its diagonal twice
        scatter[np.diag_indices_from(scatter)] /= 2
        scatter -= np.multiply.outer(shift, self.n * shift)
        unit_scatter = np.maximum(self.unit_squares - self.n * unit_shift**2, 0)
        return Moments(self.n, self.point + shift, scatter, self.unit_point + unit_shift, unit_scatter)


def _lengths(x: np.ndarray) -> np.ndarray:
    """The lengths of the rows, (n,); 1 for a row of zeros, which is to stay as it is."""
    lengths = np.sqrt(np.einsum("nd,nd->n", x, x))
    return np.where(lengths == 0, 1, lengths)


def noise_spectra(n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum of n rows of N(0, I_d): singular values, and eigenvalues of the covariance, descending.

    Drawn without the rows: the spectrum of a bidiagonal matrix of chi variables has the same distribution (Dumitriu &
    Edelman 2002).  The two are drawn independently, so they do not interlace as those of one matrix would.
    """
    centred = np.zeros(min(n, d))  # n rows about their mean are n - 1 rows of noise
    centred[: min(n - 1, d)] = _wishart(n - 1, d, rng) / (n - 1)
    return np.sqrt(_wishart(n, d, rng)), centred


def _wishart(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.linalg import eigvalsh_tridiagonal

    few, many = min(n, d), max(n, d)
    diagonal, below = rng.chisquare(many - np.arange(few)), rng.chisquare(np.arange(few - 1, 0, -1))
    off = np.sqrt(diagonal[:-1] * below)
    diagonal[1:] += below
    return np.maximum(eigvalsh_tridiagonal(diagonal, off), 0)[::-1]
