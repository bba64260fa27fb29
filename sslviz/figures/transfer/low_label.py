"""Figure of `LowLabel`: accuracy against the number of labels, beside controls that had the same labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.probes.probe import CONTROL_MARKS
from sslviz.statistics import Score
from sslviz.transfer.low_label_result import ALL_LABELS, SCRATCH, LowLabel, shots_said

MARKS = CONTROL_MARKS | {SCRATCH: "triangle-up-open"}
WORDS = {"untrained": "the encoder untrained", "pixels": "raw pixels", SCRATCH: "training from scratch"}
DASHES = {"chance": "dot", "untrained": "dash", "pixels": "longdash", SCRATCH: "dashdot"}
GAP = 2.2  # how many times the most labels a class "all" stands at: apart from them, on an axis of factors
BESIDE = 1.05  # times as far right stands the next checkpoint's dot at "all", so that none hides another
BAND = 0.18  # opacity
CAPTION = (
    "Line and band: accuracy, every class counting the same, with its 95 % interval over draws of labels and images{dots}. "
    "Grey: what the same readout gets out of the controls with the same labels."
)
DOTS = "; small dots: the single draws"
NOT_TO_CONCLUDE = "Two whose bands overlap need not be alike, as both had the same labels."


def low_label(results: LowLabel | Mapping[str, LowLabel], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """What is it worth with few labels?  One curve per checkpoint over labels a class, controls in grey.

    `results` is a LowLabel or {checkpoint: LowLabel}.  "all", to the right, is one fit to all labels.
    Caveat: draws that share images spread too little; their band holds for these images only.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    shots = sorted({int(k) for result in named.values() for k in result.shots})
    most = GAP * shots[-1]
    fig = go.Figure(_distinct_controls(named, most))
    for i, (name, result) in enumerate(named.items()):
        at = most * BESIDE ** (i - (len(named) - 1) / 2)
        fig.add_traces([*_curve(result, name, short[name] or "this checkpoint", palette[name], at)])
        if len(named) == 1 and result.draws > 1:
            fig.add_trace(_draws(result, name, palette[name]))
    labels = " and ".join(dict.fromkeys(result.label for result in named.values()))
    ticks = {"tickvals": [*shots, most], "ticktext": [*map(str, shots), "all"]}
    legend = [trace.name for trace in fig.data if trace.showlegend is not False]
    fig.update_layout(
        height=380 + theme.legend_room(legend),
        xaxis={"title": {"text": "labelled images a class"}, "type": "log", **ticks},
        yaxis={"title": {"text": f"{labels} accuracy (0 to 1)"}, "range": [0, 1.03], "dtick": 0.2},
    )
    return theme.finish(fig, alt=_alt(named), caption=_caption(named))


def _curve(result: LowLabel, name: str, shown: str, color: str, at: float) -> Iterator[go.Scatter]:
    """The band, the line, and the dot of all labels."""
    by_shots = [result.scores()[shots_said(k)] for k in result.shots]
    if all(score.low is not None for score in by_shots):
        rgb = ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
        ends = [score.low for score in by_shots] + [score.high for score in by_shots][::-1]
        yield go.Scatter(
            x=[*result.shots, *result.shots[::-1]],
            y=ends,
            fill="toself",
            fillcolor=f"rgba({rgb},{BAND})",
            mode="none",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
        )
    words = [f"{shots_said(k)}, {result.draws} draws: {s}" for k, s in zip(result.shots, by_shots, strict=True)]
    yield _line(result.shots, [score.value for score in by_shots], name, shown, color, words)
    of_all = result.scores()[ALL_LABELS]
    dot = _line([at], [of_all.value], name, shown, color, [f"all {result.n_fit:,} labels: {of_all}"])
    yield dot.update(showlegend=False, mode="markers", error_y=_reach(of_all, color))


def _line(x: object, y: object, name: str, shown: str, color: str, words: list[str]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=shown,
        legendgroup=name,
        line={"color": color, "width": 2.5},
        marker={"color": color, "size": 8},
        text=[f"<b>{escape(name)}</b><br>{text}" for text in words],
        hovertemplate="%{text}<extra></extra>",
    )


def _reach(score: Score, color: str) -> dict[str, object] | None:
    if score.low is None or score.high is None:
        return None
    up, down = [score.high - score.value], [score.value - score.low]
    return {"array": up, "arrayminus": down, "color": color, "thickness": 2.5, "width": 0}


def _draws(result: LowLabel, name: str, color: str) -> go.Scatter:
    """The accuracy of every draw."""
    return go.Scatter(
        x=np.repeat(result.shots, result.draws),
        y=result.accuracy.ravel(),
        mode="markers",
        legendgroup=name,
        showlegend=False,
        marker={"color": color, "size": 4, "opacity": 0.6},
        hovertemplate="one draw: %{y:.2f}<extra></extra>",
    )


def _distinct_controls(named: Mapping[str, LowLabel], most: float) -> list[go.Scatter]:
    """The controls of all checkpoints; a curve that several share, such as chance, is drawn once."""
    drawn: dict[tuple[object, ...], go.Scatter] = {}
    for result in named.values():
        lines: dict[str, dict[float, float]] = {}
        for control, of_all in result.scores()[ALL_LABELS].controls.items():
            by_shots = {float(k): result.scores()[shots_said(k)].controls[control] for k in result.shots}
            lines[control] = by_shots | {most: of_all}
        if result.scratch:
            lines[SCRATCH] = {float(k): float(values.mean()) for k, values in result.scratch.items()}
        for control, points in lines.items():
            drawn.setdefault((control, *points.items()), _control(control, points))
    traces = [*drawn.values()]
    for i, trace in enumerate(traces):
        trace.showlegend = trace.legendgroup not in {before.legendgroup for before in traces[:i]}
    return traces


def _control(control: str, points: Mapping[float, float]) -> go.Scatter:
    kind = control.partition(" (seed")[0]
    return go.Scatter(
        x=[*points],
        y=[*points.values()],
        mode="lines+markers",
        name=f"{kind} (control)",
        legendgroup=f"control {kind}",
        legendrank=2000,  # after the checkpoints, though drawn below them
        line={"color": theme.CONTROL, "width": 1.5, "dash": DASHES.get(kind, "dash")},
        marker={"color": theme.CONTROL, "size": 8, "symbol": MARKS.get(kind, "x")},
        hovertemplate=f"<b>{escape(control)}</b> (control): %{{y:.2f}}<extra></extra>",
    )


def _caption(named: Mapping[str, LowLabel]) -> str:
    dots = DOTS if len(named) == 1 and next(iter(named.values())).draws > 1 else ""
    most = max(named.values(), key=lambda result: result.shared.max())
    overlap = (
        f" At {shots_said(most.shots[-1])} draws share {100 * most.shared[-1]:.0f} % of their images, which narrows the band."
        if most.shared[-1] > 0
        else ""
    )
    return f"{CAPTION.format(dots=dots)} {_matched(named)}{NOT_TO_CONCLUDE}{overlap}"


def _matched(named: Mapping[str, LowLabel]) -> str:
    """How many labels of the best one replace how many of the other, or of its strongest control; a sentence, or nothing."""
    best = max(named, key=lambda name: named[name].scores()[shots_said(named[name].shown)].value)
    this, rest = named[best], [name for name in named if name != best]
    if this.scores()[shots_said(this.shown)].beats_control is False:
        return ""  # no number of labels says anything of one that is no better than its control
    if len(rest) == 1 and (other := named[rest[0]]).label == this.label and set(other.ids) == set(this.ids):
        found, name = this.labels_to_match(other), rest[0]
    else:
        controls = this.scores()[shots_said(this.shown)].controls
        known = [SCRATCH] if this.scratch else sorted(this.control_correct, key=lambda one: -controls[one])
        if not known:
            return ""
        found, name = this.labels_to_match(known[0]), WORDS.get(known[0], known[0])
    return f"{found.sentence(best or 'this checkpoint', name)}. "


def _alt(named: Mapping[str, LowLabel]) -> str:
    parts = [
        f"{name or 'this checkpoint'}: {', '.join(f'{what} {score}' for what, score in result.scores().items())}"
        for name, result in named.items()
    ]
    return f"Accuracy of a readout against the labels it was fitted to, beside its controls. {'; '.join(parts)}."
