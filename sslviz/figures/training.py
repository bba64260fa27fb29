"""Is it learning, or only lowering its loss?  Loss beside what the features are worth, run over run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group

PANELS = {
    "loss": "loss (of its method)",
    "knn": "kNN accuracy (0 to 1)",
    "rankme": "RankMe (directions)",
    "std": "std per dimension",
}
CAPTION = (
    "Grey: the same encoder before its first step; dotted grey: std where all directions are used alike, 1/√d. "
    "Losses of different methods are on different scales; a low loss says nothing about the features."
)


def training(
    histories: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    columns: Sequence[str] | None = None,
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """Is it learning, or only lowering its loss?  One panel per column of the history over epochs, runs overlaid.

    `histories` is a run's history or {run: history}; `columns` are by default loss, knn, rankme and std, as far
    as any run has them.  The value at step 0 is the control, a grey line.  ValueError if no run has any of the columns.
    Caveat: the loss of one method cannot be compared with that of another.
    """
    given: Any = histories  # a table has columns, a dict has runs
    runs: dict[str, pd.DataFrame] = {"": given} if isinstance(given, pd.DataFrame) else theme.as_dict(given)
    candidates = list(columns or PANELS)
    shown = [c for c in candidates if any(c in h and h[c].notna().any() for h in runs.values())]
    if not shown:
        raise ValueError(
            f"The history holds none of {', '.join(candidates)}; train, or choose columns that were logged."
        )
    across = 2 if len(shown) > 1 else 1
    down = -(-len(shown) // across)
    fig = make_subplots(rows=down, cols=across, horizontal_spacing=0.11, vertical_spacing=0.09, shared_xaxes="columns")
    palette, short = theme.colors(runs, colors), theme.short_names(runs)
    for i, column in enumerate(shown):
        at = {"row": i // across + 1, "col": i % across + 1}
        fig.add_traces(_controls(runs, column), rows=at["row"], cols=at["col"])
        for name, history in runs.items():
            fig.add_trace(_curve(history, column, name, short[name], palette[name], legend=i == 0), **at)
        fig.update_yaxes(title_text=PANELS.get(column, column), **at)
        bottom = i + across >= len(shown)
        fig.update_xaxes(title_text="epoch" if bottom else None, showticklabels=bottom, **at)
    for axis in (fig.layout[f"{xy}axis{n}"] for n in range(len(shown) + 1, across * down + 1) for xy in "xy"):
        axis.visible = False  # an odd number of panels leaves one place empty
    one_entry_a_group(sorted(fig.data, key=lambda trace: "control" in trace.name))
    fig.update_layout(height=235 * down + 40 + theme.legend_room([*short.values(), "isotropic, 1/√d", "untrained"]))
    return theme.finish(fig, alt=_alt(runs, shown), caption=CAPTION)


def _curve(history: pd.DataFrame, column: str, name: str, short: str, color: str, *, legend: bool) -> go.Scatter:
    rows = history[history[column].notna()] if column in history else history.iloc[:0]
    return go.Scatter(
        x=rows["epoch"],
        y=rows[column] if column in rows else [],
        name=short or "this run",
        legendgroup=f"run {name}",
        showlegend=legend,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={"size": 4, "color": color},
        hovertemplate=f"<b>{escape(name)}</b><br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _controls(runs: Mapping[str, pd.DataFrame], column: str) -> list[go.Scatter]:
    """Grey lines: each run's value at step 0, and for std what isotropic features read; equal lines are drawn once."""
    last = max(float(history["epoch"].max()) for history in runs.values())
    lines: dict[tuple[str, float], list[str]] = {}
    for name, history in runs.items():
        for kind, values in _control_values(history, column).items():
            if len(values):
                lines.setdefault((kind, round(float(values.iloc[0]), 9)), []).append(name)
    return [
        go.Scatter(
            x=np.linspace(0, last, 9),
            y=np.full(9, value),
            name=f"{kind} (control)",
            legendgroup=kind,
            mode="lines",
            line={"color": theme.CONTROL, "width": 1.5, "dash": "solid" if kind == "untrained" else "dot"},
            hovertemplate=f"<b>{kind}</b> (control): {value:.3g}<br>{escape(', '.join(names))}<extra></extra>",
        )
        for (kind, value), names in lines.items()
    ]


def _control_values(history: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    if column not in history:
        return {}
    values = {"untrained": history.loc[history["step"] == 0, column].dropna()}
    if column == "std" and "std_isotropic" in history:
        values["isotropic, 1/√d"] = history["std_isotropic"].dropna()
    return values


def _alt(runs: Mapping[str, pd.DataFrame], shown: Sequence[str]) -> str:
    parts = []
    for name, history in runs.items():
        moved = [
            f"{column} {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}"
            for column in shown
            if column in history and len(values := history[column].dropna())
        ]
        parts.append(f"{name or 'this run'}: {', '.join(moved)}")
    return f"Training curves over epochs. {'; '.join(parts)}."
