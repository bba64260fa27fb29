"""`randbit`: `shapes` above a strip of random bits."""

from __future__ import annotations

from functools import cache

import numpy as np

from sslviz.data.images import Images
from sslviz.data.worlds.colored_shape import COLORED_SHAPE, paint_colored_shape
from sslviz.data.worlds.world import RANGES, Rows, World, draw_world

RANDBIT_RANGES = RANGES | {"y": (0.36, 0.60)}  # above the strip
BITS = (0.12, 0.88)  # levels of a bit that is 0 or 1


def randbit(n: int = 8000, *, bits: int = 4, size: int = 32, bias: float = 0.95, seed: int = 0) -> Images:
    """How many bits that all views share keep an encoder from learning anything else?  `shapes` above a strip of bits.

    Factors in the table:
    - those of `shapes`
    - bit0, bit1, ...: "0" or "1", independent of everything

    Bits are dark and light cells of the same width in a strip along the lower side, a sixteenth of its height.  Views that
    keep the strip can be told apart by it alone (arXiv 2011.02803).  Masks "object" and "bits".  Splits, seeds and errors
    are those of `shapes`, and ValueError for a number of bits outside 0 to `size`.

    Example:
        >>> import sslviz
        >>> images = sslviz.randbit(n=20, bits=2, seed=0)
        >>> [column for column in images.table if column.startswith("bit")]
        ['bit0', 'bit1']

    Caveat: Crops lose the strip and flips turn it round: which bits are shared depends on the views.
    """
    if not 0 <= bits <= size:
        raise ValueError(f"randbit needs 0 <= bits <= size, a pixel for each at least; got bits={bits}, size={size}.")
    return draw_world("randbit", bit_strip(bits), n, size, bias, seed, f"bits={bits},")


@cache
def bit_strip(bits: int) -> World:
    """The world with this many bits."""
    categories = COLORED_SHAPE.categories | {f"bit{i}": ("0", "1") for i in range(bits)}
    return World(categories, RANDBIT_RANGES, paint_bit_strip, background_mask=False)


def paint_bit_strip(rows: Rows, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As `World.paint`."""
    canvas, covers = paint_colored_shape(rows, size)
    bits = sum(f"bit{i}" in rows for i in range(size))
    covers["bits"] = np.zeros(covers["object"].shape, np.float32)
    if bits:
        levels = np.array(BITS)[[(rows[f"bit{i}"] == "1").astype(int) for i in range(bits)]].T  # (b, bits)
        top = size - max(1, size // 16)
        canvas[:, top:] = levels[:, np.arange(size) * bits // size][:, None, :, None]
        covers["bits"][:, top:] = 1
    return canvas, covers
