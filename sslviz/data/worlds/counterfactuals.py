"""The same pictures with one factor changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from sslviz.data import rasterizing
from sslviz.data.images import Images
from sslviz.data.worlds.bit_strip import bit_strip
from sslviz.data.worlds.colored_shape import COLORED_SHAPE
from sslviz.data.worlds.shape_and_tag import SHAPE_AND_TAG
from sslviz.data.worlds.shape_on_texture import SHAPE_ON_TEXTURE
from sslviz.data.worlds.world import World, other_code, render, within


def counterfactual(images: Images, factor: str, seed: int = 0, *, value: str | float | None = None) -> Images:
    """What would the same pictures look like had one factor been different?  The pairs that show what a factor causes.

    `images` is any slice of one of these worlds.  The result has the same ids and order, and another value of `factor` in
    every row: another of the names, or a fresh draw of a number.  With `value`, every row has this one instead, such as
    one of `factor_values`.  Everything else, noise included, is as it was.
    ValueError for images that no world here drew, for unknown factors, and for values that the factor does not take.

    Example:
        >>> import sslviz
        >>> images = sslviz.shapes(n=20, seed=0)
        >>> sslviz.counterfactual(images, "color").table.compare(images.table).columns.levels[0].tolist()
        ['color']
    """
    world = _world_with(images, factor)
    table = images.table.copy()
    u = rasterizing.uniform(seed, f"other {factor}", table["noise_seed"].to_numpy())
    if value is not None:
        table[factor] = _taken(world, factor, value)
    elif factor in world.ranges:
        table[factor] = within(_drawn_from(world)[factor], u)
    else:
        names = world.categories[factor]
        codes = pd.Categorical(table[factor], names).codes
        table[factor] = np.array(names)[other_code(codes, len(names), u)]
    table["label"] = table["shape"]
    pixels, masks = render(world, table, images.size[0])
    return replace(images, pixels=pixels, table=table, masks=masks, spec="")


def redrawn_noise(images: Images, seed: int = 0) -> Images:
    """The same pictures with every factor as it was and the noise drawn again: what a change that means nothing does.

    Ids, order and errors as for `counterfactual`.
    """
    world, table = world_of(images), images.table.copy()
    bits = rasterizing.hash_bits(seed, "other noise", table["noise_seed"].to_numpy())
    table["noise_seed"] = (bits >> np.uint64(11)).astype(np.int64)
    pixels, masks = render(world, table, images.size[0])
    return replace(images, pixels=pixels, table=table, masks=masks, spec="")


def factors_of(images: Images) -> list[str]:
    """The factors that `counterfactual` can change in these images; ValueError for images that no world here drew."""
    return world_of(images).factors


def factor_values(images: Images, factor: str, count: int = 9) -> list[str] | list[float]:
    """Which values does a factor of these images take?  All its names, or `count` numbers from one end to the other.

    ValueError as for `counterfactual`.
    """
    world = _world_with(images, factor)
    if factor in world.ranges:
        return np.linspace(*world.ranges[factor], count).tolist()
    return list(world.categories[factor])


def _world_with(images: Images, factor: str) -> World:
    """The world of these images; ValueError where it has no such factor."""
    world = world_of(images)
    if factor not in world.factors:
        raise ValueError(f"There is no factor {factor!r} in this world; the factors are: {', '.join(world.factors)}.")
    return world


def _drawn_from(world: World) -> Mapping[str, tuple[float, float]]:
    """The ends between which a changed number is drawn.

    Those of `shapes` are a little nearer to each other than the world's own, as they always were: runs hold features of
    such changes, which would not be found otherwise.
    """
    return bit_strip(0).ranges if world is COLORED_SHAPE else world.ranges


def _taken(world: World, factor: str, value: str | float) -> str | float:
    """The value, where the factor takes it; ValueError where it does not."""
    if factor in world.categories:
        if value not in world.categories[factor]:
            raise ValueError(f"{factor} is one of {', '.join(world.categories[factor])}; got {value!r}.")
    else:
        low, high = world.ranges[factor]
        if isinstance(value, str) or not low <= value <= high:
            raise ValueError(f"{factor} lies between {low:g} and {high:g}; got {value!r}.")
    return value


def world_of(images: Images, asked: str = "A counterfactual") -> World:
    """The world whose factors the table has, and whose picture of the first row is the first picture.

    ValueError, beginning with what is `asked` for, where there is none.
    """
    columns = set(images.table.columns)
    bits = sum(f"bit{i}" in columns for i in range(len(columns)))
    if len(images) and len(set(images.size)) == 1:
        for world in (*([bit_strip(bits)] if bits else []), SHAPE_AND_TAG, SHAPE_ON_TEXTURE, COLORED_SHAPE):
            if {*world.factors, "noise_seed"} <= columns:
                if np.array_equal(render(world, images.table[:1], images.size[0])[0], images.pixels[:1]):
                    return world
    raise ValueError(f"{asked} needs images as shapes() or another world drew them: it draws them again.")
