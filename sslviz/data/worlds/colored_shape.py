"""`shapes`: one object whose colour betrays its shape."""

from __future__ import annotations

import numpy as np

from sslviz.data import rasterizing
from sslviz.data.images import Images
from sslviz.data.worlds.world import (
    COLORS,
    RANGES,
    SHAPES,
    TEXTURES,
    Rows,
    World,
    draw_world,
    object_coverage,
    paint_background,
    rgb,
)


def shapes(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Which of several known factors does an encoder keep?  Pictures of one object whose colour betrays its shape.

    Factors in the table:
    - shape: 4 values, also the `label`
    - color: 4 values; the one that belongs to the shape with probability `bias`, else any other
    - texture: 2 values, of the background
    - x, y, radius: fractions of the side
    - angle, phase: degrees

    Area does not depend on shape, nor luminance on colour, so neither gives the other away.  `masks["object"]` is where the
    object covers at least half of a pixel.

    Of 20 consecutive images 12 are "train", 3 "probe" and 3 "test", the last two with colour independent of shape.  One
    each is "probe-biased" and "test-biased", with colour as in "train".  Image i depends on (i, size, bias, seed) alone.
    ValueError for n < 1, size < 16 or a bias outside 0 to 1.  The world is Trifeature-like (arXiv 2006.12433).

    Example:
        >>> import sslviz
        >>> images = sslviz.shapes(n=200, seed=0)
        >>> images.pixels.shape, len(images.split("test")), images.table["shape"].nunique()
        ((200, 32, 32, 3), 30, 4)

    Caveat: One drawn world; what an encoder keeps here it need not keep in photographs.
    """
    return draw_world("shapes", COLORED_SHAPE, n, size, bias, seed)


def paint_colored_shape(rows: Rows, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As `World.paint`."""
    canvas, cover = paint_background(rows, size), object_coverage(rows, size)
    rasterizing.paint(canvas, cover, rgb(rows["color"]))
    return canvas, {"object": cover}


COLORED_SHAPE = World(
    {"shape": SHAPES, "color": tuple(COLORS), "texture": TEXTURES}, RANGES, paint_colored_shape, background_mask=False
)
