"""How many directions does it use?  The spectrum of the features, beside that of Gaussian noise of the same shape.

Everything is read from `Moments`, which are added up once: no singular value decomposition, never all rows in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from sslviz.diagnostics.geometry.eigenvectors import Eigenvectors
from sslviz.diagnostics.geometry.moments import Moments, grouped, noise_spectra
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval

RANKME_EPS = 1e-7  # the paper's
FIRST_RANK, LAST_RANK = 6, 100  # where alpha-ReQ fits its line
MIN_RANKS = 5  # for a line through them


def effective_rank(values: np.ndarray, *, eps: float = 0.0) -> float:
    """The effective rank exp(H(p)) of p = values / sum + eps, with H the entropy; in [0, len(values)].

    With eps = 0 on singular values it is that of Roy & Vetterli 2007; with eps = 1e-7 on those of the uncentred features
    it is RankMe (arXiv 2210.02885).  0 if all values are 0.
    """
    total = values.sum()
    if total == 0:
        return 0.0
    p = values / total + eps
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def stable_rank(eigenvalues: np.ndarray) -> float:
    """The stable rank (NESum) of eigenvalues, descending: sum / largest, in [0, d].  A dominant direction makes it 1."""
    return float(eigenvalues.sum() / eigenvalues[0]) if eigenvalues[0] > 0 else 0.0


def participation_ratio(eigenvalues: np.ndarray) -> float:
    """The participation ratio of eigenvalues, descending: (sum)^2 / sum of squares, in [0, d].

    It follows the few largest eigenvalues and hardly sees a long tail of small ones.
    """
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()) if eigenvalues[0] > 0 else 0.0


def power_law(eigenvalues: np.ndarray) -> dict[str, float]:
    """The decay `alpha` of eigenvalue ~ rank^-alpha, its `r2`, and the ranks `first` and `last` of the fit.

    alpha-ReQ (arXiv 2202.05808): least squares in log-log with weights 1 / rank, from rank 6 to 100.  The lower half of
    the spectrum is left out, since the number of rows bends it down.  NaN where that leaves fewer than 5 ranks.
    """
    last = min(LAST_RANK, int((eigenvalues > 0).sum()) // 2)
    if last - FIRST_RANK + 1 < MIN_RANKS:
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
    """The spectrum of `n` rows in `d` dimensions, beside that of noise.

    - images: `Features.images`; spectra of the same images and seed can be paired
    - singular_values: of the uncentred features, (min(n, d),), descending
    - eigenvalues: of their covariance, (min(n, d),), descending
    - noise_singular_values, noise_eigenvalues: of Gaussian noise of the same n and d, scaled to the same sum of squares,
      so that they can be drawn together
    - std: mean per-dimension standard deviation at row length one
    - noise_std: what noise reads there, 1 / sqrt(d)
    - dimension_std: standard deviations (d,) of the rows as they are
    - alpha_fit: `power_law` of the eigenvalues
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time
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
    def directions_in_use(self) -> int:
        """How many of the d directions are in use: the effective rank of the centred features, rounded."""
        return round(effective_rank(np.sqrt(self.eigenvalues)))


def spectrum(features: Features, *, seed: int = 0) -> Spectrum:
    """How many directions does it use?

    Scores:
    - `rankme` in [0, min(n, d)]: of the singular values of the uncentred features, eps 1e-7 (arXiv 2210.02885)
    - `effective_rank` in [0, min(n, d)]: of the centred features, without eps (Roy & Vetterli 2007)
    - `stable_rank` and `participation_ratio` in [0, min(n, d)]: of the covariance
    - `alpha`: the decay of the eigenvalues, see `power_law` (alpha-ReQ, arXiv 2202.05808)
    - `std` in [0, 1 / sqrt(d)]: per dimension, at row length one (SimSiam, arXiv 2011.10566)

    Control: Gaussian noise of the same n and d, drawn with `seed`.  Intervals: delete-group jackknife over ten random
    groups of images, at this n (none below 20 images).  Ranks grow with n: compare spaces at the same n.  Features may
    be a memory map; they are read once.  ValueError for fewer than two rows.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(200, 8)) * [1, 1, 0, 0, 0, 0, 0, 0]  # two of eight directions
        >>> result = sslviz.spectrum(sslviz.Features.from_array(x))
        >>> result.directions_in_use, result.d
        (2, 8)

    Caveat: A high rank is necessary, not sufficient: noise has the highest of all, and ranks may only be compared
    between encoders of the same width on the same images.
    """
    n, d = features.x.shape
    if n < 2:
        raise ValueError(f"A spectrum needs at least 2 images to differ from each other; got {n}. Embed more images.")
    parts = grouped(features.x, delete_groups(n, seed=seed))
    whole = reduce(add, parts)
    gram = whole.gram
    raw, centred = (Eigenvectors.of(products, n, gram.trace()) for products in (gram, whole.scatter))
    singular_values, eigenvalues = np.sqrt(raw.values), centred.values / (n - 1)
    noise_raw, noise_centred = noise_spectra(n, d, np.random.default_rng(seed))
    fit = power_law(eigenvalues)
    return Spectrum(
        images=features.images,
        n=n,
        d=d,
        singular_values=singular_values,
        eigenvalues=eigenvalues,
        noise_singular_values=noise_raw * np.sqrt(raw.values.sum() / (noise_raw**2).sum() or 1.0),
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
    parts: list[Moments], whole: Moments, raw: Eigenvectors, centred: Eigenvectors, last: int
) -> dict[str, np.ndarray]:
    """The numbers without each part of the rows in turn, {name: (parts,)}.

    All are read from one eigendecomposition: ranks by entropy to first order, leading eigenvalues by Rayleigh and Ritz.
    One for each part would take ten times as long for the same intervals.
    """
    numbers = _numbers(np.sqrt(raw.values), centred.values, whole.std)
    raw_slope, slope = raw.rank_gradient(RANKME_EPS), centred.rank_gradient()
    rows = []
    for part in parts:
        rest = whole - part
        leading, total = centred.leading_values(rest.scatter, LAST_RANK), rest.scatter.trace()
        varies = centred.values[0] > 0 and leading[0] > 0
        fits = varies and np.isfinite(numbers["alpha"]) and leading[last - 1] > 0
        # A rank depends on shares only, so the sums are first scaled up to the full number of rows.
        of_mean = rest.n * rest.mean @ raw_slope @ rest.mean
        raw_change = (np.vdot(raw_slope, rest.scatter) + of_mean) * whole.n / rest.n
        change = np.vdot(slope, rest.scatter) * (whole.n - 1) / (rest.n - 1)
        rows.append(
            {
                "rankme": numbers["rankme"] * np.exp(raw_change),
                "effective_rank": numbers["effective_rank"] * np.exp(change),
                "stable_rank": total / leading[0] if varies else 0.0,
                "participation_ratio": total**2 / np.vdot(rest.scatter, rest.scatter) if varies else 0.0,
                "alpha": _line(leading, last)[0] if fits else np.nan,
                "std": rest.std,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in numbers}
