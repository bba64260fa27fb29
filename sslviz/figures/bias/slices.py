"""Figure of `Slices`: the share of errors of each slice, beside random slices."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.bias.slices import RANDOM, Slices
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots

MAX_SLICES = 8  # rows; the worst come first
CAPTION = (
    "Dot and line: the share of a slice's images read wrongly, with its 95 % interval; tick: what the worst of random slices "
    "stays below in 95 of 100 draws; ring: their mean. Slices come in the order in which other images call them bad."
)


def slices(results: Slices | Mapping[str, Slices], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """The eight worst slices, one row each, beside random slices.

    `results` is a Slices or {checkpoint: Slices}; each checkpoint has slices of its own, and the hover text says of what.
    Caveat: a slice is a region, not a reason: look at its images.
    """
    named = theme.as_dict(results)
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title="share of the slice's images read wrongly (0 to 1)",
        x_range=(-0.02, 1.02),
        y_title="slice",
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    label = next(iter(named.values())).label
    least = theme.least_said(
        "share of errors in the worst", {name: result.detectable for name, result in named.items()}
    )
    return theme.finish(
        fig, alt=f"Errors of a linear readout of {label} by slice. {summary}.", caption=f"{CAPTION} {least}"
    )


def _rows(result: Slices) -> list[Dot]:
    return [
        Dot(
            "the worst" if i == 0 else f"no. {i + 1}",
            float(result.errors[i]),
            float(result.low[i]),
            float(result.high[i]),
            {RANDOM: float(result.reach[i]), "random slices, mean": float(result.expected[i])},
            f"{result.sizes[i]:,} images, {_majority(result, i)}; corrected p {result.p_corrected[i]:.2g}",
            id=str(result.images(i)[0]),
        )
        for i in range(min(MAX_SLICES, len(result.sizes)))
    ]


def _majority(result: Slices, number: int) -> str:
    majority, mistaken_for = result.majority(number)
    return f"mostly {majority}" + (f", most errors taken for {mistaken_for}" if mistaken_for else "")


def _summary(result: Slices) -> str:
    count = int((result.p_corrected < 0.05).sum())
    luck = (
        f"{count} of {len(result.sizes)} slices fail more than luck explains"
        if count
        else "no slice fails more than luck"
    )
    return f"{luck}; the worst reads {result.scores()['worst_slice']}"
