"""A figure of frames with a slider and a play button."""

from __future__ import annotations

from typing import Any


def player(names: list[str], prefix: str, *, active: int = 0) -> dict[str, Any]:
    """A play button and a slider over frames with these names: the part of a layout that moves a figure."""
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    moving = {"fromcurrent": False, "frame": {"duration": 700, "redraw": True}, "transition": {"duration": 0}}
    return {
        "sliders": [{
            "active": active, "x": 0.12, "len": 0.88, "y": -0.18, "yanchor": "top", "pad": {"t": 0},
            "currentvalue": {"prefix": prefix, "xanchor": "left", "font": {"size": 12}},
            "steps": [{"label": name, "method": "animate", "args": [[name], still]} for name in names],
        }],
        "updatemenus": [{
            "type": "buttons", "x": 0, "xanchor": "left", "y": -0.22, "yanchor": "top", "showactive": False,
            "buttons": [{"label": "Play", "method": "animate", "args": [None, moving]}],
        }],
    }  # fmt: skip
