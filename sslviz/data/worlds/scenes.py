"""`scenes`: several coloured shapes in a picture, with a box and a mask for each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sslviz.data import rasterizing
from sslviz.data.boxes import BOXES, Boxes, format_boxes
from sslviz.data.images import Images
from sslviz.data.worlds.world import (
    BALANCED,
    COLORS,
    RANGES,
    SHAPES,
    SPLITS,
    TEXTURES,
    Rows,
    World,
    other_code,
    paint_background,
    render,
    rgb,
    within,
)

MOST = 4  # objects: of more, some would cover each other in a picture of 64 pixels
RADIUS = (0.08, 0.15)  # of the disc of equal area: boxes of 9 to 30 pixels in a picture of 64
REACH = 1.56  # radii from the centre to the farthest corner of any shape, a triangle's
APART = 0.85  # of the sum of two radii lies at least between centres: edges may touch, and little is covered
TRIES = 24  # places that are tried for each object: in fewer than one picture of a hundred none of them is free
NOTHING = "none"  # the label of a picture without an object
_CHUNK = 256  # pictures drawn at once: their objects' masks fit into 20 MB


def scenes(n: int = 8000, *, size: int = 64, bias: float = 0.95, seed: int = 0) -> Images:
    """What can be found where?  Pictures of none to four coloured shapes, with their boxes and masks.

    Columns of the table:
    - objects: how many there are, 0 to 4, all as often
    - boxes: "disc 3 4 20 22; cross 30 8 47 25": what is seen of each object, x0 y0 x1 y1 in pixels (`data/boxes.py`)
    - shape and color: of the largest object, "none" where there is no object; shape is also the `label`
    - texture and phase: of the background, as in `shapes`
    - scene: "disc blue x y radius angle; ...", all that the objects are drawn from; lengths are fractions of the side

    Every object has a shape, and with probability `bias` the colour that belongs to it, else any other.  Later objects
    cover earlier ones, but hardly do: edges meet at most.  The masks, one for each shape and "background", are disjoint and
    cover everything.  Splits, seeds and errors are those of `shapes`.

    Example:
        >>> import sslviz
        >>> images = sslviz.scenes(n=20, seed=0)
        >>> images.pixels.shape, sorted(images.masks)
        ((20, 64, 64, 3), ['background', 'cross', 'disc', 'square', 'triangle'])

    Caveat: One drawn world: objects lie apart, entire, and before an even ground, as they rarely do in photographs.
    """
    if n < 1 or size < 16 or not 0 <= bias <= 1:
        raise ValueError(f"scenes needs n >= 1, size >= 16 and 0 <= bias <= 1; got n={n}, size={size}, bias={bias}.")
    index = np.arange(n)
    table = draw_scenes(index, bias, seed)
    pixels = np.empty((n, size, size, 3), np.uint8)
    masks = {name: np.zeros((n, size, size), bool) for name in (*SHAPES, "background")}
    boxes: list[str] = []
    for start in range(0, n, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        rows = table.iloc[chunk]
        pixels[chunk], planes = render(SCENE, rows, size)
        masks["background"][chunk] = planes.pop("background")
        kinds = _objects(rows["scene"].to_numpy())["shape"]  # (b, MOST)
        seen = np.stack(list(planes.values()), axis=1)  # (b, MOST, s, s)
        for name in SHAPES:
            masks[name][chunk] = (seen & (kinds == name)[..., None, None]).any(1)
        boxes += [format_boxes(_boxes(*picture)) for picture in zip(kinds, seen, strict=True)]
    table.insert([*table].index("objects") + 1, BOXES, boxes)
    return Images(pixels, index.astype(str), table, masks, f"scenes:n={n},size={size},bias={bias},seed={seed}")


def draw_scenes(index: np.ndarray, bias: float, seed: int) -> pd.DataFrame:
    """One row per index, without boxes; each factor of each object has its own random stream."""

    def draw(stream: str) -> np.ndarray:
        return rasterizing.uniform(seed, stream, index)

    k = len(SHAPES)
    split = np.array(SPLITS)[index % len(SPLITS)]
    agreeing = np.where(np.isin(split, BALANCED), 1 / k, bias)
    objects = (draw("objects") * (MOST + 1)).astype(int)
    shape = np.stack([(draw(f"shape {i}") * k).astype(int) for i in range(MOST)], 1)  # (n, MOST), as all below
    agrees = np.stack([draw(f"agreement {i}") < agreeing for i in range(MOST)], 1)
    other = np.stack([other_code(shape[:, i], k, draw(f"color {i}")) for i in range(MOST)], 1)
    radius = np.stack([within(RADIUS, draw(f"radius {i}")) for i in range(MOST)], 1).round(4)
    angle = np.stack([within(RANGES["angle"], draw(f"angle {i}")) for i in range(MOST)], 1).round(2)
    x, y = _places(index, radius, seed)
    shapes, colors = np.array(SHAPES)[shape], np.array([*COLORS])[np.where(agrees, shape, other)]
    there = np.arange(MOST) < objects[:, None]
    largest = np.where(there, radius, 0).argmax(1)
    rows = np.arange(len(index))
    label = np.where(objects > 0, shapes[rows, largest], NOTHING)
    return pd.DataFrame(
        {
            "label": label,
            "split": split,
            "shape": label,
            "color": np.where(objects > 0, colors[rows, largest], NOTHING),
            "texture": np.array(TEXTURES)[(draw("texture") * len(TEXTURES)).astype(int)],
            "objects": objects,
            "scene": _texts(objects, shapes, colors, x, y, radius, angle),
            "phase": within(RANGES["phase"], draw("phase")),
            "noise_seed": (rasterizing.hash_bits(seed, "noise", index) >> np.uint64(11)).astype(np.int64),
        }
    )


def _places(index: np.ndarray, radius: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres x and y (n, MOST): the first of some random places that keeps apart from all earlier objects.

    Where none of them does, the one that comes nearest to it.  An object lies whole within the picture.
    """
    x, y = np.empty(radius.shape), np.empty(radius.shape)
    rows = np.arange(len(index))
    for i in range(MOST):
        margin = (REACH * radius[:, i])[:, None]
        u, v = (rasterizing.uniform(seed, f"{axis} {i}", index[:, None], np.arange(TRIES)) for axis in "xy")
        u, v = (margin + (1 - 2 * margin) * w for w in (u, v))  # (n, TRIES)
        free = np.full(u.shape, np.inf)  # how many times as far apart as needed
        for j in range(i):
            needed = APART * (radius[:, i] + radius[:, j])[:, None]
            free = np.minimum(free, np.hypot(u - x[:, j, None], v - y[:, j, None]) / needed)
        chosen = np.minimum(free, 1).argmax(1)  # the first of equals
        x[:, i], y[:, i] = u[rows, chosen], v[rows, chosen]
    return x.round(4), y.round(4)


def _texts(objects: np.ndarray, *factors: np.ndarray) -> list[str]:
    """The column `scene`: the factors (n, MOST) of the objects that are there."""
    lists = [factor.tolist() for factor in factors]
    return [
        "; ".join(" ".join(str(values[row][i]) for values in lists) for i in range(count))
        for row, count in enumerate(objects.tolist())
    ]


def _objects(texts: np.ndarray) -> dict[str, np.ndarray]:
    """The factors (b, MOST) that the column `scene` says; of objects that are not there, shape "" and radius 0."""
    blank = ("", next(iter(COLORS)), 0.0, 0.0, 0.0, 0.0)
    rows = [[tuple(part.split()) for part in text.split(";") if part.strip()] for text in texts]
    filled = np.array([[*row, *[blank] * (MOST - len(row))] for row in rows], dtype=str)  # (b, MOST, 6)
    names = ("shape", "color", "x", "y", "radius", "angle")
    return {
        name: filled[..., i] if name in ("shape", "color") else filled[..., i].astype(float)
        for i, name in enumerate(names)
    }


def paint_scene(rows: Rows, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As `World.paint`, with what is seen of each object, {"object 0": (b, size, size)}: nothing that a later one covers."""
    canvas, objects = paint_background(rows, size), _objects(rows["scene"])
    seen: dict[str, np.ndarray] = {}
    for i in range(MOST):
        factors = {name: values[:, i] for name, values in objects.items()}
        cover = np.zeros(canvas.shape[:3], np.float32)
        there = np.flatnonzero(factors["shape"] != "")
        if len(there):
            shape, x, y, radius, angle = (factors[f][there] for f in ("shape", "x", "y", "radius", "angle"))
            cover[there] = rasterizing.coverage(shape, x, y, radius, angle, size)
        rasterizing.paint(canvas, cover, rgb(factors["color"]))
        for earlier in seen.values():
            earlier[cover >= 0.5] = 0
        seen[f"object {i}"] = cover
    return canvas, seen


def _boxes(kinds: np.ndarray, seen: np.ndarray) -> Boxes:
    """The boxes around what is seen (MOST, s, s) of objects of these kinds (MOST,); of one that is hidden there is none."""
    there = seen.any((1, 2))
    across, down = np.any(seen[there], axis=1), np.any(seen[there], axis=2)  # (m, s)
    ends = [(a.argmax(1), a.shape[1] - a[:, ::-1].argmax(1)) for a in (across, down)]
    (x0, x1), (y0, y1) = ends
    return Boxes(kinds[there], np.stack([x0, y0, x1, y1], 1))


# Its table is drawn by `draw_scenes`, so that it needs no categories and ranges; "background" is what no object covers.
SCENE = World({}, {}, paint_scene)
