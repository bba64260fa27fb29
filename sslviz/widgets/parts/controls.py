"""Sliders and choices with a plain caption beside them, all of one look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import traitlets

PACE = 700  # milliseconds a step, as the players of figures have
CAPTION, CONTROL = "170px", "430px"  # wide: the caption, and the control with it


def slider(caption: str, value: float, low: float, high: float, step: float = 0.01, **options: Any) -> Any:
    """One number."""
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, **_look(caption), **options)


def range_slider(caption: str, value: tuple[float, float], low: float, high: float, step: float = 0.01) -> Any:
    """Two numbers, the second not below the first."""
    return ipywidgets.FloatRangeSlider(value=value, min=low, max=high, step=step, **_look(caption))


def whole_slider(caption: str, value: int, low: int, high: int) -> Any:
    """One whole number."""
    return ipywidgets.IntSlider(value, min=low, max=high, **_look(caption))


def choice(caption: str, options: Sequence[Any], value: Any) -> Any:
    """One of several: names, or (name, value) pairs."""
    return ipywidgets.Dropdown(options=options, value=value, **_look(caption))


def steps(caption: str, options: Sequence[Any], value: Any) -> Any:
    """One of several that follow upon each other: names, or (name, value) pairs."""
    return ipywidgets.SelectionSlider(options=options, value=value, **_look(caption))


def player(slider: ipywidgets.SelectionSlider) -> Any:
    """A button that moves a slider of `steps` from its first to its last."""
    play = ipywidgets.Play(value=slider.index, max=len(slider.options) - 1, interval=PACE, show_repeat=False)
    traitlets.link((play, "value"), (slider, "index"))
    return play


def button(caption: str, tooltip: str = "") -> Any:
    """Something to press; `Explorer.press` says what it does."""
    return ipywidgets.Button(description=caption, tooltip=tooltip, layout={"width": "auto"})


def caption(text: str = "") -> Any:
    """A line of HTML."""
    return ipywidgets.HTML(text)


def row(*parts: ipywidgets.Widget) -> Any:
    """Parts side by side, which go to the next line where the page is narrow."""
    return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap", "align_items": "center"})


def figures(*parts: ipywidgets.Widget) -> Any:
    """Figures side by side, their upper edges at one height, which go to the next line where the page is narrow."""
    return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap", "align_items": "flex-start"})


def column(*parts: ipywidgets.Widget) -> Any:
    """Parts one below the other."""
    return ipywidgets.VBox(parts)


def _look(caption: str) -> dict[str, Any]:
    return {"description": caption, "style": {"description_width": CAPTION}, "layout": {"width": CONTROL}}
