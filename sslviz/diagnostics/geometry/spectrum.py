"""How many directions does it use?  The spectrum of the features, beside that of Gaussian noise of the same shape.

Everything here is read from `Moments`, added up once: no singular value decomposition, and never all rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from sslviz.diagnostics.geometry.eigenvectors import Directions
from sslviz.diagnostics.geometry.moments import Moments, grouped, noise_spectra
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval

GROUPS = 10  # of rows, left out one at a time: enough for an interval, few enough to stay cheap
RANKME_EPS = 1e-7  # the paper's
FIRST_RANK, LAST_RANK = 6, 100  # where alpha-ReQ fits its line
FEWEST_RANKS = 5  # for a line worth the name


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
    """How fast does the spectrum decay?  `alpha` of eigenvalue ~ rank^-alpha, `r2`, and the ranks `first`, `last`.

    alpha-ReQ (arXiv 2202.05808): least squares in log-log with weights 1 / rank, from rank 6 to 100, but not into the
    lower half of the spectrum, which the number of rows bends down.  NaN where that leaves fewer than 5 ranks.

    Caveat: It only means something where the line fits: look at its R^2 and at the spectrum.
    """
    last = min(LAST_RANK, int((eigenvalues > 0).sum()) // 2)
    if last - FIRST_RANK + 1 < FEWEST_RANKS:
        return {"alpha": np.nan, "r2": np.nan, "first": float(FIRST_RANK), "last": float(last)}
    alpha, r2 = _line(eigenvalues, last)
    return {"alpha": alpha, "r2": r2, "first": float(FIRST_RANK), "last": float(last)}


def _line(eigenvalues: np.ndarray, last: int) -> tuple[float, float]:
    """Slope and R^2 of log eigenvalue by log rank, up to the rank `last`."""
    rank = np.arange(FIRST_RANK, last + 1)
    x, y, weight = np.log(rank), np.log(eigenvalues[rank - 1]), 1 / rank / (1 / rank).sum()
    x, y = x - weight @ x, y - weight @ y
    covariance, spread, height = weight @ (x * y), weight @ x**2, weight @ y**2
    return float(-covariance / spread), float(covariance**2 / (spread * height)) if height > 0 else np.nan


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How many directions are in use?

    `singular_values` (min(n, d),) are those of the uncentred features and `eigenvalues` those of their covariance,
    descending; `noise_*` the same of Gaussian noise of the same n and d, scaled to the same sum of squares, so that
    they can be drawn together.  `std` is the mean per-dimension standard deviation at row length one, `noise_std`
    1 / sqrt(d); `dimension_std` (d,) those of the rows as they are.  `alpha_fit` is `power_law` of the eigenvalues.
    `replicates` {score: (10,)} are the scores without one tenth of the images at a time: of the same images and seed
    they leave out the same ones, and can be paired; `images` (`Features.images`) says whether they are the same.
    """

    images: str
    n: int
    d: int
    singular_values: np.ndarray
    eigenvalues: np.ndarray
    noise_singular_values: np.ndarray
    noise_eigenvalues: np.ndarray
    std: float
    noise_std: float
    dimension_std: np.ndarray
    alpha_fit: dict[str, float]
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """All numbers beside what noise reads; a ceiling, which a structured space is not expected to pass."""
        values = _numbers(self.singular_values, self.eigenvalues, self.std)
        noise = _numbers(self.noise_singular_values, self.noise_eigenvalues, self.noise_std)
        scores = {}
        for name, value in values.items():
            if not np.isfinite(value):  # alpha, of a spectrum too short to fit
                continue
            low, high = jackknife_interval(value, self.replicates.get(name, np.empty(0)))
            better = None if name == "alpha" else True
            scores[name] = Score(value, low, high, {"noise": noise[name]}, better, control_is="ceiling")
        return scores

    @property
    def directions(self) -> int:
        """Of the d directions, how many are in use: the effective rank of the centred features, rounded."""
        return round(effective_rank(np.sqrt(self.eigenvalues)))


def spectrum(features: Features, *, seed: int = 0) -> Spectrum:
    """How many directions does it use?

    Scores: `rankme` (arXiv 2210.02885; singular values of the uncentred features, eps 1e-7), `effective_rank` (Roy &
    Vetterli 2007; the same entropy of the centred features, without eps), `stable_rank` and `participation_ratio` (of
    the covariance), each in [0, min(n, d)]; `alpha` (alpha-ReQ, arXiv 2202.05808; see `power_law`) and `std`
    (SimSiam, arXiv 2011.10566; in [0, 1 / sqrt(d)]).  Control: Gaussian noise of the same n and d, drawn with `seed`.
    Intervals: delete-group jackknife over ten random groups of images, at this n (none below 20 images).  Ranks grow
    with n: compare spaces at the same n.  Features may be a memory map; they are read once.  ValueError for fewer
    than two rows.

    Caveat: A high rank is necessary, not sufficient: noise has the highest of all, and ranks may only be compared
    between encoders of the same width on the same images.
    """
    n, d = features.x.shape
    if n < 2:
        raise ValueError(f"A spectrum needs at least 2 images to differ from each other; got {n}. Embed more images.")
    parts = grouped(features.x, delete_groups(n, GROUPS, seed))
    whole = reduce(add, parts)
    gram = whole.gram
    raw, centred = (Directions.of(products, n, gram.trace()) for products in (gram, whole.scatter))
    singular_values, eigenvalues = np.sqrt(raw.sizes), centred.sizes / (n - 1)
    noise_raw, noise_centred = noise_spectra(n, d, np.random.default_rng(seed))
    fit = power_law(eigenvalues)
    return Spectrum(
        images=features.images,
        n=n,
        d=d,
        singular_values=singular_values,
        eigenvalues=eigenvalues,
        noise_singular_values=noise_raw * np.sqrt(raw.sizes.sum() / (noise_raw**2).sum() or 1.0),
        noise_eigenvalues=noise_centred * (eigenvalues.sum() / noise_centred.sum() or 1.0),
        std=whole.std,
        noise_std=1 / np.sqrt(d),
        dimension_std=np.sqrt(whole.scatter.diagonal() / (n - 1)),
        alpha_fit=fit,
        replicates=_without_each(parts, whole, raw, centred, int(fit["last"])) if len(parts) > 1 else {},
    )


def _numbers(singular_values: np.ndarray, eigenvalues: np.ndarray, std: float) -> dict[str, float]:
    return {
        "rankme": effective_rank(singular_values, eps=RANKME_EPS),
        "effective_rank": effective_rank(np.sqrt(eigenvalues)),
        "stable_rank": stable_rank(eigenvalues),
        "participation_ratio": participation_ratio(eigenvalues),
        "alpha": power_law(eigenvalues)["alpha"],
        "std": std,
    }


def _without_each(
    parts: list[Moments], whole: Moments, raw: Directions, centred: Directions, last: int
) -> dict[str, np.ndarray]:
    """The numbers without each part of the rows in turn, {name: (parts,)}.

    The ranks by entropy to first order, the leading eigenvalues by Rayleigh and Ritz, all else as it is: of one
    eigendecomposition, where one for each part would take ten times as long for the same intervals.
    """
    numbers = _numbers(np.sqrt(raw.sizes), centred.sizes, whole.std)
    raw_slope, slope = raw.rank_slope(RANKME_EPS), centred.rank_slope()
    found = []
    for part in parts:
        rest = whole - part
        leading, total = centred.leading(rest.scatter, LAST_RANK), rest.scatter.trace()
        varies = centred.sizes[0] > 0 and leading[0] > 0
        fits = varies and np.isfinite(numbers["alpha"]) and leading[last - 1] > 0
        # A rank depends on shares only: what all sizes have lost in common, rows, is made good first.
        of_mean = rest.n * rest.mean @ raw_slope @ rest.mean
        raw_change = (np.vdot(raw_slope, rest.scatter) + of_mean) * whole.n / rest.n
        change = np.vdot(slope, rest.scatter) * (whole.n - 1) / (rest.n - 1)
        found.append({
            "rankme": numbers["rankme"] * np.exp(raw_change),
            "effective_rank": numbers["effective_rank"] * np.exp(change),
            "stable_rank": total / leading[0] if varies else 0.0,
            "participation_ratio": total**2 / np.vdot(rest.scatter, rest.scatter) if varies else 0.0,
            "alpha": _line(leading, last)[0] if fits else np.nan,
            "std": rest.std,
        })  # fmt: skip
    return {name: np.array([row[name] for row in found]) for name in numbers}
