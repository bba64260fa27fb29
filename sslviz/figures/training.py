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
from sslviz.figures.parts.marker import mark

PANELS = {
    "loss": "loss (of its method)",
    "knn": "kNN accuracy (0 to 1)",
    "rankme": "RankMe (directions)",
    "std": "std per dimension",
}
TERM = "loss_"  # how the history's columns of a method's terms begin
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
ACROSS, LABELS = 3, 0.5  # panels side by side; room for the names of the terms, as a share of the curves'
CAPTION = (
    "Grey: the same encoder before its first step; dotted grey: std where all directions are used alike, 1/√d. "
    "Losses of different methods are on different scales; a low loss says nothing about the features."
)

TERMS_CAPTION = (
    "Each line is a term as it enters the loss, times its weight. Dotted grey: what it was in the first epoch. A term that "
    "falls may do so at the cost of another, and none says what the features are worth."
)


def training(
    histories: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    columns: Sequence[str] | None = None,
    colors: Mapping[str, str] | None = None,
    at: Mapping[str, float] | None = None,
) -> go.Figure:
    """Is it learning, or only lowering its loss?  One panel per column of the history over epochs, runs overlaid.

    `histories` is a run's history or {run: history}; `columns` are by default loss, knn, rankme and std, as far as any
    run has them.  `at` {run: epoch} marks where each is looked at.  The value at step 0 is the control, a grey line.
    ValueError if no run has any of the columns.
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
        panel = {"row": i // across + 1, "col": i % across + 1}
        fig.add_traces(_controls(runs, column), rows=panel["row"], cols=panel["col"])
        for name, history in runs.items():
            fig.add_trace(_curve(history, column, name, short[name], palette[name], legend=i == 0), **panel)
        fig.update_yaxes(title_text=PANELS.get(column, column), **panel)
        bottom = i + across >= len(shown)
        fig.update_xaxes(title_text="epoch" if bottom else None, showticklabels=bottom, **panel)
    for axis in (fig.layout[f"{xy}axis{n}"] for n in range(len(shown) + 1, across * down + 1) for xy in "xy"):
        axis.visible = False  # an odd number of panels leaves one place empty
    one_entry_a_group(sorted(fig.data, key=lambda trace: "control" in trace.name))
    mark(fig, at or {}, palette)
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


def loss_terms(
    histories: pd.DataFrame | Mapping[str, pd.DataFrame], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """Which term of the loss falls?  One panel per run whose method has terms, one line per term, named at its end.

    `histories` is a run's history or {run: history}; runs without terms are left out.  ValueError if none has any.
    Caveat: terms of different methods are on different scales.
    """
    given: Any = histories
    every: dict[str, pd.DataFrame] = {"": given} if isinstance(given, pd.DataFrame) else theme.as_dict(given)
    runs = {name: history for name, history in every.items() if term_columns(history)}
    if not runs:
        raise ValueError(
            f"No history holds terms of a loss (columns {TERM}...); the methods of these runs have one each."
        )
    palette, short = theme.colors(every, colors), theme.short_names(runs)
    across = min(ACROSS, len(runs))
    down = -(-len(runs) // across)
    titles = [f"<b>{escape(short[name])}</b>" for name in runs]
    fig = make_subplots(
        rows=down, cols=across, subplot_titles=titles, horizontal_spacing=0.08, vertical_spacing=0.35 / (down + 1)
    )
    for i, (name, history) in enumerate(runs.items()):
        at = {"row": i // across + 1, "col": i % across + 1}
        lines = {column: history[history[column].notna()] for column in term_columns(history)}
        last = max(float(rows["epoch"].iloc[-1]) for rows in lines.values())
        heights = _apart({column: float(rows[column].iloc[-1]) for column, rows in lines.items()}, lines)
        for k, (column, rows) in enumerate(lines.items()):
            dash = DASHES[k % len(DASHES)]
            fig.add_trace(_first_epoch(rows, column), **at)
            fig.add_trace(_term(rows, column, name, palette[name], dash), **at)
            label = {"text": escape(column.removeprefix(TERM)), "x": last, "y": heights[column], "xshift": 6}
            fig.add_annotation(label | {"xanchor": "left", "showarrow": False, "font": {"size": 11}}, **at)
        fig.update_xaxes(title_text="epoch" if i + across >= len(runs) else None, range=[0, last * (1 + LABELS)], **at)
        fig.update_yaxes(title_text="term of the loss" if i % across == 0 else None, **at)
    one_entry_a_group([trace for trace in fig.data if trace.showlegend is not False])
    fig.update_layout(height=215 * down + 60, margin_t=36)
    return theme.finish(fig, alt=_terms_alt(runs), caption=TERMS_CAPTION)


def term_columns(history: pd.DataFrame) -> list[str]:
    """The columns of a history that hold the terms of a loss."""
    return [str(column) for column in history if str(column).startswith(TERM) and history[column].notna().any()]


def _term(rows: pd.DataFrame, column: str, name: str, color: str, dash: str) -> go.Scatter:
    term = escape(column.removeprefix(TERM))
    return go.Scatter(
        x=rows["epoch"],
        y=rows[column],
        name=term,
        legendgroup=f"run {name}",
        showlegend=False,
        mode="lines",
        line={"color": color, "width": 2, "dash": dash},
        hovertemplate=f"<b>{escape(name)}</b><br>{term}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _first_epoch(rows: pd.DataFrame, column: str) -> go.Scatter:
    first = float(rows[column].iloc[0])
    return go.Scatter(
        x=[0, float(rows["epoch"].iloc[-1])],
        y=[first, first],
        name="in the first epoch (control)",
        legendgroup="first",
        mode="lines",
        line={"color": theme.CONTROL, "width": 1, "dash": "dot"},
        hovertemplate=f"<b>{escape(column.removeprefix(TERM))}</b> in the first epoch (control): {first:.4g}<extra></extra>",
    )


def _apart(ends: Mapping[str, float], lines: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """{column: height of its name}: where its line ends, or as much above the next name as a line of text takes."""
    values = np.concatenate([rows[column].to_numpy(float) for column, rows in lines.items()])
    line = (float(values.max() - values.min()) or 1.0) / 9  # of text, in a panel this high
    heights: dict[str, float] = {}
    below = -np.inf
    for column in sorted(ends, key=ends.__getitem__):
        below = heights[column] = max(ends[column], below + line)
    return heights


def _terms_alt(runs: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    for name, history in runs.items():
        moved = [
            f"{column.removeprefix(TERM)} {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}"
            for column in term_columns(history)
            if len(values := history[column].dropna())
        ]
        parts.append(f"{name or 'this run'}: {', '.join(moved)}")
    return f"Terms of each loss over epochs. {'; '.join(parts)}."
