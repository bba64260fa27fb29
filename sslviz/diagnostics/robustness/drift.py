"""Drift under corruption: accuracy lost and distance moved under noise, blur, weather and poor cameras."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, scored_and_fit
from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.result import units_of
from sslviz.diagnostics.robustness.drift_result import Drift, values_of_controls
from sslviz.diagnostics.robustness.feature_steps import Steps, feature_steps
from sslviz.features import Features
from sslviz.features.class_names import class_text
from sslviz.features.columns import apart, coded

# Of the pictures, and of the distance of two: what a hundred answers tell that are right and wrong by halves.
HALF_WIDTH = 0.1


def drift(
    features: Features,
    corrupted: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    corrupted_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Drift:
    """How does it bear corruption?  ImageNet-C's fifteen (arXiv 1903.12261), each in five severities.

    The features `corrupted` are of some pictures of `features`, and of each again for every corruption and severity.
    Such pictures are drawn by `sslviz.corrupted`.  The columns are `object`, `changed`, `corruption` and `severity`.  A
    linear readout of `label` reads them all.  It is fitted on `fit`, or else on the pictures of `features` that were not
    corrupted.

    - accuracy_lost: by corruption, on average over all corruptions
    - drift: E|step|^2 over that of two pictures
    - relative_error to a control: errors over those of the control

    Controls are those of `control_features` {name: (features, fit)} that `corrupted_controls` {name: Features} has too.
    The reference is the same encoder re-initialised, not another network.  Interval: bootstrap over pictures.  ValueError
    for missing columns, fewer than 20 pictures, and features that are all the same.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(80) % 2
        >>> x = 9 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(80, 2))
        >>> ids = [f"p{i}" for i in range(80)]
        >>> features = sslviz.Features.from_array(x, table={"label": label}, ids=ids)
        >>> table = {"object": ids[:40] * 2, "changed": [""] * 40 + ["fog 1"] * 40}
        >>> table |= {"corruption": [""] * 40 + ["fog"] * 40, "severity": [0] * 40 + [1] * 40}
        >>> foggy = sslviz.Features.from_array(np.concatenate([x[:40], 9 - x[:40]]), table=table)
        >>> sslviz.drift(features, foggy).accuracy  # the fog swaps the classes
        array([[0.]])

    Caveat: Severities were made for photographs of 224 px.  An encoder to which pictures were alike before has nothing
    to lose: read what is lost beside the accuracy there was.
    """
    steps = feature_steps(corrupted)
    kinds = _kinds(corrupted)
    shown = features.select(list(steps.ids))
    truth = np.array([class_text(value) for value in shown.column(label)])
    correct, clean = _read(features, fit, label, steps, truth)
    control_pictures = {}
    for name, control in (control_features or {}).items():
        if name in (corrupted_controls or {}):
            whole, own_fit = scored_and_fit(control)
            control_steps = feature_steps((corrupted_controls or {})[name], steps.ids)
            control_correct, control_clean = _read(whole, own_fit, label, control_steps, truth)
            control_pictures[name] = {
                "moved": _stacked(control_steps.moved, kinds),
                "correct": _stacked(control_correct, kinds).astype(bool),
                "clean": control_clean,
                "spread": control_steps.spread,
                "difference": np.array(control_steps.difference),
            }
    return Drift(
        label=label,
        ids=steps.ids,
        corruptions=[name for name, _ in kinds],
        severities=[int(s) for s in kinds[0][1]],
        moved=_stacked(steps.moved, kinds),
        spread=steps.spread,
        correct=_stacked(correct, kinds).astype(bool),
        clean=clean,
        control_values=values_of_controls(control_pictures),
        control_pictures=control_pictures,
        seed=seed,
        difference=steps.difference,
        left_out=_not_shown(corrupted),
        scored_on=corrupted.pictures,
        fitted_on="" if fit is None else fit.pictures,
        **units_of(shown),
    )


def _not_shown(corrupted: Features) -> dict[str, int]:
    """{reason: pictures} that were left out where these were shown in rounds until they told enough."""
    shown, of = int((corrupted.column("changed") == "").sum()), corrupted.source.get("of")
    if not corrupted.source.get("enough") or not of:
        return {}
    return {f"{shown} corrupted pictures tell what is lost to {HALF_WIDTH:g} to either side": of - shown}


Kinds = list[tuple[str, dict[int, str]]]  # corruptions, and the name of the change of each of their severities


def _kinds(corrupted: Features) -> Kinds:
    """The corruptions and severities; ValueError where a corruption has not every severity."""
    kinds: dict[str, dict[int, str]] = {}
    columns = (corrupted.column(name) for name in ("corruption", "severity", "changed"))
    for name, severity, change in dict.fromkeys(zip(*columns, strict=True)):
        if change:
            kinds.setdefault(str(name), {})[int(severity)] = str(change)
    if len({tuple(sorted(changes)) for changes in kinds.values()}) != 1:
        raise ValueError("Every corruption is to come in the same severities; draw them with `corrupted`.")
    return [(name, dict(sorted(changes.items()))) for name, changes in kinds.items()]


def _stacked(values: Mapping[str, np.ndarray], kinds: Kinds) -> np.ndarray:
    """Values (n,) of each change as (corruptions, severities, n)."""
    return np.stack([np.stack([values[change] for change in changes.values()]) for _, changes in kinds])


def _read(
    features: Features, fit: Features | None, label: str, steps: Steps, truth: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Whether a readout that saw none of the pictures reads them rightly, {change: (n,) bool}, and as they are (n,)."""
    shown = features.select(list(steps.ids))
    others = ~np.isin(features.ids, steps.ids) & ~features.shares_units_with(shown)
    if fit is None and not others.any():
        raise ValueError(
            f"All {len(features)} images are corrupted, and none is left to fit a readout on: name images to fit on, or more."
        )
    rest = features.rows(others) if fit is None else apart(shown, fit)
    coded(rest, label)  # complete, and two classes at least
    classes, weights, bias = linear_weights(rest, label)

    def correct(x: np.ndarray) -> np.ndarray:
        return classes[(x @ weights.T + bias).argmax(axis=1)] == truth

    return {change: correct(steps.plain + step) for change, step in steps.steps.items()}, correct(steps.plain)
