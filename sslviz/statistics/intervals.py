"""Confidence intervals: bootstrap, jackknife, Wilson, Student's t."""

from __future__ import annotations

import numpy as np

JACKKNIFE_GROUPS = 10  # of images, left out one at a time: enough for an interval, few enough to stay cheap
MIN_JACKKNIFE_IMAGES = 2 * JACKKNIFE_GROUPS  # below: no interval
MIN_PER_CLASS = 10  # images in the smallest class, for an interval: fewer show too little of what chance can do


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of resampled numbers: `draws` (b,) -> (low, high)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def median_interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the median of `values` (n,), whatever their distribution: two of the values themselves.

    How many of n values lie below the median is binomial.  (None, None) for fewer than six, which can tell no interval.
    """
    from scipy.special import bdtr

    n, ordered = len(values), np.sort(values)
    k = max((k for k in range(1, n // 2 + 1) if 2 * bdtr(k - 1, n, 0.5) <= 0.05), default=0)
    return (float(ordered[k - 1]), float(ordered[n - k])) if k else (None, None)


def jackknife_interval(value: float, replicates: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of `value` over other images, by the delete-group jackknife.

    `replicates` (g,) are the same number without one of g random groups of rows at a time.  Student's t with g - 1
    degrees of freedom.  (None, None) for fewer than two replicates, or where one of them is not finite.

    A bootstrap would bias spectra, since a repeated row adds no direction.  The jackknife does not, because only the
    spread of the replicates is used.
    """
    from scipy.special import stdtrit

    g = len(replicates)
    if g < 2 or not np.isfinite(replicates).all():
        return None, None
    error = np.sqrt((g - 1) / g * ((replicates - replicates.mean()) ** 2).sum())
    reach = float(stdtrit(g - 1, 0.975) * error)
    return value - reach, value + reach


def delete_groups(n: int, groups: int = JACKKNIFE_GROUPS, seed: int = 0, units: np.ndarray | None = None) -> np.ndarray:
    """Group numbers (n,) of the images that a jackknife leaves out together, the same for every space of n images.

    Groups are random, since rows often lie in the order of their class.  A single group, so that nothing can be left
    out, for fewer than two rows a group.  Images of one of `units` (n,) are left out together.
    """
    if units is not None:
        names, unit = np.unique(units, return_inverse=True)
        return delete_groups(len(names), groups, seed)[unit]
    return np.random.default_rng(seed).permutation(n) % (groups if n >= 2 * groups else 1)


def balanced_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """The mean of `values` (n,) with every group weighted alike; of 0 and 1 it is the class-balanced accuracy."""
    _, codes = np.unique(groups, return_inverse=True)
    return float((np.bincount(codes, values) / np.bincount(codes)).mean())


def bootstrap_balanced_mean(
    values: np.ndarray, groups: np.ndarray, *, draws: int = 1000, seed: int = 0, units: np.ndarray | None = None
) -> np.ndarray:
    """The bootstrap of the class-balanced mean: (draws,) means of resampled images.

    `values` (n,), or (m, n) for m paired quantities over the same images, which gives (draws, m).  All m see the same
    resamples, so that differences between them are paired.  Images are resampled within their group, so that no group
    can vanish; those of one of `units` (n,) together, since they are no news of each other.
    """
    means = bootstrap_group_means(np.atleast_2d(values), groups, draws=draws, seed=seed, units=units).mean(axis=2)
    return means[:, 0] if np.ndim(values) == 1 else means


def balanced_intervals(
    values: np.ndarray, groups: np.ndarray, *, seed: int = 0, units: np.ndarray | None = None
) -> list[tuple[float, float] | tuple[None, None]]:
    """The 95 % interval of the class-balanced mean of each of m quantities, `values` (m, n), as resampled together.

    (None, None) where a class has fewer than `MIN_PER_CLASS` images, or units.
    """
    if group_sizes(groups, units).min() < MIN_PER_CLASS:
        return [(None, None) for _ in values]
    draws = bootstrap_balanced_mean(values, groups, seed=seed, units=units)
    return [percentile_interval(draws[:, i]) for i in range(len(values))]


def low_of_perfect(sizes: np.ndarray) -> float:
    """How low the class-balanced accuracy may be where all images are read rightly, of classes of such `sizes` (g,).

    No resample holds an error where there is none to draw; 3 / n of a class may hide (rule of three).
    """
    return float(np.maximum(0, 1 - 3 / sizes).mean())


def bootstrap_group_means(
    values: np.ndarray, groups: np.ndarray, *, draws: int = 1000, seed: int = 0, units: np.ndarray | None = None
) -> np.ndarray:
    """The bootstrap of the mean of each group: `values` (m, n) -> (draws, m, groups).

    Groups come in the order of their sorted names; resampling as in `bootstrap_balanced_mean`.
    """
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    names, codes = np.unique(groups, return_inverse=True)
    means = np.zeros((draws, len(values), len(names)))
    if units is not None:
        for start in range(0, draws, step := _draws_at_once(len(codes))):
            part = means[start : start + step]
            times = resampled_times(codes, len(part), rng, units)
            for code in range(len(names)):
                rows = codes == code
                total = times[:, rows].sum(axis=1)
                drawn = times[:, rows] @ values[:, rows].T / np.maximum(total, 1)[:, None]
                # A group none of whose units was drawn keeps its mean; of ten units that happens once in 20,000 draws.
                part[:, :, code] = np.where(total[:, None] > 0, drawn, values[:, rows].mean(axis=1))
        return means
    for code in range(len(names)):
        member = values[:, codes == code]  # (m, n_g)
        n = member.shape[1]
        for start in range(0, draws, step := _draws_at_once(n)):
            part = means[start : start + step, :, code]
            part[:] = _times_drawn(n, len(part), rng) @ member.T / n
    return means


def resampled_times(groups: np.ndarray, draws: int, rng: np.random.Generator, units: np.ndarray) -> np.ndarray:
    """How often each image is in samples of whole units: (draws, n) numbers.

    Units whose images are all of one of `groups` are drawn among their like, the others among each other.
    """
    codes, unit = (np.unique(values, return_inverse=True)[1] for values in (groups, units))
    stratum = unit_strata(codes, unit)
    times = np.zeros((draws, len(stratum)))
    for one in np.unique(stratum):
        own = np.flatnonzero(stratum == one)
        times[:, own] = _times_drawn(len(own), draws, rng)
    return times[:, unit]


def unit_strata(codes: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The class of each unit, -1 for one whose images are of several: (units,), of codes (n,) and units 0, 1, ... (n,)."""
    first, last = np.full(unit.max() + 1, len(codes)), np.full(unit.max() + 1, -1)
    np.minimum.at(first, unit, codes)
    np.maximum.at(last, unit, codes)
    return np.where(first == last, first, -1)


def group_sizes(groups: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
    """How many images, or of how many `units` (n,), there are in each group, in the order of their sorted names: (g,)."""
    codes = np.unique(groups, return_inverse=True)[1]
    if units is not None:
        codes = np.unique(np.stack([codes, np.unique(units, return_inverse=True)[1]]), axis=1)[0]
    return np.bincount(codes)


def _draws_at_once(n: int) -> int:
    """So many that 100,000 images do not need 1000 copies of themselves at once."""
    return max(1, 2**20 // n)


def _times_drawn(n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n is drawn in n draws with replacement, (draws, n)."""
    row = n * np.arange(draws)[:, None]
    drawn = (rng.integers(n, size=(draws, n), dtype=np.int32) + row).ravel()
    return np.bincount(drawn, minlength=draws * n).reshape(draws, n)


def wilson(share: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of shares (g,) of `n` images each: low and high, (g,) each."""
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - reach, 0), np.minimum(middle + reach, 1)


def t_interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the mean of `values` (n,), such as one number from each seed, by Student's t.

    (None, None) for a single value, and where one is not finite.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return None, None
    reach = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n))
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach
