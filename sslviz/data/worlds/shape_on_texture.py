"""`textured`: a grey object on a background that betrays its shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sslviz.data import rasterizing
from sslviz.data.images import Images
from sslviz.data.worlds.world import (
    BACKGROUND,
    COLORS,
    CONTRAST,
    CYCLES,
    RANGES,
    SHAPES,
    Rows,
    World,
    draw_world,
    grey,
    object_coverage,
    rgb,
)

TINT = 0.5  # of the colours' own saturation is the background's, so that noise is not clipped in any of them


def textured(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Does an encoder read the object or what lies behind it?  A grey shape on a ground that betrays it.

    Factors in the table:
    - shape: 4 values, also the `label`
    - background: 4 values; the one that belongs to the shape with probability `bias`
    - the numbers of `shapes`

    A background is a hue and a direction of its stripes, 0, 45, 90 or 135 degrees; all have the same luminance.
    `counterfactual(images, "background")` puts the same object on another ground, as in the backgrounds challenge (arXiv
    2006.09994).  Masks "object" and "background".  Splits, seeds and errors are those of `shapes`, with the background for
    the colour.

    Example:
        >>> import sslviz
        >>> images = sslviz.textured(n=20, bias=1.0, seed=0)
        >>> len(images.split("train").table[["shape", "background"]].drop_duplicates())  # one background for each shape
        4

    Caveat: Hue and stripes go together here, so that it cannot be said which of them an encoder read.
    """
    return draw_world("textured", SHAPE_ON_TEXTURE, n, size, bias, seed)


def paint_shape_on_texture(rows: Rows, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As `World.paint`."""
    code = pd.Categorical(rows["background"], tuple(COLORS)).codes.astype(float)
    hue = BACKGROUND * rgb(rows["background"]) / (128 / 255)  # of the background's own luminance
    tint = BACKGROUND + TINT * (hue - BACKGROUND)
    stripes = rasterizing.slanted_grating(180 * code / len(COLORS), rows["phase"], CYCLES, size)
    canvas = tint[:, None, None, :].astype(np.float32) + CONTRAST * stripes[..., None]
    cover = object_coverage(rows, size)
    rasterizing.paint(canvas, cover, grey(len(canvas)))
    return canvas, {"object": cover}


SHAPE_ON_TEXTURE = World({"shape": SHAPES, "background": tuple(COLORS)}, RANGES, paint_shape_on_texture)
