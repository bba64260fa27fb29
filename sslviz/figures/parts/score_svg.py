"""The score bar and a sparkline as small SVGs for table cells, which need no script."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from html import escape

from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import position, scale, zone
from sslviz.statistics import Score


def score_bar_svg(
    score: Score,
    color: str,
    dark: bool = False,
    *,
    name: str = "",
    ends: tuple[float, float] | None = None,
    width: int = 132,
) -> str:
    """The score bar for a table cell: one inline SVG, `width` x 18 px, with the score as text in its <title>.

    `name` chooses the scale as in `score_bars` unless `ends` gives it.  `svg_uri` makes it fit an <img> or ImageColumn.
    """
    ends = ends or scale(name or "score", [score])
    ink, left, wide, mid = theme.ink(dark), 6, width - 12, 9

    def x(value: float | None) -> float:
        return round(left + wide * min(max(position(value, ends), 0), 1), 1)

    parts = [_line(left, left + wide, mid, ink["axis"], 1)]
    if (span := zone(score, ends)) is not None:
        a, b = (round(left + wide * min(max(u, 0), 1), 1) for u in span)
        if score.control_is == "floor":
            box = f'x="{a}" y="3" width="{round(b - a, 1)}" height="12"'
            parts.append(f'<rect {box} fill="{theme.CONTROL}" opacity=".3"/>')
        else:
            strokes = "".join(f"M{u},15l4,-12" for u in range(math.ceil(a), int(b) - 3, 4))
            parts.append(f'<path d="{strokes}" stroke="{theme.CONTROL}" stroke-width="1" fill="none"/>')
    for value in filter(math.isfinite, score.controls.values()):
        parts.append(f'<path d="M{x(value)},2v14" stroke="{theme.CONTROL}" stroke-width="2"/>')
    if math.isfinite(position(score.low, ends) + position(score.high, ends)):
        parts.append(_line(x(score.low), x(score.high), mid, color, 3))
    if math.isfinite(score.value):
        parts.append(f'<circle cx="{x(score.value)}" cy="{mid}" r="4.5" fill="{color}"/>')
    return _svg(width, 18, f"{name}: {score}" if name else str(score), parts)


def sparkline_svg(
    values: Iterable[float], color: str, dark: bool = False, *, control: float | None = None, name: str = ""
) -> str:
    """How a number moved: one inline SVG line, 100 x 22 px, NaN skipped, the control as a grey line.

    The <title> says from where to where it went.  A single value is a dot; no finite value at all is an empty picture.
    """
    points = [(i, float(v)) for i, v in enumerate(values) if math.isfinite(v)]
    if not points:
        return _svg(100, 22, f"{name}: not measured".lstrip(": "), [])
    control = control if control is not None and math.isfinite(control) else None
    numbers = [v for _, v in points] + ([] if control is None else [control])
    low, high, first, last = min(numbers), max(numbers), points[0][0], points[-1][0]

    def at(i: int, v: float) -> tuple[float, float]:
        across = (i - first) / (last - first) if last > first else 1
        return round(3 + 92 * across, 1), round(18.5 - 15 * ((v - low) / (high - low) if high > low else 0.5), 1)

    parts = [_line(3, 97, 21, theme.ink(dark)["grid"], 1)]
    if control is not None:
        parts.append(_line(3, 97, at(0, control)[1], theme.CONTROL, 1.5))
    path = " ".join(f"{x},{y}" for x, y in (at(i, v) for i, v in points))
    x, y = at(*points[-1])
    parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6" stroke-linejoin="round"/>')
    parts.append(f'<circle cx="{x}" cy="{y}" r="2.6" fill="{color}"/>')
    control_text = "" if control is None else f", control {control:.3g}"
    return _svg(100, 22, f"{name}: {points[0][1]:.3g} → {points[-1][1]:.3g}{control_text}".lstrip(": "), parts)


def _line(x1: float, x2: float, y: float, color: str, width: float) -> str:
    return f'<path d="M{x1},{y}H{x2}" stroke="{color}" stroke-width="{width}" stroke-linecap="round"/>'


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    title = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{title}"><title>{title}</title>{"".join(parts)}</svg>'
    )


def svg_uri(svg: str) -> str:
    """An SVG as a `data:` address, for <img src=...>, Streamlit's ImageColumn, and wherever inline SVG is stripped."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
