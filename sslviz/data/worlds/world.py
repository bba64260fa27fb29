"""What all worlds have in common: their factors, how these are drawn, and how a picture follows from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from sslviz.data import rasterizing
from sslviz.data.images import Images

SHAPES = tuple(rasterizing.OUTLINES)
# Four hues 90 degrees apart, all of luma 0.299 R + 0.587 G + 0.114 B = 128: no grey-scale view tells them apart;
# and 19 levels from either end, so that noise is not clipped in some colours and in others not.
COLORS = {"orange": (212, 106, 21), "green": (42, 192, 24), "blue": (44, 150, 235), "purple": (214, 64, 232)}
TEXTURES = ("horizontal", "vertical")  # how the stripes of the background grating run
# Uniform ranges of the numeric factors.  Lengths are fractions of the picture's side, angles are degrees.  `radius` is
# that of the disc of equal area (10 to 14 % of the picture).  Places and angles vary as far as a triangle still fits:
# on raw pixels a linear probe is then right about the shape in 37 % of the pictures, where chance is 25 %.
RANGES = {
    "x": (0.36, 0.64),
    "y": (0.36, 0.64),
    "radius": (0.18, 0.21),
    "angle": (-45.0, 45.0),
    "phase": (0.0, 360.0),  # of the grating
}
BACKGROUND = 0.22  # level of the background, 0 to 1: darker than every object, so that shape survives without colour
CONTRAST = 0.05  # amplitude of the grating; two views share a strong one so easily that nothing else would be learnt
CYCLES = 4  # periods of the grating across the picture
NOISE = 0.075  # every channel of every pixel is moved by up to this much
GREY = 0.65  # level of an object without colour: lighter than all colours
SPLITS = ("train",) * 12 + ("probe",) * 3 + ("test",) * 3 + ("probe-biased", "test-biased")  # of every 20 images
BALANCED = ("probe", "test")  # the splits in which the other factor says nothing about shape

_CHUNK = 128  # pictures drawn at once: what fits the processor's cache
Rows = Mapping[Hashable, np.ndarray]  # some rows of a table, by column


class World(NamedTuple):
    """A world's factors, and how they are painted.

    - categories: {factor: its values}; the first factor is `shape`, the second the one that goes with it
    - ranges: {numeric factor: (from, to)}
    - paint: (rows, size) -> pictures (b, size, size, 3) without noise, and what covers each pixel by how much, {mask: (b,
      size, size)}
    - background_mask: whether what nothing covers has a mask of its own
    """

    categories: dict[str, tuple[str, ...]]
    ranges: dict[str, tuple[float, float]]
    paint: Callable[[Rows, int], tuple[np.ndarray, dict[str, np.ndarray]]]
    background_mask: bool = True

    @property
    def factors(self) -> list[str]:
        """The names of all factors."""
        return [*self.categories, *self.ranges]


class Style(NamedTuple):
    """How a picture is rendered; the default is how the worlds are drawn.

    - channels: which of red, green and blue becomes each channel
    - gamma: exponent of every level, 0 to 1; above 1 darkens the ground more than the object
    - levels: what 0 and 1 become
    - blur: width of a Gaussian, as a share of the side
    - noise: times the noise of a world
    """

    channels: tuple[int, int, int] = (0, 1, 2)
    gamma: float = 1.0
    levels: tuple[float, float] = (0.0, 1.0)
    blur: float = 0.0
    noise: float = 1.0


def draw_world(name: str, world: World, n: int, size: int, bias: float, seed: int, extra: str = "") -> Images:
    """The first `n` images of a world, with the spec that makes them again; ValueError for impossible arguments.

    - extra: what the spec says beside these arguments, "bits=4,"
    """
    if n < 1 or size < 16 or not 0 <= bias <= 1:
        raise ValueError(f"{name} needs n >= 1, size >= 16 and 0 <= bias <= 1; got n={n}, size={size}, bias={bias}.")
    index = np.arange(n)
    table = draw_factors(world, index, bias, seed)
    pixels, masks = render(world, table, size)
    return Images(pixels, index.astype(str), table, masks, f"{name}:n={n},{extra}size={size},bias={bias},seed={seed}")


def draw_factors(world: World, index: np.ndarray, bias: float, seed: int) -> pd.DataFrame:
    """One row of factors per index; each factor has its own random stream, so that adding one changes no other."""

    def draw(stream: str) -> np.ndarray:
        return rasterizing.uniform(seed, stream, index)

    k = len(SHAPES)
    (_, partner, *free) = world.categories
    split = np.array(SPLITS)[index % len(SPLITS)]
    shape = (draw("shape") * k).astype(int)
    agrees = draw("agreement") < np.where(np.isin(split, BALANCED), 1 / k, bias)
    partner_code = np.where(agrees, shape, other_code(shape, k, draw(partner)))
    names = np.array(SHAPES)[shape]
    return pd.DataFrame(
        {"label": names, "split": split, "shape": names, partner: np.array(world.categories[partner])[partner_code]}
        | {f: np.array(v)[(draw(f) * len(v)).astype(int)] for f in free for v in [world.categories[f]]}
        | {factor: within(ends, draw(factor)) for factor, ends in world.ranges.items()}
        | {"noise_seed": (rasterizing.hash_bits(seed, "noise", index) >> np.uint64(11)).astype(np.int64)}
    )


def other_code(code: np.ndarray, k: int, u: np.ndarray) -> np.ndarray:
    """Any of the k codes but this one, all equally likely; `u` are uniform numbers in [0, 1)."""
    return (code + 1 + (u * (k - 1)).astype(int)) % k


def within(ends: tuple[float, float], u: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1) brought to the range."""
    return ends[0] + (ends[1] - ends[0]) * u


def render(
    world: World, table: pd.DataFrame, size: int, style: Style | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pictures uint8 (n, size, size, 3) and masks {name: bool (n, size, size)} that the rows describe."""
    pixels = np.empty((len(table), size, size, 3), np.uint8)
    masks: dict[str, np.ndarray] = {}
    for start in range(0, len(table), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        rows = {name: column.to_numpy() for name, column in table.iloc[chunk].items()}
        canvas, covers = world.paint(rows, size)
        canvas = canvas if style is None else in_style(canvas, style)
        canvas += (1 if style is None else style.noise) * NOISE * rasterizing.noise(rows["noise_seed"], size)
        pixels[chunk] = np.rint(255 * np.clip(canvas, 0, 1))
        for name, cover in covers.items():
            masks.setdefault(name, np.empty((len(table), size, size), bool))[chunk] = cover >= 0.5
    if world.background_mask:
        masks["background"] = ~np.any(list(masks.values()), axis=0)
    return pixels, masks


def in_style(canvas: np.ndarray, style: Style) -> np.ndarray:
    """Pictures (b, size, size, 3), 0 to 1, without noise, in another style."""
    from scipy.ndimage import gaussian_filter

    canvas = np.clip(canvas[..., style.channels], 0, 1) ** style.gamma
    canvas = style.levels[0] + (style.levels[1] - style.levels[0]) * canvas
    width = style.blur * canvas.shape[1]
    return gaussian_filter(canvas, (0, width, width, 0), mode="nearest") if width else canvas


# --- what several worlds paint ----------------------------------------------------------------------------------------


def paint_background(rows: Rows, size: int) -> np.ndarray:
    """The grey background with its stripes, (b, size, size, 3), 0 to 1."""
    stripes = rasterizing.grating(rows["texture"] == "vertical", rows["phase"], CYCLES, size)
    return np.repeat(BACKGROUND + CONTRAST * stripes[..., None], 3, axis=3)


def object_coverage(rows: Rows, size: int) -> np.ndarray:
    """How much of each pixel the object covers, (b, size, size), 0 to 1."""
    return rasterizing.coverage(rows["shape"], rows["x"], rows["y"], rows["radius"], rows["angle"], size)


def rgb(names: np.ndarray) -> np.ndarray:
    """The colours (b, 3), 0 to 1, that these names mean."""
    return np.array([COLORS[name] for name in names]) / 255


def grey(n: int) -> np.ndarray:
    """The colour (n, 3) of objects without one."""
    return np.full((n, 3), GREY)
