"""Features without an encoder: raw pixels and colour histograms."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from sslviz.data import Images
from sslviz.features.features import Features


def raw_pixels(images: Images, size: int = 16) -> Features:
    """What would no encoder at all give?  The pixels themselves, at `size` x `size`, as Features (n, 3 size²).

    Example:
        >>> import sslviz
        >>> sslviz.raw_pixels(sslviz.shapes(n=2)).x.shape
        (2, 768)
    """
    parts = []
    for start in range(0, len(images), 1024):
        x = torch.from_numpy(np.array(images.pixels[start : start + 1024])).permute(0, 3, 1, 2).float() / 255
        parts.append(F.interpolate(x, (size, size), mode="area").flatten(1))
    source = {"run": "pixels", "step": 0, "layer": f"{size}px", "images": images.digest, "spec": images.spec}
    return Features(torch.cat(parts).numpy(), images.ids, images.table, source, images.group)


def color_histogram(images: Images, bins: int = 4) -> Features:
    """The colours alone: the share of pixels in each of bins^3 cells of RGB, as Features (n, bins^3)."""
    cells = np.zeros((len(images), bins**3), np.float32)
    for start in range(0, len(images), 1024):
        part = np.array(images.pixels[start : start + 1024])
        level = part.reshape(len(part), -1, 3) // (256 // bins)
        cell = (level[..., 0] * bins + level[..., 1]) * bins + level[..., 2] + bins**3 * np.arange(len(level))[:, None]
        counts = np.bincount(cell.ravel(), minlength=len(level) * bins**3).reshape(len(level), -1)
        cells[start : start + len(level)] = counts / cell.shape[1]
    source = {
        "run": "color histogram",
        "step": 0,
        "layer": f"{bins} bins",
        "images": images.digest,
        "spec": images.spec,
    }
    return Features(cells, images.ids, images.table, source, images.group)
