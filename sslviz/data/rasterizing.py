"""Pictures whose every pixel follows from a few numbers: outlines, gratings, and noise by address.

All pictures of a batch are drawn at once.  Each argument has n numbers; lengths are fractions of the side, angles degrees.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

Key = int | str | np.ndarray


def hash_bits(*keys: Key) -> np.ndarray:
    """The 64 random bits of an address: one uint64 for each combination of keys (arrays broadcast).

    A chain of splitmix64 steps (Steele et al. 2014).  It is counter-based: any image's numbers are found without drawing
    those of the images before it, and all images' at once.
    """
    state = np.zeros(1, np.uint64)
    for key in keys:
        word = zlib.crc32(key.encode()) if isinstance(key, str) else key
        state = (state ^ np.asarray(word).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state


def uniform(*keys: Key) -> np.ndarray:
    """The random number in [0, 1) of an address: float64, one for each combination of keys."""
    return (hash_bits(*keys) >> np.uint64(11)) * 2.0**-53


def noise(seeds: np.ndarray, size: int) -> np.ndarray:
    """The noise that belongs to these seeds (n,): float32 (n, size, size, 3), uniform in -1 to 1."""
    bits = hash_bits(seeds[:, None], np.arange(size * size))  # 64 bits a pixel are enough for its three channels
    channels = bits.astype("<u8").view("<u2").reshape(len(seeds), size, size, 4)[..., :3]
    return channels * np.float32(2 / 65535) - np.float32(1)


def grating(vertical: np.ndarray, phase: np.ndarray, cycles: float, size: int) -> np.ndarray:
    """A sine grating of vertical or horizontal stripes: float32 (n, size, size), -1 to 1."""
    ramp = (np.arange(size, dtype=np.float32) + 0.5) / size
    along = np.where(_planes(vertical) > 0, ramp, ramp[:, None])  # (n, size, size)
    return np.sin(2 * np.pi * (cycles * along + _planes(phase) / 360))


def slanted_grating(slant: np.ndarray, phase: np.ndarray, cycles: float, size: int) -> np.ndarray:
    """A sine grating whose stripes are turned by `slant` degrees from the horizontal; otherwise as `grating`."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    turn = np.deg2rad(_planes(slant))
    along = np.cos(turn) * at[:, None] - np.sin(turn) * at  # across the stripes; y points down
    return np.sin(2 * np.pi * (cycles * along + _planes(phase) / 360))


def paint(canvas: np.ndarray, cover: np.ndarray, rgb: np.ndarray) -> None:
    """Lays one flat colour (n, 3) per picture over the canvas (n, h, w, 3), in place, as far as it covers (n, h, w)."""
    canvas += cover[..., None] * (rgb[:, None, None, :].astype(np.float32) - canvas)


def coverage(
    outline: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray, angle: np.ndarray, size: int
) -> np.ndarray:
    """How much of each pixel the object covers: float32 (n, size, size), 0 to 1.

    `outline` is one of `OUTLINES`, all of which have the area pi radius^2.  (x, y) is the centre of mass; y points down.
    """
    at = np.arange(size, dtype=np.float32) + 0.5
    dx, dy = at - size * _planes(x), at[:, None] - size * _planes(y)
    turn = np.deg2rad(_planes(angle))
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    pixels = size * _planes(radius)
    cover = np.empty(u.shape, np.float32)
    for name, draw in OUTLINES.items():
        rows = np.flatnonzero(outline == name)
        cover[rows] = draw(u[rows], v[rows], pixels[rows])
    return cover


def _planes(values: np.ndarray) -> np.ndarray:
    """(n,) numbers as float32 (n, 1, 1), to go with pixel grids."""
    return np.asarray(values, np.float32)[:, None, None]


# Coverage is analytic: a straight edge at distance d from the pixel's centre covers `_edge(d)` of it, and convex
# outlines are products of edges.  Summed over the plane, such a product is the polygon's area plus cot(angle) / 12 for
# each corner.  That is nothing at right angles; the disc's curvature adds pi / 12.  Disc and triangle take it back, so
# that all outlines of one radius r (in pixels) have the same area pi r^2.


def _edge(d: np.ndarray) -> np.ndarray:
    return np.clip(0.5 - d, 0, 1)


def _disc(u: np.ndarray, v: np.ndarray, r: np.ndarray) -> np.ndarray:
    return _edge(np.hypot(u, v) - np.sqrt(r**2 - 1 / 12))


def _square(u: np.ndarray, v: np.ndarray, r: np.ndarray) -> np.ndarray:
    half = r * np.float32(np.sqrt(np.pi) / 2)
    return _edge(np.abs(u) - half) * _edge(np.abs(v) - half)


def _triangle(u: np.ndarray, v: np.ndarray, r: np.ndarray) -> np.ndarray:
    inner = np.sqrt((np.pi * r**2 - np.float32(48**-0.5)) / np.float32(27**0.5))  # radius of the inscribed circle
    right = np.float32(0.75**0.5) * u
    return _edge(v - inner) * _edge(right - v / 2 - inner) * _edge(-right - v / 2 - inner)


def _cross(u: np.ndarray, v: np.ndarray, r: np.ndarray) -> np.ndarray:
    arm = r * np.float32(np.sqrt(9 * np.pi / 20))  # half its length; a bar is a third as wide as long
    u, v = np.abs(u), np.abs(v)
    across, along = _edge(u - arm) * _edge(v - arm / 3), _edge(v - arm) * _edge(u - arm / 3)
    return across + along - across * along


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}
