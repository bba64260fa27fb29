"""Figure of `Cooccurrence`: the share of each class's images that has each value, beside the share of all images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.bias.cooccurrence import Cooccurrence
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots

CAPTION = (
    "Of the images of a class, the share with a value. Grey: that share of all images. Where dots leave their ticks, the two "
    "columns go together in the images, whatever the encoder makes of them."
)


def cooccurrence(
    results: Cooccurrence | Mapping[str, Cooccurrence], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """Rows of class and value: the share of the class's images that has the value, beside all images.

    `results` is a Cooccurrence or {checkpoint: Cooccurrence}; those with the same images are drawn once.
    Caveat: it says nothing of the encoder.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    different: dict[str, Cooccurrence] = {}
    for name, result in named.items():
        if not any(np.array_equal(result.table, other.table) for other in different.values()):
            different[name] = result
    palette = theme.colors(named, colors)
    fig = dots(
        {name: _cells(result) for name, result in different.items()},
        palette=palette,
        x_range=(-0.02, 1.02),
        x_title=f"share of the images of a {first.label} (0 to 1)",
        y_title=f"{first.label} – {first.attribute}",
    )
    if len(different) == 1:  # the images are no checkpoint's own
        fig.data[-1].update(name="the images")
    summary = "; ".join(
        f"{name or 'these images'}: Cramér's V {r.scores()['cramers_v']}, mutual information "
        f"{r.scores()['mutual_information']} bits, p {r.p:.2g}"
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"How {first.label} and {first.attribute} go together. {summary}.", caption=CAPTION)


def _cells(result: Cooccurrence) -> list[Dot]:
    """One row per class and value."""
    return [
        Dot(
            row=f"{name} – {value}",
            value=float(result.shares[i, j]),
            low=None,
            high=None,
            control_values={"all images": float(result.base[j])},
            text=f"{result.table[i, j]:,} of {result.table[i].sum():,} images",
        )
        for i, name in enumerate(result.classes)
        for j, value in enumerate(result.values)
    ]
