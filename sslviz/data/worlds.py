"""How do I get images whose right answers are known?  Worlds: pictures drawn by a rule, with every factor in the table.

A picture here is a pure function of its table row, and a row is a pure function of (seed, index).  So image 7 is
the same whatever `n` is, and `counterfactual` can draw any slice again with one factor changed and every other
pixel as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cache
from itertools import permutations
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
CORNERS = ("top left", "top right", "bottom left", "bottom right")
PLACES = tuple(f"{tag}, {distractor}" for tag, distractor in permutations(CORNERS, 2))  # of tag and distractor
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
# Among four corners there is less room: the nearest tip of a triangle stays more than a pixel from the nearest tag.
TAGGED_RANGES = RANGES | {"x": (0.42, 0.58), "y": (0.42, 0.58), "radius": (0.16, 0.18)}
# How far the tag and the distractor lie from the sides of their corner.
TAGGED_RANGES |= {name: (0.09, 0.13) for name in ("tag_x", "tag_y", "distractor_x", "distractor_y")}
RANDBIT_RANGES = RANGES | {"y": (0.36, 0.60)}  # above the strip
BACKGROUND = 0.22  # level of the background, 0 to 1: darker than every object, so that shape survives without colour
CONTRAST = 0.05  # amplitude of the grating; two views share a strong one so easily that nothing else would be learnt
CYCLES = 4  # periods of the grating across the picture
NOISE = 0.075  # every channel of every pixel is moved by up to this much
GREY = 0.65  # level of an object without colour: lighter than all colours
TAG = 0.07  # radius of the disc as large as tag and distractor, which make up 1.5 % of the picture each
TINT = 0.5  # of the colours' own saturation is the background's, so that noise is not clipped in any of them
BITS = (0.12, 0.88)  # levels of a bit that is 0 or 1
SPLITS = ("train",) * 12 + ("probe",) * 3 + ("test",) * 3 + ("probe-biased", "test-biased")  # of every 20 images
BALANCED = ("probe", "test")  # the splits in which the other factor says nothing about shape

_CHUNK = 128  # pictures drawn at once: what fits the processor's cache
Part = Mapping[Hashable, np.ndarray]  # some rows of a table, by column


class _World(NamedTuple):
    """A world's factors: `names` with their values, of which the second goes with `shape`, the first; and `ranges`.

    `paint(rows, size)` gives the pictures (b, size, size, 3) without noise, and what covers each pixel by how much,
    {mask: (b, size, size)}; `backdrop` says whether there is a mask of what nothing covers.
    """

    names: dict[str, tuple[str, ...]]
    ranges: dict[str, tuple[float, float]]
    paint: Callable[[Part, int], tuple[np.ndarray, dict[str, np.ndarray]]]
    backdrop: bool = True

    @property
    def factors(self) -> list[str]:
        return [*self.names, *self.ranges]


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
    return _drawn("shapes", _SHAPES, n, size, bias, seed)


def tagged_shapes(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Which part of a picture does an encoder read?  A grey shape, a tag whose colour betrays it, and one that does not.

    Factors: `shape` (4, the `label`), `tag_color` (4; the one that belongs to the shape with probability `bias`),
    `distractor_color` (4, independent of everything), `places` (12: the corner of the tag, a square, and that of the
    distractor, a disc), `texture`, and the numbers of `shapes` with tag_x, tag_y, distractor_x and distractor_y, the
    distances from the corner's sides.  Tag and distractor have the same area, colours and places, and all colours the
    same luminance, the object a higher one.  The masks "shape", "tag", "distractor" and "background" are disjoint and
    cover everything, whatever the factors.  Splits, seeds and errors are those of `shapes`, with the tag's colour for
    the colour.

    Caveat: Tag and distractor differ in form too, a square and a disc, which an encoder may come to tell apart: compare
    it with one trained where `bias` is 0.25.
    """
    return _drawn("tagged_shapes", _TAGGED, n, size, bias, seed)


def textured(n: int = 8000, *, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """Does an encoder read the object or what lies behind it?  A grey shape on a ground that betrays it.

    Factors: `shape` (4, the `label`), `background` (4; the one that belongs to the shape with probability `bias`), and
    the numbers of `shapes`.  A background is a hue and a direction of its stripes, 0, 45, 90 or 135 degrees; all
    have the same luminance.  `counterfactual(images, "background")` puts the same object on another ground, as in
    the backgrounds challenge (arXiv 2006.09994).  Masks "object" and "background".  Splits, seeds and errors are those
    of `shapes`, with the background for the colour.

    Caveat: Hue and stripes go together here, so that it cannot be said which of them an encoder read.
    """
    return _drawn("textured", _TEXTURED, n, size, bias, seed)


def randbit(n: int = 8000, *, bits: int = 4, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """How many bits that all views share keep an encoder from learning anything else?  `shapes` above a strip of bits.

    The factors of `shapes`, and `bit0`, `bit1`, ... ("0" or "1"), independent of everything: dark and light cells of
    the same width in a strip along the lower side, a sixteenth of its height.  Views that keep the strip can be told
    apart by it alone (arXiv 2011.02803).  Masks "object" and "bits".  Splits, seeds and errors are those of `shapes`,
    and ValueError for a number of bits outside 0 to `size`.

    Caveat: Crops lose the strip and flips turn it round: which bits are shared depends on the views.
    """
    if not 0 <= bits <= size:
        raise ValueError(f"randbit needs 0 <= bits <= size, a pixel for each at least; got bits={bits}, size={size}.")
    return _drawn("randbit", _randbit_world(bits), n, size, bias, seed, f"bits={bits},")


def counterfactual(images: Images, factor: str, seed: int = 0) -> Images:
    """What would the same pictures look like had one factor been different?  The pairs that show what a factor causes.

    `images` is any slice of one of these worlds; the result has the same ids and order, another value of `factor` in
    every row (another of the names, or a fresh draw of a number) and everything else, noise included, as it was.
    ValueError for images that no world here drew, and for unknown factors.
    """
    world = _world_of(images)
    if factor not in world.factors:
        raise ValueError(f"There is no factor {factor!r} in this world; the factors are: {', '.join(world.factors)}.")
    table = images.table.copy()
    u = rasterizing.uniform(seed, f"other {factor}", table["noise_seed"].to_numpy())
    if factor in world.ranges:
        table[factor] = _within(world.ranges[factor], u)
    else:
        names = world.names[factor]
        now = pd.Categorical(table[factor], names).codes
        table[factor] = np.array(names)[_another(now, len(names), u)]
    table["label"] = table["shape"]
    pixels, masks = _render(table, images.size[0], world)
    return replace(images, pixels=pixels, table=table, masks=masks, spec="")


def factors_of(images: Images) -> list[str]:
    """Which factors can `counterfactual` change in these images?  ValueError for images that no world here drew."""
    return _world_of(images).factors


def _drawn(name: str, world: _World, n: int, size: int, bias: float, seed: int, extra: str = "") -> Images:
    if n < 1 or size < 16 or not 0 <= bias <= 1:
        raise ValueError(f"{name} needs n >= 1, size >= 16 and 0 <= bias <= 1; got n={n}, size={size}, bias={bias}.")
    index = np.arange(n)
    table = _draw_factors(index, bias, seed, world)
    pixels, masks = _render(table, size, world)
    return Images(pixels, index.astype(str), table, masks, f"{name}:n={n},{extra}size={size},bias={bias},seed={seed}")


def _draw_factors(index: np.ndarray, bias: float, seed: int, world: _World | None = None) -> pd.DataFrame:
    """One row of factors per index; each factor has its own random stream, so that adding one changes no other."""
    world = world or _SHAPES

    def draw(stream: str) -> np.ndarray:
        return rasterizing.uniform(seed, stream, index)

    k = len(SHAPES)
    (_, other, *free) = world.names
    split = np.array(SPLITS)[index % len(SPLITS)]
    shape = (draw("shape") * k).astype(int)
    agrees = draw("agreement") < np.where(np.isin(split, BALANCED), 1 / k, bias)
    going = np.where(agrees, shape, _another(shape, k, draw(other)))
    names = np.array(SHAPES)[shape]
    return pd.DataFrame(
        {"label": names, "split": split, "shape": names, other: np.array(world.names[other])[going]}
        | {f: np.array(v)[(draw(f) * len(v)).astype(int)] for f in free for v in [world.names[f]]}
        | {factor: _within(ends, draw(factor)) for factor, ends in world.ranges.items()}
        | {"noise_seed": (rasterizing.hash_bits(seed, "noise", index) >> np.uint64(11)).astype(np.int64)}
    )


def _another(code: np.ndarray, k: int, u: np.ndarray) -> np.ndarray:
    """Any of the k codes but this one, all equally likely."""
    return (code + 1 + (u * (k - 1)).astype(int)) % k


def _within(ends: tuple[float, float], u: np.ndarray) -> np.ndarray:
    return ends[0] + (ends[1] - ends[0]) * u


def _world_of(images: Images) -> _World:
    """The world whose factors the table has, and whose picture of the first row is the first picture."""
    columns = set(images.table.columns)
    bits = sum(f"bit{i}" in columns for i in range(len(columns)))
    if len(images) and len(set(images.size)) == 1:
        for world in (_randbit_world(bits), _TAGGED, _TEXTURED, _SHAPES):
            if {*world.factors, "noise_seed"} <= columns:
                if np.array_equal(_render(images.table[:1], images.size[0], world)[0], images.pixels[:1]):
                    return world
    raise ValueError("A counterfactual needs images as shapes() or another world drew them: it draws them again.")


def _render(table: pd.DataFrame, size: int, world: _World) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pictures (n, size, size, 3) and masks {name: (n, size, size)} that the rows describe."""
    pixels = np.empty((len(table), size, size, 3), np.uint8)
    masks: dict[str, np.ndarray] = {}
    for start in range(0, len(table), _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = {name: column.to_numpy() for name, column in table.iloc[rows].items()}
        canvas, covers = world.paint(part, size)
        canvas += NOISE * rasterizing.noise(part["noise_seed"], size)
        pixels[rows] = np.rint(255 * np.clip(canvas, 0, 1))
        for name, cover in covers.items():
            masks.setdefault(name, np.empty((len(table), size, size), bool))[rows] = cover >= 0.5
    if world.backdrop:
        masks["background"] = ~np.any(list(masks.values()), axis=0)
    return pixels, masks


# --- how each world is painted ----------------------------------------------------------------------------------------


def _paint_shapes(part: Part, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    canvas, cover = _ground(part, size), _coverage(part, size)
    rasterizing.paint(canvas, cover, _rgb(part["color"]))
    return canvas, {"object": cover}


def _paint_tagged(part: Part, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    canvas, covers = _ground(part, size), {"shape": _coverage(part, size)}
    rasterizing.paint(canvas, covers["shape"], np.full((len(canvas), 3), GREY))
    corners = np.char.partition(part["places"].astype(str), ", ")[:, [0, 2]].T
    for name, form, corner in (("tag", "square", corners[0]), ("distractor", "disc", corners[1])):
        right, low = np.char.endswith(corner, "right"), np.char.startswith(corner, "bottom")
        x, y = part[f"{name}_x"], part[f"{name}_y"]
        at = np.where(right, 1 - x, x), np.where(low, 1 - y, y)
        b = len(canvas)
        covers[name] = rasterizing.coverage(np.full(b, form), *at, np.full(b, TAG), np.zeros(b), size)
        rasterizing.paint(canvas, covers[name], _rgb(part[f"{name}_color"]))
    return canvas, covers


def _paint_textured(part: Part, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    kind = pd.Categorical(part["background"], tuple(COLORS)).codes.astype(float)
    hue = BACKGROUND * _rgb(part["background"]) / (128 / 255)  # of the background's own luminance
    tint = BACKGROUND + TINT * (hue - BACKGROUND)
    stripes = rasterizing.slanted_grating(180 * kind / len(COLORS), part["phase"], CYCLES, size)
    canvas = tint[:, None, None, :].astype(np.float32) + CONTRAST * stripes[..., None]
    cover = _coverage(part, size)
    rasterizing.paint(canvas, cover, np.full((len(canvas), 3), GREY))
    return canvas, {"object": cover}


def _paint_randbit(part: Part, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    canvas, covers = _paint_shapes(part, size)
    bits = sum(f"bit{i}" in part for i in range(size))
    covers["bits"] = np.zeros(covers["object"].shape, np.float32)
    if bits:
        levels = np.array(BITS)[[(part[f"bit{i}"] == "1").astype(int) for i in range(bits)]].T  # (b, bits)
        top = size - max(1, size // 16)
        canvas[:, top:] = levels[:, np.arange(size) * bits // size][:, None, :, None]
        covers["bits"][:, top:] = 1
    return canvas, covers


def _ground(part: Part, size: int) -> np.ndarray:
    """The grey background with its stripes, (b, size, size, 3), 0 to 1."""
    stripes = rasterizing.grating(part["texture"] == "vertical", part["phase"], CYCLES, size)
    return np.repeat(BACKGROUND + CONTRAST * stripes[..., None], 3, axis=3)


def _rgb(names: np.ndarray) -> np.ndarray:
    return np.array([COLORS[name] for name in names]) / 255


def _coverage(part: Part, size: int) -> np.ndarray:
    return rasterizing.coverage(part["shape"], part["x"], part["y"], part["radius"], part["angle"], size)


_SHAPES = _World({"shape": SHAPES, "color": tuple(COLORS), "texture": TEXTURES}, RANGES, _paint_shapes, backdrop=False)
_TAGGED = _World(
    {"shape": SHAPES, "tag_color": tuple(COLORS), "distractor_color": tuple(COLORS), "places": PLACES}
    | {"texture": TEXTURES},
    TAGGED_RANGES,
    _paint_tagged,
)
_TEXTURED = _World({"shape": SHAPES, "background": tuple(COLORS)}, RANGES, _paint_textured)


@cache
def _randbit_world(bits: int) -> _World:
    names = _SHAPES.names | {f"bit{i}": ("0", "1") for i in range(bits)}
    return _World(names, RANDBIT_RANGES, _paint_randbit, backdrop=False)
