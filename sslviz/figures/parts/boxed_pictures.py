"""Pictures with boxes: true ones drawn into them, found ones as lines over a sheet of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts.saliency_sheet import PICTURE

Corner = tuple[float, float]  # where a panel of a sheet begins


def with_boxes(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The picture, enlarged, with boxes (m, 4) in shares of its sides drawn white on black."""
    times = max(1, PICTURE // max(picture.shape[:2]))
    large = picture.repeat(times, axis=0).repeat(times, axis=1)
    height, width = large.shape[:2]
    for x0, y0, x1, y1 in (boxes * [width, height, width, height]).round().astype(int):
        for inset, level in ((0, 0), (1, 255), (2, 0)):  # pixels
            left, right = (min(max(x, 0), width - 1) for x in (x0 + inset, x1 - 1 - inset))
            top, bottom = (min(max(y, 0), height - 1) for y in (y0 + inset, y1 - 1 - inset))
            large[top : bottom + 1, [left, right]] = level
            large[[top, bottom], left : right + 1] = level
    return large


def panel_corners(fig: go.Figure) -> list[Corner]:
    """Where the panels of a sheet begin, left and top, in their order."""
    return [(image.x0 - image.dx / 2, image.y0 - image.dy / 2) for image in fig.data if image.type == "image"]


def box_lines(
    boxes: np.ndarray,
    at: Sequence[Corner],
    size: tuple[int, int],
    color: str,
    name: str,
    width: float,
    dash: str = "solid",
) -> go.Scatter:
    """All boxes of one kind as one trace: (k, 4) in pixels of pictures of this size, each in the panel that begins `at`."""
    x: list[float | None] = []
    y: list[float | None] = []
    for (left, top), box in zip(at, boxes, strict=True):
        x0, x1 = left + box[[0, 2]] / size[1]
        y0, y1 = top + box[[1, 3]] / size[0]
        x += [x0, x1, x1, x0, x0, None]
        y += [y0, y0, y1, y1, y0, None]
    line = {"color": color, "width": width, "dash": dash}
    return go.Scatter(x=x, y=y, mode="lines", line=line, name=name, showlegend=False, hoverinfo="skip")
