"""What a number says once its uncertainty and its controls stand beside it."""

from sslviz.statistics.score import (
    Score,
    balanced_mean,
    benjamini_hochberg,
    bootstrap_balanced_mean,
    bootstrap_group_means,
    delete_groups,
    holm,
    jackknife_interval,
    percentile_interval,
    permutation_p,
)

__all__ = [
    "Score",
    "balanced_mean",
    "benjamini_hochberg",
    "bootstrap_balanced_mean",
    "bootstrap_group_means",
    "delete_groups",
    "holm",
    "jackknife_interval",
    "percentile_interval",
    "permutation_p",
]
