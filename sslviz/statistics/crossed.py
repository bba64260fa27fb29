"""Intervals of a mean over two things at once: draws of what was fitted on, and images that were scored."""

from __future__ import annotations

import numpy as np

from sslviz.statistics.intervals import bootstrap_group_means, unit_strata


def bootstrap_crossed_means(
    values: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    units: np.ndarray | None = None,
) -> np.ndarray:
    """The crossed bootstrap of class-balanced means over draws and images: (resamples, m).

    - values: m quantities such as whether an image was read rightly, (m, draws, n)
    - groups: class of each image, (n,)
    - units: which images belong together and are taken again together, (n,); None: each stands for itself

    Each resample takes draws again and, within each class, images again; all m see the same ones, so that differences
    between them are paired.  Of r draws only r - 1 are taken, since r of them would spread too little by a share of 1 / r
    (Rao and Wu 1988).  Resampling both ways counts three times what is peculiar to a draw and an image together (Owen 2007,
    arXiv 0712.1111); means are drawn together until it counts once.  ValueError for a single draw, whose spread cannot be
    told.
    """
    m, draws, n = values.shape
    if draws < 2:
        raise ValueError("The spread over draws takes at least two of them; got one.")
    rng = np.random.default_rng(seed)
    flat = values.reshape(m * draws, n)
    of_images = bootstrap_group_means(flat, groups, draws=resamples, seed=seed, units=units).mean(axis=2)
    times = rng.multinomial(draws - 1, np.full(draws, 1 / draws), size=resamples)
    resampled = np.einsum("bmr,br->bm", of_images.reshape(resamples, m, draws), times / (draws - 1))
    spread, own = resampled.var(axis=0), interaction_variance(values, groups, units)
    share = np.divide(own, spread, out=np.zeros(m), where=spread > 0)
    middle = resampled.mean(axis=0)
    return middle + (resampled - middle) * np.sqrt(1 - 2 * np.minimum(share, 1 / 3))


def interaction_variance(values: np.ndarray, groups: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
    """What is peculiar to a draw and an image together adds this to the variance of the class-balanced means: (m,).

    The residual mean square of the two-way table of each class, `values` (m, draws, n); 0 for classes of one image.
    Images of one of `units` (n,) count as one, by what they add together to the class-balanced mean.
    """
    m, draws, _ = values.shape
    if units is not None:
        return _of_units(values, groups, units)
    found, names = np.zeros(m), np.unique(groups)
    for name in names:
        cells = np.asarray(values[..., groups == name], dtype=float)
        n = cells.shape[2]
        if n < 2:
            continue
        rest = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=2, keepdims=True)
        rest += cells.mean(axis=(1, 2), keepdims=True)
        square = (rest**2).sum(axis=(1, 2)) / ((draws - 1) * (n - 1))
        found += square / (draws * n) / len(names) ** 2
    return found


def _of_units(values: np.ndarray, groups: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The same for whole units: the residual of what each adds to the mean of each draw."""
    m, draws, n = values.shape
    codes, unit = (np.unique(given, return_inverse=True)[1] for given in (groups, units))
    member = np.eye(codes.max() + 1)[codes] / np.bincount(codes)  # (n, classes)
    added = values - (np.asarray(values, dtype=float) @ member)[..., codes]
    added = added / np.bincount(codes)[codes] / (codes.max() + 1)
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(unit.max() + 1))
    of_unit = np.add.reduceat(added[..., order], starts, axis=2)  # (m, draws, units)
    rest = of_unit - of_unit.mean(axis=1, keepdims=True)
    _, stratum, size = np.unique(unit_strata(codes, unit), return_inverse=True, return_counts=True)
    few = np.where(size > 1, size / np.maximum(size - 1, 1), 0)[
        stratum
    ]  # a mean over n units lacks one degree of freedom
    return (rest**2 * few).sum(axis=(1, 2)) / ((draws - 1) * draws)


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
