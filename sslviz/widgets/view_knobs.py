"""The parameters of views that can be turned, as sliders, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from sslviz.views import ViewPolicy
from sslviz.widgets.parts import controls


class Knob(NamedTuple):
    """One slider.

    - caption: what stands beside it
    - low, high: its ends; a policy beyond them extends it
    - step: between two of its values
    """

    caption: str
    low: float
    high: float
    step: float = 0.01


KNOBS = {  # field of ViewPolicy: its slider
    "scale": Knob("crop: share of the area", 0.05, 1.0),
    "flip_prob": Knob("left and right exchanged", 0.0, 1.0),
    "jitter_prob": Knob("colours changed", 0.0, 1.0),
    "brightness": Knob("… brightness up to", 0.0, 1.0),
    "contrast": Knob("… contrast up to", 0.0, 1.0),
    "saturation": Knob("… saturation up to", 0.0, 1.0),
    "hue": Knob("… hue up to (turns)", 0.0, 0.5),
    "gray_prob": Knob("colour taken out", 0.0, 1.0),
    "blur_prob": Knob("blurred", 0.0, 1.0),
    "blur_sigma": Knob("… blur (pixels)", 0.1, 4.0, 0.1),
    "solarize_prob": Knob("bright parts inverted", 0.0, 1.0),
}
RANGES = {"scale", "blur_sigma"}  # two numbers each
FIXED = {  # the other fields: what becomes of them
    **dict.fromkeys(["size", "mean", "std"], "the encoder's"),
    "views": "as many as are shown",
    **dict.fromkeys(["local_views", "local_size", "local_scale"], "local views are not shown"),
    **dict.fromkeys(["ratio", "solarize_threshold", "crop_draws"], "the policy's"),
    "strength": "as at the end of a training",
}


def positions(policy: ViewPolicy) -> dict[str, Any]:
    """{field: where its slider stands}: a number, or two; of a number for each view their mean."""
    return {
        name: fmean(value) if isinstance(value := getattr(policy, name), tuple) and name not in RANGES else value
        for name in KNOBS
    }


def sliders(policy: ViewPolicy) -> dict[str, Any]:
    """{field: its slider}, where the policy has it."""
    found = {}
    for name, value in positions(policy).items():
        knob = KNOBS[name]
        ends = value if name in RANGES else (value, value)
        make = controls.range_slider if name in RANGES else controls.slider
        found[name] = make(knob.caption, value, min(knob.low, ends[0]), max(knob.high, ends[1]), knob.step)
    return found


def turned(start: ViewPolicy, values: Mapping[str, Any], views: int) -> tuple[ViewPolicy, dict[str, Any]]:
    """The policy with its sliders at these values, for so many views; and {field: value} of those that were moved.

    What was said for each view stays so until its slider is moved; more views than it was said for begin anew.
    """
    began = positions(start)
    changed = {name: value for name, value in values.items() if not _as_begun(name, value, began[name])}
    each = {
        name: tuple(value[i % len(value)] for i in range(views))
        for name in set(KNOBS) - RANGES
        if isinstance(value := getattr(start, name), tuple)
    }
    return replace(start, **{"views": views, "local_views": 0, **each, **changed}), changed


def _as_begun(name: str, value: Any, began: Any) -> bool:
    """Whether a slider was not moved; a page puts it on its nearest step when it is drawn."""
    pairs = zip(value, began, strict=True) if name in RANGES else [(value, began)]
    return all(abs(now - then) <= 0.51 * KNOBS[name].step for now, then in pairs)
