"""Figure of `Association`: how much nearer each class lies to each value than the other classes do."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.bias.association import ATTRIBUTE, Association
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots

CAPTION = (
    "How much more cosine a class leans to a value than other classes do; right of 0: nearer. Grey: what the largest of all "
    "reaches in 95 of 100 shufflings of the attribute, on either side; between the ticks is nothing."
)


def association(
    results: Association | Mapping[str, Association], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """Rows of class and value; between the grey ticks lies what luck gives.

    `results` is an Association or {checkpoint: Association}.
    Caveat: where classes differ in the attribute themselves, the images may be what associates.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: _cells(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title="leans more to the value than other classes do (difference of cosines)",
        y_title=f"{first.label} – {first.attribute}",
        zero=True,
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    return theme.finish(fig, alt=f"Association of {first.label} and {first.attribute}. {summary}.", caption=CAPTION)


def _cells(result: Association) -> list[Dot]:
    """One row per class and value."""
    reach = {ATTRIBUTE: (result.margin_reach, -result.margin_reach)}
    return [
        Dot(
            row=f"{name} – {value}",
            value=float(result.margin[i, j]),
            low=float(result.margin_low[i, j]),
            high=float(result.margin_high[i, j]),
            control_values=reach,
            text=f"effect {result.effect[i, j]:.2f} (at most {result.effect_max[i]:.2f}), "
            f"corrected p {result.p_corrected[i, j]:.2g}",
        )
        for i, name in enumerate(result.classes)
        for j, value in enumerate(result.values)
    ]


def _summary(result: Association) -> str:
    """The largest margin, and whether it is more than luck."""
    row, column = result.strongest
    cell = f"{result.classes[row]} with {result.values[column]} {result.margin[row, column]:+.2f}"
    luck = "more" if result.found else "no more"
    return f"the largest is {cell}, {luck} than luck (corrected p {result.p_corrected.min():.2g})"
