"""Figure of `Shift`: accuracy at home, in the target, and there by a readout fitted there, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.shift import Shift

ROWS = {
    "source": "at home",
    "accuracy": "in the target",
    "ceiling": "in the target, fitted there",
}
CAPTION = (
    "Dot and line: the accuracy of one readout at home and in the target, and of one fitted on the target, with 95 % "
    "intervals. Grey: the same for chance, raw pixels and the encoder untrained."
)


def shift(results: Shift | Mapping[str, Shift], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Three rows: at home, in the target, and in the target by a readout fitted there.

    `results` is a Shift or {checkpoint: Shift}.  The hover text holds the drop and the distances.
    Caveat: domains that are easily told apart may cost a readout nothing.
    """
    named = theme.as_dict(results)
    label = next(iter(named.values())).label
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title=f"accuracy of {label}, classes alike (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    distances = "; ".join(f"{name} {_apart(result)}".strip() for name, result in named.items())
    said = f"How far apart the domains lie (proxy A-distance, 0 to 2; p of MMD): {distances}"
    return theme.finish(fig, alt=f"Accuracy of {label} in two domains. {summary}.", caption=f"{CAPTION} {said}.")


def _rows(result: Shift) -> list[Dot]:
    scores, rows = result.scores(), []
    hover = {
        "source": f"fitted on {result.n_fit:,} images of the source",
        "accuracy": f"drop {scores['drop'].text}",
        "ceiling": f"fitted on {result.n_fit_target:,} images of the target; wins {scores['recoverable'].text}",
    }
    for name, level in result.levels().items():
        rows.append(Dot(ROWS[name], level.value, level.low, level.high, level.controls, hover[name]))
    return rows


def _apart(result: Shift) -> str:
    scores = result.scores()
    return f"{scores['proxy_a'].value_text}, p = {result.p:.2g}"


def _summary(result: Shift) -> str:
    return (
        f"{result.source_accuracy:.2f} at home, {result.accuracy:.2f} in the target, {result.ceiling:.2f} fitted there; "
        f"drop {result.scores()['drop']}; proxy A-distance {_apart(result)} of MMD"
    )
