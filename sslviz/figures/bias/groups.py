"""Figure of `Groups`: accuracy of each group with an interval that holds for all at once, beside mean and controls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.bias.groups_result import Groups
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import ROWS, Dot, dots
from sslviz.statistics import MIN_PER_CLASS

MEAN = "mean over groups"
SHOWN_CONTROLS = ("untrained", "pixels")  # of the controls; the hover text and the scores hold them all
CAPTION = (
    "Each row is a group, worst first; dot: share read rightly, line: 95 % interval, wide enough that all of them hold at "
    "once. Grey: the mean over groups (tick), and the same group in the controls."
)


def groups(results: Groups | Mapping[str, Groups], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per group, one dot per checkpoint.

    `results` is a Groups or {checkpoint: Groups} of one label and attribute.  Groups are in the order of the first result.
    Caveat: the lowest of many groups is low by luck alone; the caption says what was found and what could have been.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    order = [first.names[i] for i in np.argsort(first.accuracy(), kind="stable")]
    series = {name: sorted(_dots(r), key=lambda d: _place(order, d.row)) for name, r in named.items()}
    fig = dots(
        series,
        palette=theme.colors(named, colors),
        x_title=f"{first.label} read rightly (0 to 1)",
        x_range=(-0.02, 1.02),
        y_title=f"{first.label}, {first.attribute}",
    )
    summary = " ".join(verdict(r, name) for name, r in named.items())
    omitted = f" {ROWS} of {len(order)} groups are shown, those farthest from the mean." if len(order) > ROWS else ""
    return theme.finish(fig, alt=f"Accuracy of {len(order)} groups. {summary}", caption=f"{CAPTION}{omitted} {summary}")


def verdict(result: Groups, name: str = "") -> str:
    """One sentence of what was found, or of what would have been."""
    smallest = int(result.counts.min())
    prefix = f"{name}: " if name else ""
    if smallest < MIN_PER_CLASS:
        return f"{prefix}no verdict, the smallest group has {smallest} images."
    worst = f"worst {result.names[result.worst]} ({result.counts[result.worst]} images)"
    attribute = result.attribute
    p = f"p {result.p['worst_group']:.2g} for the worst group, {result.p['disparity']:.2g} between {attribute}s"
    if result.found:
        return f"{prefix}served unequally, {worst}; {p}."
    return (
        f"{prefix}no difference found ({p}); one of {result.detectable:.2g} between {attribute}s would have been seen."
    )


def _place(order: list[str], row: str) -> int:
    return order.index(row) if row in order else len(order)


def _dots(result: Groups) -> list[Dot]:
    low, high = result.interval()
    controls = {name: result.accuracy(name) for name in SHOWN_CONTROLS if name in result.control_correct}
    accuracy = result.accuracy()
    mean = float(accuracy.mean())
    return [
        Dot(
            row=row,
            value=float(accuracy[i]),
            low=float(low[i]),
            high=float(high[i]),
            control_values={MEAN: mean} | {name: float(control[i]) for name, control in controls.items()},
            text=f"{result.counts[i]} images",
            id=row,
        )
        for i, row in enumerate(result.names)
    ]
