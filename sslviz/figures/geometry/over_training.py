"""When did it happen?  Scores and spectra through a training, step by step, each beside its control."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.spectrum import Spectrum
from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group
from sslviz.figures.parts.marker import mark
from sslviz.figures.parts.player import player
from sslviz.statistics import Score

SCORES_CAPTION = "Dot and line: the score and its 95 % interval at each checkpoint. Grey: the strongest control there."
SPECTRA_CAPTION = (
    "How much the features vary along each direction, as a share of the whole, at the checkpoint named below the plot "
    "(play it, or drag). Thin: all checkpoints. Grey: noise of the same shape (control)."
)
FLOOR = 1e-8  # of the largest share: below it is rounding


def scores(
    results: Mapping[str, Mapping[int, Score]],
    *,
    name: str = "score",
    colors: Mapping[str, str] | None = None,
    at: Mapping[str, float] | None = None,
) -> go.Figure:
    """When did this score rise or fall?  One line per run over its training steps, its control in grey.

    `results` is {run: {step: Score}}, `name` what the score is called.  `at` {run: step} marks where each is looked at.
    ValueError without any step.
    Caveat: between two checkpoints nothing is known; the lines only join them.
    """
    if not any(results.values()):
        raise ValueError("A score through training needs at least one step; give {run: {step: Score}}.")
    palette, short = theme.colors(results, colors), theme.short_names(results)
    fig, lines = go.Figure(), theme.line_styles(palette)
    for run, by_step in results.items():
        fig.add_trace(_control(run, by_step))
        fig.add_trace(_curve(run, short[run], by_step, name, lines[run]))
    one_entry_a_group(fig.data)
    mark(fig, at or {}, palette)
    fig.update_layout(
        height=300 + theme.legend_room([*short.values(), "control"]),
        xaxis={"title": {"text": "training step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": name}, "rangemode": "tozero"},
    )
    changes = "; ".join(
        f"{run or 'this run'}: {list(s.values())[0].value:.3g} to {list(s.values())[-1].value:.3g}"
        for run, s in results.items()
        if s
    )
    return theme.finish(fig, alt=f"{name} through training. {changes}.", caption=SCORES_CAPTION)


def spectra(results: Mapping[int, Spectrum], *, color: str = theme.CHECKPOINT_COLORS[0]) -> go.Figure:
    """When did its directions open or close?  The spectrum at each step, played by a slider, noise in grey.

    `results` is {step: Spectrum} of one run.  ValueError without any step.
    Caveat: a high rank is necessary, not sufficient; compare steps of one run, on the same images.
    """
    if not results:
        raise ValueError("Spectra through training need at least one step; give {step: Spectrum}.")
    steps = list(results)
    shares = {step: _share(result) for step, result in results.items()}
    last = results[steps[-1]]
    noise = last.noise_eigenvalues / (last.noise_eigenvalues.sum() or 1.0)
    fig = go.Figure(
        [
            _line(noise, "noise (control)", theme.CONTROL, 2.5),
            *(_line(share, "each checkpoint", color, 1, opacity=0.3) for share in shares.values()),
            _line(shares[steps[-1]], "this checkpoint", color, 3),
        ]
    )
    one_entry_a_group(fig.data)
    fig.frames = [
        go.Frame(name=str(step), data=[{"y": share, "x": np.arange(1, len(share) + 1)}], traces=[len(steps) + 1])
        for step, share in shares.items()
    ]
    top = max(float(share.max()) for share in shares.values()) or 1.0
    fig.update_layout(
        height=430,
        xaxis={"title": {"text": "direction, by variance (rank)"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": "share of variance (log)"},
            "type": "log",
            "exponentformat": "power",
            "dtick": 1,
            "range": [np.log10(top * FLOOR), np.log10(top) + 0.3],
        },
        margin_b=110,
        **player([str(step) for step in steps], "step ", active=len(steps) - 1),
    )
    used = "; ".join(
        f"step {step}: {result.directions_in_use} of {result.d} in use" for step, result in results.items()
    )
    return theme.finish(fig, alt=f"Spectra through training beside noise. {used}.", caption=SPECTRA_CAPTION)


def _share(result: Spectrum) -> np.ndarray:
    share = result.eigenvalues / (result.eigenvalues.sum() or 1.0)
    return np.maximum(share, (share.max() or 1.0) * FLOOR)


def _line(share: np.ndarray, name: str, color: str, width: float, *, opacity: float = 1) -> go.Scatter:
    return go.Scatter(
        x=np.arange(1, len(share) + 1),
        y=share,
        name=name,
        legendgroup=name,
        mode="lines",
        opacity=opacity,
        line={"color": color, "width": width},
        hovertemplate="direction %{x} holds %{y:.2%}<extra></extra>",
    )


def _curve(run: str, short: str, by_step: Mapping[int, Score], name: str, line: dict[str, Any]) -> go.Scatter:
    values = [score.value for score in by_step.values()]
    ends = [
        (v if s.low is None else s.low, v if s.high is None else s.high)
        for v, s in zip(values, by_step.values(), strict=True)
    ]
    return go.Scatter(
        x=list(by_step),
        y=values,
        name=short or "this run",
        legendgroup=run,
        mode="lines+markers",
        line={**line, "width": 0.8 * line["width"]},
        marker={"size": 3 + 1.6 * line["width"], "color": line["color"]},
        error_y={
            "type": "data",
            "symmetric": False,
            "thickness": 1.2 * line["width"],
            "width": 0,
            "color": line["color"],
            "array": [high - v for v, (_, high) in zip(values, ends, strict=True)],
            "arrayminus": [v - low for v, (low, _) in zip(values, ends, strict=True)],
        },
        text=[str(score) for score in by_step.values()],
        hovertemplate=f"<b>{escape(run)}</b><br>step %{{x}}: {escape(name)} %{{text}}<extra></extra>",
    )


def _control(run: str, by_step: Mapping[int, Score]) -> go.Scatter:
    known = {step: score for step, score in by_step.items() if score.control is not None}
    return go.Scatter(
        x=list(known),
        y=[score.control for score in known.values()],
        name="strongest control",
        legendgroup="control",
        mode="lines",
        line={"color": theme.CONTROL, "width": 1.5},
        text=[score.control_text for score in known.values()],
        hovertemplate=f"control of {escape(run)}: %{{text}}<extra></extra>",
    )
