"""Figure of `DescriptionLength`: bits for each image against images seen, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.probes.description_length import SHUFFLED, DescriptionLength
from sslviz.figures.parts import theme
from sslviz.figures.parts.curves import curves
from sslviz.figures.probes.probe import CONTROL_MARKS

CAPTION = (
    "How many bits the next images' labels cost once so many are known; lower and sooner is easier. Grey: the controls, of "
    "which shuffled labels stay at what a label costs without features."
)


def description_length(
    results: DescriptionLength | Mapping[str, DescriptionLength], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One line per checkpoint, its controls in grey; lower and sooner is easier.

    `results` is a DescriptionLength or {checkpoint: DescriptionLength}.
    Caveat: lines of labels with different numbers of classes start at different heights.
    """
    named = theme.as_dict(results)
    lines = {name: r.by_block(r.bits) for name, r in named.items()}
    control_lines = {
        f"{kind}, {name}": r.by_block(bits) for name, r in named.items() for kind, bits in r.control_bits.items()
    }
    scores = {name: r.scores()["compression"] for name, r in named.items()}
    hover = {name: f"compression {score}" for name, score in scores.items()}
    label = next(iter(named.values())).label
    fig = curves(
        lines,
        control_lines,
        x="images whose label is known (log)",
        y=f"bits for the next {label}",
        hover=hover,
        colors=colors,
        marks={SHUFFLED: "x"} | CONTROL_MARKS,
    )
    fig.update_xaxes(type="log", tickvals=[10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000])
    top = max(float(np.max(y)) for _, y in [*lines.values(), *control_lines.values()])
    fig.update_yaxes(range=[0, 1.08 * top])
    alt = "; ".join(f"{name} {text}".strip() for name, text in hover.items())
    least = theme.least_said("saving in bits for an image", {name: r.detectable for name, r in named.items()})
    return theme.finish(
        fig, alt=f"Bits for the {label} of an image against images seen: {alt}.", caption=f"{CAPTION} {least}"
    )
