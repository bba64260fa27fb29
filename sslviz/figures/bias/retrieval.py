"""Figure of `Retrieval`: how often neighbours share each value, beside what their classes explain."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.bias.retrieval import Retrieval
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots

CAPTION = (
    "Of the {k} nearest neighbours of images with a value, the share with the same value. Grey: the share if only the "
    "neighbours' classes mattered; what lies beyond it, the encoder adds."
)


def retrieval(results: Retrieval | Mapping[str, Retrieval], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per value; the grey tick is what the neighbours' classes explain.

    `results` is a Retrieval or {checkpoint: Retrieval}.
    Caveat: a value with few images has coarse shares; the hover text says how many there are.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_range=(-0.02, 1.02),
        x_title="share of neighbours with the same value (0 to 1)",
        y_title=first.attribute,
    )
    summary = "; ".join(
        f"{name or 'this checkpoint'}: {r.scores()['retrieval']}, p {r.p:.2g}" for name, r in named.items()
    )
    alt = f"Neighbours who share {first.attribute} beyond what {first.label} explains (0 none, 1 all). {summary}."
    return theme.finish(fig, alt=alt, caption=CAPTION.format(k=first.k))


def _rows(result: Retrieval) -> list[Dot]:
    columns = zip(result.values, result.precision, result.expected, result.counts, strict=True)
    return [
        Dot(
            row=str(value),
            value=float(precision),
            low=None,
            high=None,
            control_values={"if only classes mattered": float(expected)},
            text=f"{count:,} images",
        )
        for value, precision, expected, count in columns
    ]
