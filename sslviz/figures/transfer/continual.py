"""Figure of `Continual`: the accuracy on each task after each training, and what is left at the end beside the controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.continual.continual_result import FROZEN, JOINT, PLAIN, UNTRAINED, Continual

COLOR, FULL = theme.CLASS_COLORS[0], 0.55  # of no checkpoint; translucent, to fade into light and dark paper alike
TOP, CELL, BETWEEN = 46, 30, 96  # pixels: above the matrices, of a row of one, and below it for its axis and titles
LEAST = 110  # pixels of a matrix, however few its tasks
WRITTEN = 6  # tasks up to which the numbers fit into the cells of four matrices side by side
ALL_TASKS = "joint training"
WORDS = {"accuracy": "accuracy", "forgetting": "forgotten", "lost_features": "lost by features"}
CAPTION = (
    "Matrices: accuracy on each task after learning each, darker is more; downwards one reads what is kept. Dots: "
    "accuracy over all tasks at the end (more is better), what was forgotten, and what no new head brings back (less is "
    "better), with 95 % intervals over pictures. Grey: encoders not trained further, joint training, the plain sequence.{how}"
)
CALLED = {"ewc": "EWC"}  # of the ways, which are called otherwise than they are asked for
AGAINST_FORGETTING = {
    "replay": "shows old pictures again",
    "ewc": "holds weights that mattered",
    "distillation": "holds old answers",
}


def continual(results: Continual | Mapping[str, Continual], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One matrix for each way and checkpoint, and below them what is left at the end beside the controls.

    `results` is a Continual or {checkpoint: Continual}.
    Caveat: own heads are told which task a picture belongs to; without that, accuracies would be lower.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 20)
    ways = list(dict.fromkeys(way for result in named.values() for way in result.how))
    series = {name: list(_dots(result)) for name, result in named.items()}
    below = dots(
        series, palette=palette, x_title="accuracy, or accuracy lost (0 to 1)", x_range=_ends(series), zero=True
    )
    most = max(len(result.tasks) for result in named.values())
    matrix = max(LEAST, CELL * most)
    height = TOP + (matrix + BETWEEN) * len(named) + below.layout.height
    fig = make_subplots(
        rows=len(named) + 1,
        cols=len(ways),
        specs=[[{}] * len(ways)] * len(named) + [[{"colspan": len(ways)}] + [None] * (len(ways) - 1)],
        row_heights=[matrix] * len(named) + [below.layout.height - 90],
        vertical_spacing=BETWEEN / height,
        horizontal_spacing=0.04,
        subplot_titles=[
            called
            if col or not name
            else f"<b>{escape(short[name])}</b><br>{called}"  # the name above the first of a row
            for name in named
            for col, called in enumerate(CALLED.get(way, way) for way in ways)
        ],
    )
    fig.update_annotations(font_size=12)
    for row, (name, result) in enumerate(named.items(), start=1):
        for col, way in enumerate(ways, start=1):
            if way in result.how:
                fig.add_trace(_matrix(result, way, name), row=row, col=col)
            _axes(fig, result, row, col, visible=way in result.how)
    for trace in below.data:
        fig.add_trace(trace, row=len(named) + 1, col=1)
    last = {"row": len(named) + 1, "col": 1}
    fig.update_xaxes(below.layout.xaxis.to_plotly_json(), **last)
    fig.update_yaxes(below.layout.yaxis.to_plotly_json(), **last)
    fig.update_layout(height=round(height), margin_t=TOP)
    caption = CAPTION.format(how=_against_forgetting(ways))
    return theme.finish(fig, alt=_alt(named), caption=f"{caption} {_tasks(named)}")


def _matrix(result: Continual, way: str, name: str) -> go.Heatmap:
    """Accuracies of 0 to 1, on one scale for all matrices; what was not measured is left empty."""
    table, n = result.matrix(way), len(result.tasks)
    known = np.isfinite(table)
    rgb = ",".join(str(int(COLOR[i : i + 2], 16)) for i in (1, 3, 5))
    said = f"<b>{escape(name)}</b> {way}".replace("<b></b> ", "")
    return go.Heatmap(
        z=[
            [round(float(v), 4) if ok else None for v, ok in zip(*line, strict=True)]
            for line in zip(table, known, strict=True)
        ],
        x=list(range(1, n + 1)),
        y=list(range(1, n + 1)),
        name=way,
        zmin=0,
        zmax=1,
        colorscale=[f"rgba({rgb},0.02)", f"rgba({rgb},{FULL})"],
        showscale=False,
        xgap=1,
        ygap=1,
        text=[
            [f"{v:.2f}" if ok else "" for v, ok in zip(*line, strict=True)] for line in zip(table, known, strict=True)
        ],
        texttemplate="%{text}" if n <= WRITTEN else None,
        hovertext=[
            [f"{said}<br>task {j + 1}: {escape(', '.join(result.tasks[j]))}<br>after task {i + 1}" for j in range(n)]
            for i in range(n)
        ],
        hovertemplate="%{hovertext}<br>accuracy %{z:.3f}<extra></extra>",
    )


def _axes(fig: go.Figure, result: Continual, row: int, col: int, *, visible: bool) -> None:
    """Tasks by number; titles where there is room for them: below each matrix, and left of the first."""
    n = len(result.tasks)
    plain = {"tickvals": list(range(1, n + 1)), "showgrid": False, "ticks": "", "showline": False, "fixedrange": True}
    fig.update_xaxes(**plain, title_text="on task", title_font_size=12, visible=visible, row=row, col=col)
    title = "after task" if col == 1 else ""
    fig.update_yaxes(
        **plain, title_text=title, title_font_size=12, autorange="reversed", visible=visible, row=row, col=col
    )


def _dots(result: Continual) -> Iterator[Dot]:
    """Rows of each number, way by way."""
    scores = result.scores()
    joint = float(result.of_tasks(result.joint).mean())
    for what, word in WORDS.items():
        for way in result.how:
            score = scores[f"{way} {what}"]
            controls = {key: score.controls[key] for key in (FROZEN, UNTRAINED) if key in score.controls}
            controls |= {ALL_TASKS: joint} if what == "accuracy" else {}
            controls |= {PLAIN: score.controls[PLAIN]} if PLAIN in score.controls else {}
            text = f"{len(result.ids):,} pictures of {result.label}, {len(result.tasks)} tasks"
            yield Dot(f"{word}, {CALLED.get(way, way)}", score.value, score.low, score.high, controls, text)


def _ends(series: Mapping[str, list[Dot]]) -> tuple[float, float]:
    lowest = min(min(dot.value, dot.low if dot.low is not None else 0.0) for own in series.values() for dot in own)
    return min(-0.02, lowest - 0.02), 1.02


def _against_forgetting(ways: list[str]) -> str:
    """What each way does, in a sentence; empty where none does anything."""
    told = ", ".join(f"{CALLED.get(way, way)} {AGAINST_FORGETTING[way]}" for way in ways if way in AGAINST_FORGETTING)
    return f" {told[:1].upper()}{told[1:]}." if told else ""


def _tasks(named: Mapping[str, Continual]) -> str:
    """The tasks in words, once where they are the same for all."""
    each = {name: " | ".join(", ".join(task) for task in result.tasks) for name, result in named.items()}
    if len(set(each.values())) == 1:
        return f"Tasks: {next(iter(each.values()))}."
    return " ".join(f"Tasks of {name}: {tasks}." for name, tasks in each.items())


def _alt(named: Mapping[str, Continual]) -> str:
    parts = []
    for name, result in named.items():
        for way in result.how:
            accuracy, lost = (result.scores()[f"{way} {what}"].text for what in ("accuracy", "forgetting"))
            parts.append(f"{name} {way}: accuracy {accuracy}, forgotten {lost}".strip())
    joint = ", ".join(f"{name} {r.scores()[f'{JOINT} accuracy'].value_text}".strip() for name, r in named.items())
    return f"Accuracy on each task after each training. {'; '.join(parts)}; joint training: {joint}."
