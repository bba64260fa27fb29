"""Has it collapsed?  The spectrum of the features, beside that of Gaussian noise of the same shape.

Everything here is read from one small state, `Moments`, that is added up in float64 and never needs all rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np

from sslviz.features import Features
from sslviz.scores import Score, jackknife_interval

BLOCK = 2**22  # numbers read at a time: 32 MB in float64
GROUPS = 10  # of rows, left out one at a time: enough for an interval, few enough to stay cheap
FIRST_RANK, LAST_RANK = 6, 100  # where alpha-ReQ fits its line
FEWEST_RANKS = 8  # for a line worth the name
# Where the words begin.  Measured on planted spaces, see tests/diagnostics/test_collapse.py.
LEAST_SPREAD = 0.02  # of the isotropic std: below, images share more than 99.96 % of their squared length
LEAST_SHARE = 0.1  # of the directions that noise uses
FEW_DIRECTIONS = 3  # that hold all but the whole variance


@dataclass(frozen=True)
class Moments:
    """What must be kept of the rows to know their spectrum?  Float64 sums; states of different rows are added with `+`.

    `n` rows, `mean` (d,) and `scatter` (d, d), the sum of outer products about the mean; `unit_mean` and `unit_scatter`
    (d,) are the same, per dimension, for the rows at length one.
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


def effective_rank(values: np.ndarray, *, eps: float = 0.0) -> float:
    """Over how many directions do these sizes spread?  exp(entropy of values / sum + eps), in [0, len(values)].

    With eps = 0 on singular values: Roy & Vetterli 2007.  With eps = 1e-7 on those of the uncentred features: RankMe
    (arXiv 2210.02885).  0 if all values are 0.

    Caveat: It counts directions, not information: noise of any kind has a high rank.
    """
    total = values.sum()
    if total == 0:
        return 0.0
    p = values / total + eps
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def stable_rank(eigenvalues: np.ndarray) -> float:
    """How many times the leading direction's variance is there in all?  sum / largest, in [0, d]; also called NESum.

    Caveat: One dominant direction makes it 1, whatever the others hold.
    """
    return float(eigenvalues.sum() / eigenvalues[0]) if eigenvalues[0] > 0 else 0.0


def participation_ratio(eigenvalues: np.ndarray) -> float:
    """Over how many directions does the variance spread?  (sum)^2 / sum of squares, in [0, d].

    Caveat: It follows the few largest directions and hardly sees a long tail of small ones.
    """
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()) if eigenvalues[0] > 0 else 0.0


def power_law(eigenvalues: np.ndarray) -> dict[str, float]:
    """How fast does the spectrum decay?  alpha of eigenvalue ~ rank^-alpha, with its `r2` and the fitted ranks `first`..`last`.

    alpha-ReQ (arXiv 2202.05808): least squares in log-log with weights 1 / rank, from rank 6 to 100, but not into the lower
    half of the spectrum, which the number of rows bends down.  NaN where that leaves fewer than 8 ranks.

    Caveat: It only means something where the line fits: look at its R^2 and at the spectrum.
    """
    last = min(LAST_RANK, int((eigenvalues > 0).sum()) // 2)
    fit = {"alpha": np.nan, "r2": np.nan, "first": float(FIRST_RANK), "last": float(last)}
    if last - FIRST_RANK + 1 < FEWEST_RANKS:
        return fit
    rank = np.arange(FIRST_RANK, last + 1)
    x, y, weight = np.log(rank), np.log(eigenvalues[rank - 1]), 1 / rank / (1 / rank).sum()
    x, y = x - weight @ x, y - weight @ y
    covariance, spread, height = weight @ (x * y), weight @ x**2, weight @ y**2
    r2 = float(covariance**2 / (spread * height)) if height > 0 else np.nan
    return fit | {"alpha": float(-covariance / spread), "r2": r2}


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How many directions are in use, and is that a collapse?

    `singular_values` are those of the uncentred features, `eigenvalues` those of their covariance, descending, min(n, d) of
    each; `noise_*` the same of Gaussian noise of the same n and d, scaled to the same sum of squares, so that they can be
    drawn together.  `std` is the mean per-dimension standard deviation at row length one; `noise_std` is 1 / sqrt(d).
    `alpha_fit` says over which ranks alpha was fitted and how well (r2).  `replicates` {score: (10,)} are the scores without
    one tenth of the images at a time; results of the same images and seed leave out the same ones and can be paired.
    """

    n: int
    d: int
    singular_values: np.ndarray
    eigenvalues: np.ndarray
    noise_singular_values: np.ndarray
    noise_eigenvalues: np.ndarray
    std: float
    noise_std: float
    alpha_fit: dict[str, float]
    replicates: dict[str, np.ndarray]

    def scores(self) -> dict[str, Score]:
        """All numbers beside what noise reads; a ceiling, which a structured space is not expected to pass."""
        values = _numbers(self.singular_values, self.eigenvalues, self.std)
        noise = _numbers(self.noise_singular_values, self.noise_eigenvalues, self.noise_std)
        return {
            name: Score(
                value,
                *jackknife_interval(value, self.replicates.get(name, np.empty(0))),
                controls={"noise": noise[name]},
                higher_is_better=None if name == "alpha" else True,
                control_is="ceiling",
            )
            for name, value in values.items()
        }

    @property
    def directions(self) -> int:
        """Of the d directions, how many are in use: the effective rank of the centred features, rounded."""
        return round(effective_rank(np.sqrt(self.eigenvalues)))

    @property
    def verdict(self) -> str:
        """"healthy", "dimensional collapse" or "complete collapse", judged against noise of the same shape."""
        return self._judged[0]

    @property
    def reasons(self) -> list[str]:
        """The sentences that led to the verdict, numbers included."""
        return self._judged[1]

    @property
    def _judged(self) -> tuple[str, list[str]]:
        noise = effective_rank(np.sqrt(self.noise_eigenvalues))
        used = effective_rank(np.sqrt(self.eigenvalues))
        dominant = participation_ratio(self.eigenvalues)
        spread = self.std / self.noise_std
        varies = (
            f"Once scaled to length one, the features vary {spread:.2g} times as much from image to image "
            "as directions at random do."
        )
        uses = f"{self.directions} of {self.d} directions are in use; noise of the same shape would use {noise:.0f}."
        holds = f"All but the whole variance lies in {max(1, round(dominant))} direction{'s' * (round(dominant) > 1)}."
        if spread < LEAST_SPREAD or not self.eigenvalues.any():
            return "complete collapse", [varies]
        if used < LEAST_SHARE * noise:
            return "dimensional collapse", [uses, varies]
        if dominant < FEW_DIRECTIONS and used < 3 * LEAST_SHARE * noise:
            return "dimensional collapse", [holds, uses]
        return "healthy", [uses, varies]


def spectrum(features: Features, *, seed: int = 0) -> Spectrum:
    """How many directions does it use, and has it collapsed?

    Scores: `rankme` (arXiv 2210.02885; singular values of the uncentred features, eps 1e-7), `effective_rank` (Roy &
    Vetterli 2007; the same entropy of the centred features, without eps), `stable_rank` and `participation_ratio` (of the
    covariance), each in [0, min(n, d)]; `alpha` (alpha-ReQ, arXiv 2202.05808; see `power_law`) and `std` (SimSiam,
    arXiv 2011.10566; in [0, 1 / sqrt(d)]).  Their control is Gaussian noise of the same n and d, drawn with `seed`.
    Intervals: delete-group jackknife over ten random groups of images, at this n (none below 20 images).  Ranks grow with n:
    compare spaces at the same n.  Features may be a memory map; they are read once.  ValueError for fewer than two rows.

    Caveat: A high rank is necessary, not sufficient: noise has the highest of all, and ranks may only be compared between
    encoders of the same width on the same images.
    """
    n, d = features.x.shape
    if n < 2:
        raise ValueError(f"A spectrum needs at least 2 images to differ from each other; got {n}. Embed more images.")
    rng = np.random.default_rng(seed)
    groups = list(_grouped(features.x, rng))
    whole = reduce(add, groups)
    noise_raw, noise_centred = _noise(n, d, rng).spectra
    raw, centred = whole.spectra
    replicates = [_numbers(*rest.spectra, rest.std) for rest in _left_out(groups)]
    return Spectrum(
        n=n,
        d=d,
        singular_values=raw,
        eigenvalues=centred,
        noise_singular_values=noise_raw * np.sqrt((raw**2).sum() / (noise_raw**2).sum() or 1.0),
        noise_eigenvalues=noise_centred * (centred.sum() / noise_centred.sum() or 1.0),
        std=whole.std,
        noise_std=1 / np.sqrt(d),
        alpha_fit=power_law(centred),
        replicates={name: np.array([r[name] for r in replicates]) for name in (replicates[0] if replicates else ())},
    )


def _numbers(singular_values: np.ndarray, eigenvalues: np.ndarray, std: float) -> dict[str, float]:
    return {
        "rankme": effective_rank(singular_values, eps=1e-7),
        "effective_rank": effective_rank(np.sqrt(eigenvalues)),
        "stable_rank": stable_rank(eigenvalues),
        "participation_ratio": participation_ratio(eigenvalues),
        "alpha": power_law(eigenvalues)["alpha"],
        "std": std,
    }


def _grouped(x: np.ndarray, rng: np.random.Generator) -> Iterator[Moments]:
    """The states of GROUPS random groups of rows (of all rows as one, where there are too few to group).

    Groups are drawn block by block: rows lie in the order of their class often enough that every tenth will not do.
    """
    if len(x) < 2 * GROUPS:
        yield Moments.of(x)
        return
    group = rng.permutation(len(x)) % GROUPS
    step = max(1, BLOCK // x.shape[1])
    states: list[Moments | None] = [None] * GROUPS
    for start in range(0, len(x), step):
        rows, block = group[start : start + step], x[start : start + step]
        for g in np.unique(rows):
            part = Moments.of(block[rows == g])
            states[g] = part if (state := states[g]) is None else state + part
    yield from (state for state in states if state is not None)


def _left_out(groups: list[Moments]) -> Iterator[Moments]:
    """The state of all rows but one group's, for each group; nothing for a single group."""
    for g in range(len(groups) if len(groups) > 1 else 0):
        yield reduce(add, groups[:g] + groups[g + 1 :])


def _noise(n: int, d: int, rng: np.random.Generator) -> Moments:
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
