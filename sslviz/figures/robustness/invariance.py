"""What is it blind to, and why?  Which changes leave no trace, and which augmentation spans which factor."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.robustness.invariance import ANY, Invariance
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.statistics import Score

CAPTION = (
    "1: the change leaves no trace in the features; 0: it gives as good as another picture. Rings: the same changes in the "
    "control's features. What lies right of its ring, training made the encoder blind to; at the left end is -1 or less."
)
SPAN_CAPTION = (
    "Of a factor's steps, the share along the main directions of the view parameter that holds most of them in the control's "
    "features (rings). Tick: along those from a picture to another. What is beyond goes when views are made alike."
)


def invariance(results: Invariance | Mapping[str, Invariance], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """What is it blind to?  One row per view parameter and factor, beside the encoder re-initialised.

    `results` is an Invariance or {checkpoint: Invariance}.  The hover text says how well the amount is told from the step.
    Caveat: how far is a matter of how much was changed: compare encoders, not rows.
    """
    named = theme.as_dict(results)
    fig = dots(
        {name: _rows(result) for name, result in named.items()}, palette=theme.colors(named, colors),
        x_title="invariance: 1 no trace, 0 as good as another picture", x_range=(-1.05, 1.05),
    )  # fmt: skip
    said = "; ".join(f"{name or 'this checkpoint'}: {_said(result)}" for name, result in named.items())
    return theme.finish(fig, alt=f"What moves a picture's features, and what does not. {said}.", caption=CAPTION)


def spanning(results: Invariance | Mapping[str, Invariance], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Why is it blind?  For each factor the view parameter whose main directions hold most of its steps.

    `results` is an Invariance or {checkpoint: Invariance}, of images whose factors can be changed.  Which parameter that is
    goes by the controls, to which nothing was taught, if there are any.
    Caveat: a few directions hold much of anything in features that use few.
    """
    named = theme.as_dict(results)
    series = {name: [_spans(factor, of) for factor, of in result.spanning().items()] for name, result in named.items()}
    if not any(series.values()):
        raise ValueError("No factor was changed in these pictures, so that nothing spans one; draw them with a world.")
    fig = dots(
        series, palette=theme.colors(named, colors), x_range=(-0.02, 1.02),
        x_title="share of the factor's steps in the parameter's main directions (0 to 1)",
    )  # fmt: skip
    said = "; ".join(
        f"{name or 'this checkpoint'}: " + ", ".join(f"{dot.row} {dot.value:.2f}" for dot in of)
        for name, of in series.items()
    )
    return theme.finish(fig, alt=f"Which augmentation spans which factor. {said}.", caption=SPAN_CAPTION)


def _rows(result: Invariance) -> list[Dot]:
    told = result.equivariance()
    rows = []
    for name, score in result.invariance().items():
        controls = {c: max(v, -1.0) for c, v in score.controls.items()}
        kind = "factor" if name in result.factors else "view"
        ends = [None if end is None else max(end, -1.0) for end in (score.low, score.high)]
        text = f"invariance {score}" + (f"; its amount is told from the step, R² {told[name]}" if name in told else "")
        rows.append(Dot(f"{kind}: {name}", max(score.value, -1.0), ends[0], ends[1], controls, text))
    return rows


def _spans(factor: str, of: Mapping[str, Score]) -> Dot:
    def told(score: Score) -> float:
        untaught = [value for name, value in score.controls.items() if name != ANY]
        return sum(untaught) / len(untaught) if untaught else score.value

    view, score = max(of.items(), key=lambda item: told(item[1]))
    return Dot(f"{factor}, by {view}", score.value, None, None, score.controls)


def _said(result: Invariance) -> str:
    ranked = sorted(result.invariance().items(), key=lambda item: -item[1].value)
    (most, highest), (least, lowest) = ranked[0], ranked[-1]
    return f"most blind to {most} ({highest}), least to {least} ({lowest})"
