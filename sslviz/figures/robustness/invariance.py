"""Figures of `Invariance`: which changes leave no trace, and which augmentation spans which factor."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.robustness.invariance import OTHER_STEPS, Invariance
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.statistics import Score

CAPTION = (
    "1: the change leaves no trace in the features; 0: it gives as good as another picture. Rings: the same changes in the "
    "control's features. What lies right of its ring, training made the encoder blind to; at the left end is -1 or less."
)
SPANNING_CAPTION = (
    "Of a factor's steps, the share along the main directions of the view parameter that holds most of them in the control's "
    "features (rings). Tick: along those from a picture to another. What is beyond goes when views are made alike."
)


def invariance(results: Invariance | Mapping[str, Invariance], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per view parameter and factor, beside the encoder re-initialised.

    `results` is an Invariance or {checkpoint: Invariance}.  The hover text says how well the amount is told from the step.
    Caveat: how far is a matter of how much was changed: compare encoders, not rows.
    """
    named = theme.as_dict(results)
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title="invariance: 1 no trace, 0 as good as another picture",
        x_range=(-1.05, 1.05),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    most = {
        name: max((one for one in r.detectable.values() if one is not None), default=None) for name, r in named.items()
    }
    least = theme.least_said("invariance to any of these", most)
    alt = f"What moves a picture's features, and what does not. {summary}."
    return theme.finish(fig, alt=alt, caption=f"{CAPTION} {least}")


def spanning(results: Invariance | Mapping[str, Invariance], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per factor: the view parameter whose main directions hold most of its steps.

    `results` is an Invariance or {checkpoint: Invariance}, of images whose factors can be changed.  Where there are
    controls, to which nothing was taught, they say which parameter that is.
    Caveat: a few directions hold much of anything in features that use few.
    """
    named = theme.as_dict(results)
    series = {
        name: [_spanning_row(factor, scores) for factor, scores in result.spanning().items()]
        for name, result in named.items()
    }
    if not any(series.values()):
        raise ValueError("No factor was changed in these pictures, so that nothing spans one; draw them with a world.")
    fig = dots(
        series,
        palette=theme.colors(named, colors),
        x_range=(-0.02, 1.02),
        x_title="share of the factor's steps in the parameter's main directions (0 to 1)",
    )
    summary = "; ".join(
        f"{name or 'this checkpoint'}: " + ", ".join(f"{row.row} {row.value:.2f}" for row in rows)
        for name, rows in series.items()
    )
    return theme.finish(fig, alt=f"Which augmentation spans which factor. {summary}.", caption=SPANNING_CAPTION)


def _rows(result: Invariance) -> list[Dot]:
    equivariance = result.equivariance()
    rows = []
    for name, score in result.invariance().items():
        controls = {control: max(value, -1.0) for control, value in score.controls.items()}
        kind = "factor" if name in result.factors else "view"
        low, high = (None if end is None else max(end, -1.0) for end in (score.low, score.high))
        text = f"invariance {score}"
        if name in equivariance:
            text += f"; its amount is told from the step, R² {equivariance[name]}"
        rows.append(Dot(f"{kind}: {name}", max(score.value, -1.0), low, high, controls, text))
    return rows


def _spanning_row(factor: str, scores: Mapping[str, Score]) -> Dot:
    def untaught(score: Score) -> float:
        values = [value for name, value in score.controls.items() if name != OTHER_STEPS]
        return sum(values) / len(values) if values else score.value

    view, score = max(scores.items(), key=lambda item: untaught(item[1]))
    return Dot(f"{factor}, by {view}", score.value, None, None, score.controls)


def _summary(result: Invariance) -> str:
    ranked = sorted(result.invariance().items(), key=lambda item: -item[1].value)
    if ranked[0][1].reason:
        return str(ranked[0][1])
    (most, highest), (least, lowest) = ranked[0], ranked[-1]
    return f"most blind to {most} ({highest}), least to {least} ({lowest})"
