"""`tagged_shapes`: a grey object, a tag whose colour betrays its shape, and one that does not."""

from __future__ import annotations

from itertools import permutations

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
    grey,
    object_coverage,
    paint_background,
    rgb,
)

CORNERS = ("top left", "top right", "bottom left", "bottom right")
PLACES = tuple(f"{tag}, {distractor}" for tag, distractor in permutations(CORNERS, 2))  # of tag and distractor
# Among four corners there is less room: the nearest tip of a triangle stays more than a pixel from the nearest tag.
TAGGED_RANGES = RANGES | {"x": (0.42, 0.58), "y": (0.42, 0.58), "radius": (0.16, 0.18)}
# How far the tag and the distractor lie from the sides of their corner.
TAGGED_RANGES |= {name: (0.09, 0.13) for name in ("tag_x", "tag_y", "distractor_x", "distractor_y")}
TAG = 0.07  # radius of the disc as large as tag and distractor, which make up 1.5 % of the picture each


def tagged_shapes(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Which part of a picture does an encoder read?  A grey shape, a tag whose colour betrays it, and one that does not.

    Factors in the table:
    - shape: 4 values, also the `label`
    - tag_color: 4 values; the one that belongs to the shape with probability `bias`
    - distractor_color: 4 values, independent of everything
    - places: 12 values, the corner of the tag, a square, and that of the distractor, a disc
    - texture and the numbers of `shapes`
    - tag_x, tag_y, distractor_x, distractor_y: distances from the sides of their corner

    Tag and distractor have the same area, colours and places.  All colours have the same luminance, the object a higher
    one.  The masks "shape", "tag", "distractor" and "background" are disjoint and cover everything, whatever the factors.
    Splits, seeds and errors are those of `shapes`, with the tag's colour for the colour.

    Example:
        >>> import sslviz
        >>> images = sslviz.tagged_shapes(n=20, seed=0)
        >>> sorted(images.masks)
        ['background', 'distractor', 'shape', 'tag']

    Caveat: Tag and distractor differ in form too, a square and a disc, which an encoder may come to tell apart: compare
    it with one trained where `bias` is 0.25.
    """
    return draw_world("tagged_shapes", SHAPE_AND_TAG, n, size, bias, seed)


def paint_shape_and_tag(rows: Rows, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As `World.paint`."""
    canvas, covers = paint_background(rows, size), {"shape": object_coverage(rows, size)}
    b = len(canvas)
    rasterizing.paint(canvas, covers["shape"], grey(b))
    corners = np.char.partition(rows["places"].astype(str), ", ")[:, [0, 2]].T
    for name, form, corner in (("tag", "square", corners[0]), ("distractor", "disc", corners[1])):
        right, low = np.char.endswith(corner, "right"), np.char.startswith(corner, "bottom")
        x, y = rows[f"{name}_x"], rows[f"{name}_y"]
        center = np.where(right, 1 - x, x), np.where(low, 1 - y, y)
        covers[name] = rasterizing.coverage(np.full(b, form), *center, np.full(b, TAG), np.zeros(b), size)
        rasterizing.paint(canvas, covers[name], rgb(rows[f"{name}_color"]))
    return canvas, covers


SHAPE_AND_TAG = World(
    {
        "shape": SHAPES,
        "tag_color": tuple(COLORS),
        "distractor_color": tuple(COLORS),
        "places": PLACES,
        "texture": TEXTURES,
    },
    TAGGED_RANGES,
    paint_shape_and_tag,
)
