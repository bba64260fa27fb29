"""The bootstrap interval of a mean over images, where there are enough of them."""

from __future__ import annotations

import numpy as np

from sslviz.statistics import bootstrap_balanced_mean, percentile_interval

FEWEST_IMAGES = 8  # for an interval worth the name


def mean_interval(
    values: np.ndarray, seed: int, *, fewest: int = FEWEST_IMAGES
) -> tuple[float, float] | tuple[None, None]:
    """95 % bootstrap interval of the mean of `values` (n,) over images; (None, None) for fewer than `fewest`."""
    if len(values) < fewest:
        return None, None
    return percentile_interval(mean_draws(values, seed))


def mean_draws(values: np.ndarray, seed: int) -> np.ndarray:
    """Means over resampled images: (draws,) of values (n,), or (draws, m) of (m, n), resampled alike."""
    return bootstrap_balanced_mean(values, np.zeros(values.shape[-1]), seed=seed)
