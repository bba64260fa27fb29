"""Measures of a transformer's heads by layer, beside attention to all patches alike and the untrained encoder."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.explanations.distinct_controls import distinct
from sslviz.figures.parts import theme

if TYPE_CHECKING:
    from sslviz.explanations.attention.attention_result import Attention

Measure = Literal["distance", "entropy", "homogeneity", "nmi", "redundancy"]


class MeasureWords(NamedTuple):
    """A measure of heads in words.

    - title: of the axis
    - low: what a low value means
    - high: what a high value means
    """

    title: str
    low: str
    high: str


MEASURES = {
    "distance": MeasureWords("mean attention distance (share of the diagonal)", "local heads", "far-reaching heads"),
    "entropy": MeasureWords(
        "entropy of attention (share of log patches)", "heads that look at few patches", "at all alike"
    ),
    "homogeneity": MeasureWords(
        "likeness of queries (mean cosine)", "each query looks elsewhere", "all queries look alike"
    ),
    "nmi": MeasureWords(
        "dependence on the query (normalised mutual information)", "all queries look alike", "each its own"
    ),
    "redundancy": MeasureWords("likeness of heads (mean cosine)", "each head looks elsewhere", "all heads look alike"),
}
UNIFORM = "uniform attention (control)"
CAPTION = (
    "{mark} per head, mean over {n} images. Low: {low}; high: {high}. Controls: attention that falls on all patches alike "
    "({uniform_mark}), and {control} ({control_mark}). Attention between patches only; it says from where a layer reads, "
    "not what the features depend on."
)


def attention(
    results: Attention | Mapping[str, Attention],
    *,
    measure: Measure = "distance",
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """How far, how widely and how alike do the heads look, layer by layer?  Dots per head, a line for their mean.

    `results` is an Attention or {checkpoint: Attention}; `measure` "distance", "entropy", "homogeneity", "nmi" or
    "redundancy" (of which there is one dot a layer).  Grey: attention that falls on all patches alike, and the
    untrained encoder.

    Caveat: heads are no independent samples, so their spread is no uncertainty.
    """
    named, words = theme.as_dict(results), measure_words(measure)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig = go.Figure([*_uniform_lines(named, measure), *_control_lines(named, measure)])
    for i, (name, result) in enumerate(named.items()):
        shift = 0.5 * ((i + 0.5) / len(named) - 0.5) if len(named) > 1 else 0.0
        fig.add_traces(_head_dots(by_head(result, measure), name, short[name], palette[name], shift))
    layers = max(len(result.layers) for result in named.values())
    legend = [*short.values(), UNIFORM, "untrained (control), mean of heads"]
    fig.update_layout(
        height=360 + theme.legend_room(legend),
        xaxis={"title": {"text": "layer"}, "range": [0.4, layers + 0.6], "dtick": 1 if layers <= 16 else 2, "tick0": 1},
        yaxis={"title": {"text": words.title}, "rangemode": "tozero"},
    )
    marks = {"mark": "One dot, and a line for their mean,", "uniform_mark": "dashed", "control_mark": "grey line"}
    caption = caption_text(named, words, **marks)
    return theme.finish(fig, alt=alt_text(named, measure), caption=caption)


def by_head(result: Attention, measure: str, prefix: str = "") -> np.ndarray:
    """What is drawn of a measure: the mean over images, free of units, (layers, heads); (layers, 1) of redundancy."""
    values = getattr(result, prefix + measure).mean(0, dtype=float)
    if measure == "distance":
        values = values / result.diagonal
    if measure == "entropy":
        values = values / np.log(result.control_maps[0].size if prefix else result.patches)
    return values.reshape(len(values), -1)


def measure_words(measure: str) -> MeasureWords:
    """The words of a measure; ValueError for one that is not there."""
    if measure not in MEASURES:
        raise ValueError(f"There is no measure {measure!r} of attention; there are: {', '.join(MEASURES)}.")
    return MEASURES[measure]


def control_tables(named: Mapping[str, Attention], measure: str) -> list[tuple[str, np.ndarray]]:
    """Name and table of each control that differs from the others."""
    tables = distinct({name: by_head(result, measure, "control_") for name, result in named.items()})
    first = next(iter(tables))
    return [
        (named[name].control if name == first else f"{named[name].control}, for {name}", table)
        for name, table in tables.items()
    ]


def _uniform_lines(named: Mapping[str, Attention], measure: str) -> list[go.Scatter]:
    """Dashed grey lines, one for each value: distances depend a little on the grid."""
    layers = max(len(result.layers) for result in named.values())
    values = sorted({round(result.uniform[measure], 6) for result in named.values()})
    return [
        go.Scatter(
            x=[0.4, layers + 0.6],
            y=[value, value],
            mode="lines",
            name=UNIFORM,
            showlegend=i == 0,
            legendgroup=UNIFORM,
            line={"color": theme.CONTROL, "width": 2, "dash": "dash"},
            hovertemplate=f"<b>uniform attention</b> (control): {value:.3f}<extra></extra>",
        )
        for i, value in enumerate(values)
    ]


def _control_lines(named: Mapping[str, Attention], measure: str) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=np.arange(1, len(table) + 1),
            y=finite(table.mean(1)),
            mode="lines+markers",
            name=f"{name} (control), mean of heads",
            line={"color": theme.CONTROL, "width": 2},
            marker={"color": theme.CONTROL, "size": 6, "symbol": "diamond"},
            hovertemplate=f"<b>{escape(name)}</b> (control), layer %{{x}}: %{{y:.3f}}<extra></extra>",
        )
        for name, table in control_tables(named, measure)
    ]


def _head_dots(table: np.ndarray, name: str, short: str, color: str, shift: float) -> list[go.Scatter]:
    layers, heads = table.shape
    layer, head = np.divmod(np.arange(layers * heads), heads)
    label = f"<b>{escape(name)}</b><br>" if name else ""
    return [
        go.Scatter(
            x=np.arange(1, layers + 1) + shift,
            y=finite(table.mean(1)),
            mode="lines",
            name=short or "this checkpoint",
            legendgroup=name,
            line={"color": color, "width": 2.5},
            hovertemplate=f"{label}mean of the heads: %{{y:.3f}}<extra></extra>",
        ),
        go.Scatter(
            x=layer + 1 + shift,
            y=finite(table.ravel()),
            mode="markers",
            name=f"{short or 'this checkpoint'}, heads",
            legendgroup=name,
            showlegend=False,
            marker={"color": color, "size": 7, "opacity": 0.75},
            customdata=[[int(a), int(b)] for a, b in zip(layer, head, strict=True)],
            hovertemplate=f"{label}layer {'%{customdata[0]}'}, head %{{customdata[1]}}: %{{y:.3f}}<extra></extra>",
        ),
    ]


def finite(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them: NaN (the likeness of a single head) becomes a gap."""
    return [float(v) if np.isfinite(v) else None for v in values]


def encoder_of(control: str) -> str:
    """How the control is called in a sentence."""
    return "the same encoder untrained" if control == "untrained" else f"the encoder {control}"


def caption_text(named: Mapping[str, Attention], words: MeasureWords, **marks: str) -> str:
    """The caption; `marks` say how values, uniform attention and the control are drawn."""
    counts = ", ".join(f"{n:,}" for n in sorted({len(r.ids) for r in named.values()}))
    control = encoder_of(next(iter(named.values())).control)
    return CAPTION.format(n=counts, low=words.low, high=words.high, control=control, **marks)


def alt_text(named: Mapping[str, Attention], measure: str) -> str:
    """The means of a measure in words, with those of the controls."""
    first = next(iter(named.values()))
    parts = [f"{n or 'this checkpoint'} {_mean_text(by_head(r, measure))}" for n, r in named.items()]
    return (
        f"{capital(measure_words(measure).title)}, by layer and head. Mean: {'; '.join(parts)}; {first.control} "
        f"{_mean_text(by_head(first, measure, 'control_'))}; uniform attention {first.uniform[measure]:.2f}."
    )


def _mean_text(table: np.ndarray) -> str:
    return f"{table.mean():.2f}" if np.isfinite(table).all() else "not defined"


def capital(text: str) -> str:
    """A text with a capital letter in front."""
    return text[0].upper() + text[1:]
