"""How many directions does it use?  Spectra overlaid, beside that of Gaussian noise of the same shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.collapse import MIN_SPREAD
from sslviz.diagnostics.geometry.spectrum import Spectrum
from sslviz.figures.parts import theme

FLOOR = 1e-8  # of the largest value drawn: below it a Gram matrix in float64 holds rounding only
CAPTION = (
    "How much the features vary along each direction, as a share of their mean squared length. A cliff is a "
    "dimensional collapse, a line near the bottom a complete one. Grey: noise that uses all directions alike. "
    "Dot: directions in use (effective rank). A high rank is necessary, not sufficient. {n}"
)


def spectrum(results: Spectrum | Mapping[str, Spectrum], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """How many directions does it use?  Variance by direction on a log axis, one line per checkpoint, noise in grey.

    `results` is a Spectrum or {checkpoint: Spectrum}.  The axis of directions is linear, so that a cliff is read in
    dimensions; values below 1e-8 of the largest are drawn there.  A single result also shows where alpha was fitted.
    Caveat: a high rank is necessary, not sufficient, and grows with the number of images.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    shares = {name: result.eigenvalues * (result.n - 1) / _squared_length(result) for name, result in named.items()}
    floor = FLOOR * max(1 / max(r.d for r in named.values()), *(float(share[0]) for share in shares.values()))
    fig, lines = go.Figure(_noise(named)), theme.line_styles(palette)
    for name, result in named.items():
        share = np.maximum(shares[name], floor)
        fig.add_trace(_line(share, result, name, short[name], lines[name]))
        if _varies(result):
            fig.add_trace(_directions_in_use(share, result, name, palette[name]))
    if len(named) == 1:
        _mark_alpha(fig, next(iter(named.values())), next(iter(palette.values())))
    fig.update_layout(
        height=380 + theme.legend_room([*short.values(), "noise, n = 10,000, d = 128"]),
        xaxis={"title": {"text": "direction, by variance (rank)"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": "share of squared length (log)"},
            "type": "log",
            "exponentformat": "power",
            "dtick": 1,
        },
    )
    return theme.finish(fig, alt=_alt(named), caption=CAPTION.format(n=measured_on(r.n for r in named.values())))


def _varies(result: Spectrum) -> bool:
    """Whether images differ by more than a complete collapse leaves; a count of directions would be of rounding errors."""
    return bool(result.eigenvalues.any()) and result.std >= MIN_SPREAD * result.noise_std


def _squared_length(result: Spectrum) -> float:
    return float((result.singular_values**2).sum()) or 1.0


def measured_on(counts: Iterable[int]) -> str:
    """A sentence for the caption: on how many images, and whether ranks may be compared."""
    different = sorted(set(counts))
    if len(different) == 1:
        return f"Measured on {different[0]:,} images."
    numbers = ", ".join(f"{n:,}" for n in different)
    return f"Not to be compared: measured on {numbers} images, and ranks grow with their number."


def _line(share: np.ndarray, result: Spectrum, name: str, short: str, line: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=np.arange(1, len(share) + 1),
        y=share,
        name=short or "this checkpoint",
        legendgroup=name,
        mode="lines",
        line=line,
        hovertemplate=f"<b>{escape(name)}</b><br>direction %{{x}} of {result.d} holds %{{y:.2%}}<extra></extra>",
    )


def _directions_in_use(share: np.ndarray, result: Spectrum, name: str, color: str) -> go.Scatter:
    at = min(max(result.directions_in_use, 1), len(share))
    text = f"<b>{escape(name)}</b><br>{result.directions_in_use} of {result.d} directions in use"
    return go.Scatter(
        x=[at],
        y=[share[at - 1]],
        name=f"{name} in use",
        legendgroup=name,
        showlegend=False,
        mode="markers",
        marker={"color": color, "size": 10},
        hovertemplate=f"{text}<extra></extra>",
    )


def _noise(named: Mapping[str, Spectrum]) -> list[go.Scatter]:
    """The control, once for each n and d that occur."""
    shapes = {(r.n, r.d): r.noise_eigenvalues for r in named.values() if r.noise_eigenvalues.any()}
    return [
        go.Scatter(
            x=np.arange(1, len(values) + 1),
            y=values / values.sum(),
            mode="lines",
            name="noise (control)" if len(shapes) == 1 else f"noise, n = {n:,}, d = {d:,} (control)",
            line={"color": theme.CONTROL, "width": 2.5},
            hovertemplate=f"<b>noise</b> (control), {n:,} images, {d:,} dimensions<br>"
            "direction %{x} holds %{y:.2%}<extra></extra>",
        )
        for (n, d), values in shapes.items()
    ]


def _mark_alpha(fig: go.Figure, result: Spectrum, color: str) -> None:
    fit = result.alpha_fit
    if np.isfinite(fit["alpha"]):
        fig.add_vrect(
            x0=fit["first"],
            x1=fit["last"],
            fillcolor=color,
            opacity=0.1,
            line_width=0,
            layer="below",
            annotation={"text": f"α = {fit['alpha']:.2f} fitted here (R² {fit['r2']:.2f})", "font": {"size": 11}},
            annotation_position="bottom left",
        )


def _alt(named: Mapping[str, Spectrum]) -> str:
    parts = [
        f"{n or 'this checkpoint'}: {f'{r.directions_in_use} of {r.d} directions in use' if _varies(r) else 'hardly varies'}"
        for n, r in named.items()
    ]
    return f"Spectra of the features on a log axis beside Gaussian noise. {'; '.join(parts)}."
