"""Figure of `Adaptation`: accuracy with each way to adapt, where classes are as frequent as at home and where they are not."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.adaptation import Adaptation
from sslviz.transfer.target_streams import NONE, STREAMS, TRAINED_THERE

WAYS = {"statistics": "statistics", "coral": "CORAL", "tent": "Tent", TRAINED_THERE: "with labels"}
STREAM_WORDS = {
    "balanced": "balanced",
    "label_shift": "85 % one class",
    "class_sorted": "class by class",
}
CAPTION = (
    "Dot and line: the accuracy of one readout in the target with each adaptation, and its 95 % interval. Grey tick: "
    "without any. Left of its tick an adaptation costs more than it wins, as where classes come in other shares than at home."
)


def adaptation(results: Adaptation | Mapping[str, Adaptation], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per stream of the target and way to adapt, beside no adaptation.

    `results` is an Adaptation or {checkpoint: Adaptation}.  The hover text holds the paired gain.
    Caveat: a gain on a balanced target says nothing about a stream whose classes come in other shares.
    """
    named = theme.as_dict(results)
    label = next(iter(named.values())).label
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title=f"accuracy of {label} in the target (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    alarms = [f"{name} {', '.join(result.alarms())}".strip() for name, result in named.items() if result.alarms()]
    said = f" Alarm, answers become one class: {'; '.join(alarms)}." if alarms else ""
    return theme.finish(fig, alt=f"Accuracy of {label} with adaptations. {summary}.", caption=CAPTION + said)


def _rows(result: Adaptation) -> list[Dot]:
    levels, scores = result.levels(), result.scores()
    rows = []
    for stream in STREAMS:
        for way in (*result.ways, TRAINED_THERE):
            level = levels[stream][way]
            name = way if stream == "balanced" else f"{way}_{stream}"
            gain = scores["target_trained" if way == TRAINED_THERE else name]
            hover = f"gains {gain.text}" if way != TRAINED_THERE or stream == "balanced" else ""
            row = f"{STREAM_WORDS[stream]}: {WAYS[way]}"
            rows.append(Dot(row, level.value, level.low, level.high, {"no adaptation": level.controls[NONE]}, hover))
    return rows


def _summary(result: Adaptation) -> str:
    scores = result.scores()
    won = ", ".join(f"{WAYS[way]} {scores[way].value_text}" for way in result.ways)
    lost = ", ".join(f"{WAYS[way]} {scores[f'{way}_class_sorted'].value_text}" for way in result.ways)
    return f"{result.levels()['balanced'][NONE].value:.2f} without; gains balanced {won}; class by class {lost}"
