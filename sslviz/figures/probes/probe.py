"""Figures of `Probe`: accuracy with its interval beside the controls, and the confusion of classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.probes.probe import Probe
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import bars

CONTROL_MARKS = {
    "chance": "line-ns",
    "untrained": "circle-open",
    "pixels": "square-open",
    "color histogram": "diamond-open",
}
FULL_OPACITY = 0.42  # of a cell that holds a whole class
MAX_WRITTEN = 12  # classes whose cells are written out and have a row of full height
METHOD_WORDS = {"knn": "kNN", "linear": "linear", "mlp": "small-network"}
CAPTION = (
    "Dot and line: accuracy, every class counting the same, with its 95 % interval over images. Grey: what the same "
    "probe reads out of the controls; a dot in the grey zone adds nothing to them."
)
CONFUSION_CAPTION = (
    "Each row is a class, each cell the share of its images read as the column's class. Right: the share read rightly; "
    "grey: chance."
)


def probe(results: Probe | Mapping[str, Probe], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per checkpoint: what can be read out of the features, beside what can be read out of the controls.

    `results` is a Probe or {checkpoint: Probe}; probes of different labels are grouped by label.  Each control has its own
    grey mark: a tick for chance, a ring for an untrained encoder, a square for raw pixels.  The grey zone ends at the
    strongest.
    Caveat: what can be read out need not be used, and raw pixels already give a readout a lot.
    """
    named = theme.as_dict(results)
    scores = {name: {f"{result.label} accuracy": result.scores()["accuracy"]} for name, result in named.items()}
    fig, rows = bars(scores, colors or {}, {}, CONTROL_MARKS)
    fig.data = [trace for trace in fig.data if trace.mode != "text"]  # the ends of the scale: here the axis says them
    methods = " and ".join(dict.fromkeys(METHOD_WORDS.get(result.method, result.method) for result in named.values()))
    fig.update_xaxes(visible=True, dtick=0.2, title_text=f"{methods} accuracy, classes counted alike (0 to 1)")
    fig.layout.height += 70  # the axis, and a second line of the legend
    summary = "; ".join(f"{row.checkpoint} {row.name} {row.score}".strip() for row in rows)
    return theme.finish(fig, alt=f"Accuracy of a {methods} probe beside its controls. {summary}.", caption=CAPTION)


def confusion(result: Probe, *, color: str = theme.CHECKPOINT_COLORS[0]) -> go.Figure:
    """Shares of each class read as each other one, a heat map, and beside it the share read rightly.

    `result` is one Probe with c classes; cells are written out up to 12 classes.  Chance is the grey line on the right.
    Caveat: shares of a class with few images are coarse; the hover text says how many there are.
    """
    counts, names = result.confusion, [str(name) for name in result.classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    fig = make_subplots(cols=2, column_widths=[0.78, 0.22], shared_yaxes=True, horizontal_spacing=0.02)
    fig.add_trace(_cells(counts, shares, names, color), row=1, col=1)
    fig.add_traces(_recall(result, shares.diagonal(), names, color), rows=1, cols=2)
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", showline=False)
    fig.update_yaxes(title_text=f"true {result.label}", col=1)
    # Names that do not fit beside each other end below their columns: to the right they would run into the next panel.
    fig.update_xaxes(autotickangles=[0, -30, -90], showgrid=False, ticks="", showline=False, col=1)
    fig.update_xaxes(title_text=f"predicted {result.label}", col=1)
    fig.update_xaxes(title_text="right (0 to 1)", range=[-0.03, 1.03], dtick=0.5, col=2)
    fig.update_layout(height=max(240, 34 * min(len(names), MAX_WRITTEN) + 17 * max(0, len(names) - MAX_WRITTEN) + 130))
    worst = int(np.argmin(shares.diagonal()))
    alt = (
        f"Confusion of {len(names)} classes of {result.label}; accuracy {result.accuracy:.2f}, "
        f"chance {result.chance:.2f}; read rightly least often: {names[worst]}, {shares[worst, worst]:.2f}."
    )
    return theme.finish(fig, alt=alt, caption=CONFUSION_CAPTION)


def _cells(counts: np.ndarray, shares: np.ndarray, names: list[str], color: str) -> go.Heatmap:
    # Translucent, so that cells fade into light and dark paper alike and the text on them stays readable.
    rgb = ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
    return go.Heatmap(
        z=shares,
        x=names,
        y=names,
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=1,
        ygap=1,
        colorscale=[f"rgba({rgb},0.02)", f"rgba({rgb},{FULL_OPACITY})"],
        customdata=counts,
        texttemplate="%{z:.2f}" if len(names) <= MAX_WRITTEN else None,
        hovertemplate="%{y} read as %{x}: %{z:.1%}<br>%{customdata} images<extra></extra>",
    )


def _recall(result: Probe, recall: np.ndarray, names: list[str], color: str) -> list[go.Scatter]:
    chance = go.Scatter(
        x=[result.chance] * len(names),
        y=names,
        mode="lines+markers",
        name="chance (control)",
        line={"color": theme.CONTROL, "width": 2.5},
        marker={"size": 1},
        hovertemplate=f"<b>chance</b> (control): {result.chance:.3g}<extra></extra>",
    )
    dots = go.Scatter(
        x=recall,
        y=names,
        mode="markers",
        name="read rightly",
        showlegend=False,
        marker={"color": color, "size": 9.5},
        hovertemplate="%{y}: %{x:.1%} read rightly<extra></extra>",
    )
    return [chance, dots]
