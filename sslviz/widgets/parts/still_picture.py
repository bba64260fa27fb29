"""The picture of figures, for where no widget lives: GitHub, a report, a notebook that nobody has run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go
import plotly.io
from PIL import Image

WIDTH = 900  # pixels, about what GitHub shows
HEIGHT = 450  # pixels of a figure that says none


def still_picture(figures: Sequence[go.Figure]) -> tuple[str, str]:
    """A PNG in base64 and "", or "" and one sentence that says what is missing to draw it; several stand in a column."""
    try:
        drawn = _drawn(figures)
        return base64.b64encode(drawn[0] if len(drawn) == 1 else _in_a_column(drawn)).decode(), ""
    except Exception as error:  # a browser can fail in many ways, and the explorer works without the picture
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return "", f"No picture is kept for GitHub: {lines[0] if lines else type(error).__name__}"


def _drawn(figures: Sequence[go.Figure]) -> list[bytes]:
    """A PNG of each; of several by one browser, since that takes a second to begin."""
    if len(figures) == 1:
        return [figures[0].to_image("png", width=figures[0].layout.width or WIDTH, scale=1)]
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.png" for number in range(len(figures))]
        heights = [figure.layout.height or HEIGHT for figure in figures]  # which several figures are not asked for
        plotly.io.write_images(list(figures), files, width=WIDTH, height=heights, scale=1)
        return [file.read_bytes() for file in files]


def _in_a_column(drawn: Sequence[bytes]) -> bytes:
    """One PNG of several, one below the other on white."""
    pictures = [Image.open(BytesIO(each)).convert("RGB") for each in drawn]
    column = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        column.paste(picture, (0, top))
        top += picture.height
    file = BytesIO()
    column.save(file, "PNG", optimize=True)
    return file.getvalue()
