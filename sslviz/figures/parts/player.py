"""A figure of frames with a slider and a play button."""

from __future__ import annotations

from typing import Any


def player(names: list[str], prefix: str, *, active: int = 0) -> dict[str, Any]:
    """A play button and a slider over frames with these names: the part of a layout that moves a figure."""
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    moving = {"fromcurrent": False, "frame": {"duration": 700, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": name, "method": "animate", "args": [[name], still]} for name in names]
    value = {"prefix": prefix, "xanchor": "left", "font": {"size": 12}}
    play = {"label": "Play", "method": "animate", "args": [None, moving]}
    slider = {"x": 0.12, "len": 0.88, "y": -0.18, "yanchor": "top", "pad": {"t": 0}}
    button = {"x": 0, "xanchor": "left", "y": -0.22, "yanchor": "top"}
    return {
        "sliders": [{"active": active, "currentvalue": value, "steps": steps, **slider}],
        "updatemenus": [{"type": "buttons", "showactive": False, "buttons": [play], **button}],
    }
