"""Accuracy by group: how well a label is read in each group of a second column, beside what luck does to the worst."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.bias.group_accuracy import shuffled_extremes
from sslviz.diagnostics.bias.groups_result import Groups
from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.result import pictures_of
from sslviz.features import Features
from sslviz.features.columns import coded, one_of_each, scored_and_fitted


def groups(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Groups:
    """Who is served worse?

    The label is read by `linear_probe`.  A group is a pair of a class and a value of `attribute` that some image shows.

    Scores: `worst_group`, the lowest accuracy.  The lowest of many is low by luck alone: sixteen equal groups of 25
    images, all truly 0.80, show a worst of 0.65.  So one half of the images names the worst group and the other judges
    it: the mean over 400 splits, at most the mean over groups.  Its interval is that of the least group when Wilson's
    intervals of all hold at once.  The `disparity` is the largest difference between two values of the attribute, classes
    counted alike.  The `accuracy` is the mean over groups.

    Controls: the `control_features` {name: Features, or (Features, fit Features)} in the same way, chance, and the
    disparity with the attribute shuffled within each class.  The two `p` compare worst group and disparity with these
    shufflings exactly.  Both together are `found` at 2.5 %.  The least disparity that would be found is `detectable`.
    There is no interval and no verdict where a group has fewer than ten images.  Of images kept together by a column, one
    of each value is scored, as copies would pass for evidence.  ValueError as for `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"shape": ["disc", "cross"] * 80, "color": ["red", "red", "blue", "blue"] * 40}
        >>> seen = (np.array(table["shape"]) == "disc") & (np.array(table["color"]) == "red")
        >>> x = np.random.default_rng(0).normal(size=(160, 4)) + 9 * seen[:, None]
        >>> result = sslviz.groups(sslviz.Features.from_array(x, table=table), "shape", "color")
        >>> result.names[result.worst], result.found
        ('disc, blue', True)

    Caveat: What differs between groups may be the images' difficulty rather than the encoder: look at the same table for
    the controls.
    """
    scored, fitted = scored_and_fitted(features, fit, label, attribute, seed=seed)
    scored = scored.rows(one_of_each(scored, attribute, seed=seed))
    probe = linear_probe(scored, label, fit=fitted, control_features=control_features, seed=seed)
    values, cue = coded(scored, attribute)
    pairs, group = np.unique(probe.truth * len(values) + cue, return_inverse=True)
    group_class, group_value = np.divmod(pairs, len(values))
    null_worst, null_disparity = shuffled_extremes(probe.correct, group, group_class, group_value, len(values), seed)
    return Groups(
        label=label,
        attribute=attribute,
        classes=probe.classes,
        values=values,
        ids=scored.ids,
        truth=probe.truth,
        cue=cue,
        predicted=probe.predicted,
        group=group,
        group_class=group_class,
        group_value=group_value,
        control_correct=probe.control_correct,
        null_worst=null_worst,
        null_disparity=null_disparity,
        seed=seed,
        **pictures_of(scored, fitted),
    )
