"""Thumbnails: crisp and uniform, as HTML without scripts, for app, notebook and report alike."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """One image as a PNG file: `pixels` uint8 (h, w, 3)."""
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        file, "PNG", compress_level=1
    )  # pages hold hundreds: time counts
    return file.getvalue()


def data_uri(pixels: np.ndarray, size: int | None = None) -> str:
    """One image as a `data:` address for <img src=...>: uint8 (h, w, 3), shrunk to `size` pixels if it is larger.

    Smaller images stay as they are: the browser enlarges them without blur (`image-rendering: pixelated`).
    """
    return "data:image/png;base64," + base64.b64encode(png(_shrink(pixels, size))).decode()


def _shrink(pixels: np.ndarray, size: int | None) -> np.ndarray:
    if size is None or max(pixels.shape[:2]) <= size:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((size, size), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image)


def gallery_html(
    pixels: np.ndarray,
    ids: Sequence[str],
    *,
    captions: Sequence[str] | None = None,
    size: int = 56,
    limit: int = 200,
) -> str:
    """A wrapping grid of thumbnails, as HTML.

    - pixels: uint8 (n, h, w, 3)
    - ids: (n,), each the tooltip and the alt text of its image
    - captions: (n,), written under the images
    - size: pixels of a side
    - limit: how many are shown at most; the number of those left out is written at the end

    Colours are inherited, so it suits light and dark.  ValueError if the lengths differ.
    """
    lengths = [len(pixels), len(ids), len(ids if captions is None else captions)]
    if len(set(lengths)) > 1:
        raise ValueError(f"A gallery needs one id and caption per image; got {lengths} images, ids and captions.")
    # Pictures larger than shown are shrunk to twice that size, for dense screens; there smooth scaling looks better.
    crisp = len(pixels) == 0 or max(pixels.shape[-3:-1]) <= size
    style = f"width:{size}px;height:{size}px;object-fit:contain;display:block;" + "image-rendering:pixelated;" * crisp
    cells = [
        _cell(data_uri(pixels[i], 2 * size), str(ids[i]), None if captions is None else str(captions[i]), style, size)
        for i in range(min(limit, len(ids)))
    ]
    if len(ids) > limit:
        cells.append(f'<div style="align-self:center;padding:4px 8px">+ {len(ids) - limit:,} more</div>')
    grid = "display:flex;flex-wrap:wrap;gap:4px;font-size:11px;line-height:1.25"
    return f'<div style="{grid}">{"".join(cells)}</div>'


def _cell(uri: str, id_: str, caption: str | None, style: str, size: int) -> str:
    alt = escape(id_ if caption is None else f"{id_}: {caption}")
    below = ""
    if caption is not None:
        one_line = f"width:{size}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;text-align:center"
        below = f'<figcaption style="{one_line}">{escape(caption)}</figcaption>'
    return f'<figure style="margin:0"><img src="{uri}" alt="{alt}" title="{alt}" style="{style}">{below}</figure>'


def contact_sheet(pixels: np.ndarray, columns: int = 10, gap: int = 1) -> np.ndarray:
    """All images as one picture: uint8 (n, h, w, 3) -> uint8 (rows * (h + gap) - gap, columns * (w + gap) - gap, 3).

    Row by row, `gap` white pixels between them, and white where the last row ends early.
    """
    n, h, w, _ = pixels.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    sheet = np.full((rows, columns, h + gap, w + gap, 3), 255, np.uint8)
    sheet.reshape(rows * columns, h + gap, w + gap, 3)[:n, :h, :w] = pixels
    joined = sheet.swapaxes(1, 2).reshape(rows * (h + gap), columns * (w + gap), 3)
    return joined[: rows * (h + gap) - gap, : columns * (w + gap) - gap]


def pale(picture: np.ndarray) -> np.ndarray:
    """A picture without colour and with little contrast, so that a map over it is seen: uint8 (h, w, 3)."""
    grey = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat((140 + 0.42 * grey).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
