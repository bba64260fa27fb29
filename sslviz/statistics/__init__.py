"""What a number says once its uncertainty and its controls stand beside it."""

from sslviz.statistics.crossed import bootstrap_crossed_means, crossed_interval, interaction_variance, wider_levels
from sslviz.statistics.intervals import (
    MIN_JACKKNIFE_IMAGES,
    MIN_PER_CLASS,
    balanced_intervals,
    balanced_mean,
    bootstrap_balanced_mean,
    bootstrap_group_means,
    delete_groups,
    group_sizes,
    jackknife_interval,
    low_of_perfect,
    median_interval,
    percentile_interval,
    resampled_times,
    t_interval,
    wilson,
)
from sslviz.statistics.score import Score
from sslviz.statistics.seeds import SeedSpread
from sslviz.statistics.significance import (
    POWER_80,
    POWER_80_PAST_THRESHOLD,
    WIDTH_95,
    benjamini_hochberg,
    holm,
    least_found,
    p_beyond,
    permutation_p,
)

__all__ = [
    "MIN_JACKKNIFE_IMAGES",
    "MIN_PER_CLASS",
    "POWER_80",
    "POWER_80_PAST_THRESHOLD",
    "WIDTH_95",
    "Score",
    "SeedSpread",
    "balanced_intervals",
    "balanced_mean",
    "benjamini_hochberg",
    "bootstrap_balanced_mean",
    "bootstrap_crossed_means",
    "bootstrap_group_means",
    "crossed_interval",
    "delete_groups",
    "group_sizes",
    "holm",
    "interaction_variance",
    "jackknife_interval",
    "least_found",
    "low_of_perfect",
    "median_interval",
    "p_beyond",
    "percentile_interval",
    "permutation_p",
    "resampled_times",
    "t_interval",
    "wider_levels",
    "wilson",
]
