"""Figure of `NoiseTolerance`: accuracy on true labels against the share of wrong labels fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group
from sslviz.transfer.noise_tolerance import KNOWN, READOUTS, NoiseTolerance

TITLES = {"linear": "linear readout", "neighbours": "vote of neighbours"}
LOOKS = {  # of the grey lines: dash and mark
    "chance": ("solid", "line-ew"),
    "pixels": ("solid", "square-open"),
    "untrained": ("solid", "circle-open"),
    KNOWN: ("dot", "triangle-up-open"),
}
CAPTION = (
    "Lines: accuracy on true labels, classes counted alike, after a fit to labels of which this share is wrong. "
    "Grey: chance, the same readouts of the controls, and (dotted) a fit to the images whose labels stayed true. "
    "What lies below the dotted line is the harm of wrong labels, not of fewer images; people's mistakes do more harm."
)


def noise_tolerance(
    results: NoiseTolerance | Mapping[str, NoiseTolerance], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One panel for each readout, one line per checkpoint.

    `results` is a NoiseTolerance or {checkpoint: NoiseTolerance}; a control that is the same line twice is drawn once.
    Caveat: one set of wrong labels was drawn; lines wobble by as much as another set would move them.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    drawn: set[bytes] = set()
    for name, result in named.items():
        for column, readout in enumerate(READOUTS, 1):
            for control, values in _controls(result, readout).items():
                key = f"{control} {readout}".encode() + values.tobytes() + result.realised.tobytes()
                if key not in drawn:
                    fig.add_trace(_grey(result.realised, values, control, name), row=1, col=column)
                drawn.add(key)
    for name, result in named.items():
        for column, readout in enumerate(READOUTS, 1):
            fig.add_trace(
                _line(result, readout, name, short[name] or "this checkpoint", palette[name]), row=1, col=column
            )
    one_entry_a_group(fig.data)
    legend = dict.fromkeys(trace.name for trace in fig.data)
    fig.update_layout(height=370 + theme.legend_room(legend))
    fig.update_yaxes(range=[0, 1.03])
    fig.update_yaxes(title_text="accuracy on true labels (0 to 1)", col=1)
    for column, readout in enumerate(READOUTS, 1):
        fig.update_xaxes(title_text=f"share of wrong labels, {TITLES[readout]}", tickformat=".0%", col=column)
    told = "; ".join(
        f"{name or 'this checkpoint'}: " + ", ".join(f"{r} {result.scores()[r]}" for r in READOUTS)
        for name, result in named.items()
    )
    return theme.finish(fig, alt=f"Accuracy averaged over shares of wrong labels. {told}.", caption=CAPTION)


def _controls(result: NoiseTolerance, readout: str) -> dict[str, np.ndarray]:
    """{control: accuracy at each rate}."""
    values = {"chance": np.full(len(result.rates), result.chance)}
    values |= {name: result.accuracy(correct[readout]) for name, correct in result.control_correct.items()}
    return values | {KNOWN: result.accuracy(result.known_correct[readout])}


def _grey(x: np.ndarray, y: np.ndarray, control: str, owner: str) -> go.Scatter:
    dash, symbol = LOOKS.get(control.partition(" (")[0], ("solid", "diamond-open"))
    return go.Scatter(
        x=x,
        y=y,
        mode="lines" if control == "chance" else "lines+markers",
        name=f"{control} (control)",
        legendgroup=control,
        line={"color": theme.CONTROL, "width": 1.2, "dash": dash},
        marker={"symbol": symbol, "size": 8, "color": theme.CONTROL},
        text=[f"<b>{escape(control)}</b> (control)<br>{escape(owner)} {value:.3g}" for value in y],
        hovertemplate="%{text}<extra></extra>",
    )


def _line(result: NoiseTolerance, readout: str, name: str, short: str, color: str) -> go.Scatter:
    accuracy = result.accuracy(result.correct[readout])
    return go.Scatter(
        x=result.realised,
        y=accuracy,
        mode="lines+markers",
        name=short,
        legendgroup=f"checkpoint {name}",
        line={"color": color, "width": 2.5},
        marker={"color": color, "size": 7},
        text=[
            f"<b>{escape(name)}</b> {TITLES[readout]}<br>{rate:.0%} wrong labels: {value:.3g}"
            for rate, value in zip(result.realised, accuracy, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
