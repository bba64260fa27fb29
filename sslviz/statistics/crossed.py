"""Intervals of a mean over two things at once: draws of what was fitted on, and images that were scored."""

from __future__ import annotations

import numpy as np

from sslviz.statistics.intervals import bootstrap_group_means


def bootstrap_crossed_means(
    values: np.ndarray, groups: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """The crossed bootstrap of class-balanced means over draws and images: (resamples, m).

    - values: m quantities such as whether an image was read rightly, (m, draws, n)
    - groups: class of each image, (n,)

    Each resample takes draws again and, within each class, images again; all m see the same ones, so that differences
    between them are paired.  Of r draws only r - 1 are taken, since r of them would spread too little by a share of 1 / r
    (Rao and Wu 1988).  Both spreads add up (Owen 2007, arXiv 0712.1111: slightly too much where they interact).
    ValueError for a single draw, whose spread cannot be told.
    """
    m, draws, n = values.shape
    if draws < 2:
        raise ValueError("The spread over draws takes at least two of them; got one.")
    rng = np.random.default_rng(seed)
    of_images = bootstrap_group_means(values.reshape(m * draws, n), groups, draws=resamples, seed=seed).mean(axis=2)
    times = rng.multinomial(draws - 1, np.full(draws, 1 / draws), size=resamples)
    return np.einsum("bmr,br->bm", of_images.reshape(resamples, m, draws), times / (draws - 1))


def crossed_interval(resampled: np.ndarray, of_draws: np.ndarray) -> tuple[float, float]:
    """The 95 % interval from the resampled means (b,) and the mean of each draw (draws,).

    A percentile interval, reaching further out as Student's t does where few draws are all that its width rests on.  The
    degrees of freedom are Satterthwaite's, images counted as many.
    """
    spread = float(np.var(resampled))
    share = min(1.0, float(np.var(of_draws, ddof=1)) / len(of_draws) / spread) if spread > 0 else 0.0
    low, high = np.quantile(resampled, wider_levels((len(of_draws) - 1) / max(share, 1e-3) ** 2))
    return float(low), float(high)


def wider_levels(freedom: float) -> tuple[float, float]:
    """The levels between which percentiles reach as far as Student's t of so many degrees of freedom does, at 95 %.

    Hesterberg's expanded percentile interval (arXiv 1411.5279).
    """
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(-stdtrit(freedom, 0.975)))
    return tail, 1 - tail
