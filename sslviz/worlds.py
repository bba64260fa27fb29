"""How do I get images whose right answers are known?  Worlds: pictures drawn by a rule, with every factor in the table.

A picture here is a pure function of its table row, and a row is a pure function of (seed, index).  So image 7 is
the same whatever `n` is, and `counterfactual` can draw any slice again with one factor changed and every other
pixel as it was.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from sslviz import drawing
from sslviz.images import Images

SHAPES = tuple(drawing.OUTLINES)
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
SPLITS = ("train",) * 12 + ("probe",) * 3 + ("test",) * 3 + ("probe-biased", "test-biased")  # of every 20 images
BALANCED = ("probe", "test")  # the splits in which colour says nothing about shape

_FACTORS: dict[str, tuple] = {"shape": SHAPES, "color": tuple(COLORS), "texture": TEXTURES} | RANGES
_CHUNK = 128  # pictures drawn at once: what fits the processor's cache


def shapes(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Which of several known factors does an encoder keep?  Pictures of one object whose colour betrays its shape.

    Factors in the table: `shape` (4, also the `label`), `color` (4; the one that belongs to the shape with
    probability `bias`, else any other), `texture` of the background (2), and the numbers x, y, radius (fractions of
    the side), angle and phase (degrees).  Area does not depend on shape, nor luminance on colour, so neither gives
    the other away.  `masks["object"]` is where the object covers at least half of a pixel.  Of 20 consecutive
    images 12 are "train", 3 "probe" and 3 "test" with colour independent of shape, and 1 each "probe-biased" and
    "test-biased" with colour as in "train".  Image i depends on (i, size, bias, seed) alone.  ValueError for n < 1,
    size < 16 or a bias outside 0 to 1.

    The world is Trifeature-like (arXiv:2006.12433).  Caveat: one drawn world; what an encoder keeps here it need
    not keep in photographs.
    """
    if n < 1 or size < 16 or not 0 <= bias <= 1:
        raise ValueError(f"shapes needs n >= 1, size >= 16 and 0 <= bias <= 1; got n={n}, size={size}, bias={bias}.")
    index = np.arange(n)
    table = _draw_factors(index, bias, seed)
    pixels, mask = _render(table, size)
    spec = f"shapes:n={n},size={size},bias={bias},seed={seed}"
    return Images(pixels, index.astype(str), table, {"object": mask}, spec)


def counterfactual(images: Images, factor: str, seed: int = 0) -> Images:
    """What would the same pictures look like had one factor been different?  The pairs that show what a factor causes.

    `images` is any slice of `shapes`; the result has the same ids and order, another value of `factor` in every row
    (another of the names, or a fresh draw of a number) and everything else, noise included, as it was.  ValueError
    for images that `shapes` did not draw, and for unknown factors.
    """
    if factor not in _FACTORS:
        raise ValueError(f"There is no factor {factor!r} in this world; the factors are: {', '.join(_FACTORS)}.")
    if not _is_drawn_here(images):
        raise ValueError("A counterfactual needs images as shapes() drew them, because it draws them again.")
    table = images.table.copy()
    u = drawing.uniform(seed, f"other {factor}", table["noise_seed"].to_numpy())
    if factor in RANGES:
        table[factor] = _within(factor, u)
    else:
        names = _FACTORS[factor]
        now = pd.Categorical(table[factor], names).codes
        table[factor] = np.array(names)[_another(now, len(names), u)]
    table["label"] = table["shape"]
    pixels, mask = _render(table, images.size[0])
    return replace(images, pixels=pixels, table=table, masks={"object": mask}, spec="")


def _draw_factors(index: np.ndarray, bias: float, seed: int) -> pd.DataFrame:
    """One row of factors per index; each factor has its own random stream, so that adding one changes no other."""

    def draw(stream: str) -> np.ndarray:
        return drawing.uniform(seed, stream, index)

    k = len(SHAPES)
    split = np.array(SPLITS)[index % len(SPLITS)]
    shape = (draw("shape") * k).astype(int)
    agrees = draw("agreement") < np.where(np.isin(split, BALANCED), 1 / k, bias)
    color = np.where(agrees, shape, _another(shape, k, draw("color")))
    names = np.array(SHAPES)[shape]
    return pd.DataFrame(
        {"label": names, "split": split, "shape": names, "color": np.array(tuple(COLORS))[color]}
        | {"texture": np.array(TEXTURES)[(draw("texture") * len(TEXTURES)).astype(int)]}
        | {factor: _within(factor, draw(factor)) for factor in RANGES}
        | {"noise_seed": (drawing.hash_bits(seed, "noise", index) >> np.uint64(11)).astype(np.int64)}
    )


def _another(code: np.ndarray, k: int, u: np.ndarray) -> np.ndarray:
    """Any of the k codes but this one, all equally likely."""
    return (code + 1 + (u * (k - 1)).astype(int)) % k


def _within(factor: str, u: np.ndarray) -> np.ndarray:
    low, high = RANGES[factor]
    return low + (high - low) * u


def _is_drawn_here(images: Images) -> bool:
    """Whether the table has what a picture is drawn from, and the first row draws the first picture."""
    if not {*_FACTORS, "noise_seed"} <= set(images.table.columns) or len(set(images.size)) > 1 or not len(images):
        return False
    return np.array_equal(_render(images.table[:1], images.size[0])[0], images.pixels[:1])


def _render(table: pd.DataFrame, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (n, size, size, 3) and object masks (n, size, size) that the rows describe."""
    pixels = np.empty((len(table), size, size, 3), np.uint8)
    mask = np.empty((len(table), size, size), bool)
    for start in range(0, len(table), _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = {name: column.to_numpy() for name, column in table.iloc[rows].items()}
        cover = _coverage(part, size)
        stripes = drawing.grating(part["texture"] == "vertical", part["phase"], CYCLES, size)
        canvas = np.repeat(BACKGROUND + CONTRAST * stripes[..., None], 3, axis=3)  # (b, size, size, 3), 0 to 1
        drawing.paint(canvas, cover, np.array([COLORS[c] for c in part["color"]]) / 255)
        canvas += NOISE * drawing.noise(part["noise_seed"], size)
        pixels[rows] = np.rint(255 * np.clip(canvas, 0, 1))
        mask[rows] = cover >= 0.5
    return pixels, mask


def _coverage(part: Mapping[Hashable, np.ndarray], size: int) -> np.ndarray:
    return drawing.coverage(part["shape"], part["x"], part["y"], part["radius"], part["angle"], size)
