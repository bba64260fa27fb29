"""Do neighbours share an attribute?  How often, for each of its values, beside what their classes explain."""

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
    """Do neighbours share an attribute?  One row per value; the grey tick is what the neighbours' classes explain.

    `results` is a Retrieval or {checkpoint: Retrieval}.
    Caveat: a value with few images has coarse shares; the hover text says how many there are.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    series = {
        name: [
            Dot(
                str(value), float(share), None, None, {"if only classes mattered": float(expected)}, f"{count:,} images"
            )
            for value, share, expected, count in zip(r.values, r.precision, r.expected, r.counts, strict=True)
        ]
        for name, r in named.items()
    }
    fig = dots(
        series, palette=theme.colors(named, colors), x_range=(-0.02, 1.02),
        x_title="share of neighbours with the same value (0 to 1)", y_title=first.attribute,
    )  # fmt: skip
    said = "; ".join(
        f"{name or 'this checkpoint'}: {r.scores()['retrieval']}, p {r.p:.2g}" for name, r in named.items()
    )
    alt = f"Neighbours who share {first.attribute} beyond what {first.label} explains (0 none, 1 all). {said}."
    return theme.finish(fig, alt=alt, caption=CAPTION.format(k=first.k))
