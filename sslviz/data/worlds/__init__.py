"""Worlds: pictures drawn by a rule, with every factor in the table, so that the right answers are known.

A picture here is a pure function of its table row, and a row is a pure function of (seed, index).  So image 7 is the
same whatever `n` is, and `counterfactual` can draw any slice again with one factor changed and every other pixel as it
was.  One world, one file.
"""

from sslviz.data.worlds.bit_strip import randbit
from sslviz.data.worlds.colored_shape import shapes
from sslviz.data.worlds.counterfactuals import counterfactual, factor_values, factors_of, redrawn_noise
from sslviz.data.worlds.restyled import STYLES, restyled
from sslviz.data.worlds.scenes import scenes
from sslviz.data.worlds.shape_and_tag import tagged_shapes
from sslviz.data.worlds.shape_on_texture import textured
from sslviz.data.worlds.world import BALANCED, COLORS, RANGES, SHAPES, SPLITS, TEXTURES

__all__ = [
    "BALANCED",
    "COLORS",
    "RANGES",
    "SHAPES",
    "SPLITS",
    "STYLES",
    "TEXTURES",
    "counterfactual",
    "factor_values",
    "factors_of",
    "randbit",
    "redrawn_noise",
    "scenes",
    "restyled",
    "shapes",
    "tagged_shapes",
    "textured",
]
