"""Figure of `FineTune`: accuracy against the number of labels, all weights moving, beside the frozen encoder and controls."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.probes.probe import CONTROL_MARKS
from sslviz.statistics import Score
from sslviz.transfer.tuned_answers import FROZEN, PIXELS, SCRATCH, TUNED, UNTRAINED, FineTune

MARKS = CONTROL_MARKS | {SCRATCH: "triangle-up-open"}
DASHES = {"chance": "dot", UNTRAINED: "dash", PIXELS: "longdash", SCRATCH: "dashdot"}
CHANCE = "control chance"  # its group in the legend
STEP = 1.035  # times as far right stands what else belongs to a number of labels, so that no interval hides another
BESIDE, LEAST = (
    0.1,
    0.35,
)  # decades: left and right of all numbers of labels, and of the whole axis however few they are
CAPTION = (
    "Filled: accuracy when all weights move; open, dashed: a readout of the frozen encoder; upright: 95 % intervals over "
    "draws of labels and images. Grey: the network from scratch with as many steps and rates tried, readouts of raw pixels and "
    "of the encoder untrained, chance. Intervals that overlap do not make two alike, as both had the same labels."
)


def fine_tune(results: FineTune | Mapping[str, FineTune], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """What does it give when all its weights may move?  Two curves per checkpoint over labels a class, controls in grey.

    `results` is a FineTune or {checkpoint: FineTune}.
    Caveat: a longer or better tuned training from scratch may close the gap.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig = go.Figure(_controls(named))
    apart = min(1.0, 4 / len(named))  # many checkpoints stand closer
    for i, (name, result) in enumerate(named.items()):
        shown = short[name] or "this checkpoint"
        for arm, words, look in (
            (FROZEN, f"{shown}, frozen", _OPEN),
            (TUNED, f"{shown}, {_WORDS[result.how]}", _FILLED),
        ):
            place = 2 * i + (arm == FROZEN)
            curve = _curve(result, arm, name, words, palette[name], look, STEP ** (apart * place))
            fig.add_trace(curve.update(legendrank=place + 1))
    ends = _ends(fig)
    for trace in fig.data:  # chance is the same for any number of labels
        if trace.legendgroup == CHANCE:
            trace.update(x=[10**end for end in ends], y=[trace.y[0]] * 2, text=[trace.text[0]] * 2, mode="lines")
    shots = sorted({int(k) for result in named.values() for k in result.shots})
    labels = " and ".join(dict.fromkeys(result.label for result in named.values()))
    legend = [trace.name for trace in fig.data if trace.showlegend is not False]
    fig.update_layout(
        height=380 + theme.legend_room(legend),
        xaxis={
            "title": {"text": "labelled images a class"},
            "type": "log",
            "range": ends,
            "tickvals": shots,
            "ticktext": [*map(str, shots)],
        },
        yaxis={"title": {"text": f"{labels} accuracy (0 to 1)"}, "range": [0, 1.03], "dtick": 0.2},
    )
    parts = [f"{name or 'this checkpoint'}: {_said(result)}" for name, result in named.items()]
    alt = f"Accuracy of fine-tuned networks against labels a class, beside their controls. {'; '.join(parts)}."
    return theme.finish(fig, alt=alt, caption=CAPTION)


_WORDS = {"linear": "head only", "full": "fine-tuned", "linear_then_full": "fine-tuned"}
_FILLED: dict[str, Any] = {"symbol": "circle", "dash": "solid", "width": 2.5}
_OPEN: dict[str, Any] = {"symbol": "circle-open", "dash": "dash", "width": 1.5}


def _ends(fig: go.Figure) -> list[float]:
    """The ends of the axis, in powers of ten: with one number of labels, what belongs to it stands together in the middle."""
    places = np.log10(np.concatenate([np.asarray(trace.x, float) for trace in fig.data]))
    reach = max(np.ptp(places) / 2 + BESIDE, LEAST / 2)
    return [float((places.min() + places.max()) / 2 + side * reach) for side in (-1, 1)]


def _curve(
    result: FineTune, arm: str, name: str, words: str, color: str, look: Mapping[str, Any], shift: float
) -> go.Scatter:
    """The line of one arm, with its intervals."""
    scores = result.by_shots(arm)
    hover = [
        f"<b>{escape(name)}</b> {arm}, {k} labels a class, {result.predicted.shape[2]} draws: {score}"
        for k, score in zip(result.shots, scores, strict=True)
    ]
    return go.Scatter(
        x=result.shots * shift,
        y=[score.value for score in scores],
        error_y=_reach(scores, color, look["width"]),
        mode="lines+markers",
        name=words,
        line={"color": color, "width": look["width"], "dash": look["dash"]},
        marker={"color": color, "size": 9, "symbol": look["symbol"]},
        text=hover,
        hovertemplate="%{text}<extra></extra>",
    )


def _reach(scores: list[Score], color: str, width: float) -> dict[str, Any] | None:
    ends = [(s.high - s.value, s.value - s.low) for s in scores if s.low is not None and s.high is not None]
    if len(ends) < len(scores):
        return None
    up, down = zip(*ends, strict=True)
    return {"array": up, "arrayminus": down, "color": color, "thickness": width, "width": 0}


def _controls(named: Mapping[str, FineTune]) -> list[go.Scatter]:
    """The grey curves of all checkpoints; one that several share, such as chance, is drawn once."""
    drawn: dict[tuple[object, ...], go.Scatter] = {}
    for result in named.values():
        for arm in ("chance", PIXELS, UNTRAINED, SCRATCH):
            scores = result.by_shots(arm) if arm != "chance" else [Score(result.chance)] * len(result.shots)
            key = (arm, *result.shots, *(score.value for score in scores))
            drawn.setdefault(key, _control(arm, result, scores))
    traces = [*drawn.values()]
    for i, trace in enumerate(traces):
        trace.showlegend = trace.legendgroup not in {before.legendgroup for before in traces[:i]}
    return traces


def _control(arm: str, result: FineTune, scores: list[Score]) -> go.Scatter:
    shift = 1 / STEP if arm == SCRATCH else 1.0
    return go.Scatter(
        x=result.shots * shift,
        y=[score.value for score in scores],
        error_y=_reach(scores, theme.CONTROL, 1.5) if arm == SCRATCH else None,
        mode="lines+markers",
        name="from scratch (control)" if arm == SCRATCH else f"{arm} (control)",
        legendgroup=CHANCE if arm == "chance" else f"control {arm}",
        legendrank=2000,  # after the checkpoints, though drawn below them
        line={"color": theme.CONTROL, "width": 1.5, "dash": DASHES[arm]},
        marker={"color": theme.CONTROL, "size": 8, "symbol": MARKS[arm]},
        text=[f"<b>{arm}</b> (control): {score.text}" for score in scores],
        hovertemplate="%{text}<extra></extra>",
    )


def _said(result: FineTune) -> str:
    return ", ".join(f"{what} {score}" for what, score in result.scores().items())
