"""What does an image look like with nothing in it?  The baselines that maps are measured against, and masks for parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.faithfulness.perturbation import filled
from sslviz.features.embed import preprocess

Baseline = str | float | Images
COLORS = {"black": 0.0, "grey": 0.5, "white": 1.0}
BASELINES = ("mean", "blur", *COLORS)


def baseline_images(baselines: Iterable[Baseline], x: Tensor, encoder: Encoder) -> tuple[list[str], Tensor]:
    """What is shown instead of the images `x` (n, 3, s, s)?  The names, and (k, n, 3, s, s) as the encoder expects it.

    "mean" is each image's own mean colour, "blur" itself blurred with a standard deviation of an eighth of its side,
    "black", "grey", "white" or a level from 0 to 1 a plain picture; Images are one picture for all, or one for each.
    ValueError for anything else.
    """
    names, parts = [], []
    for one in baselines:
        name, picture = _one(one, x, encoder)
        names.append(name)
        parts.append(picture.expand_as(x))
    return names, torch.stack(parts) if parts else torch.empty(0, *x.shape)


def _one(baseline: Baseline, x: Tensor, encoder: Encoder) -> tuple[str, Tensor]:
    if isinstance(baseline, Images):
        if len(baseline) not in (1, len(x)):
            raise ValueError(f"Baseline images must be one for all or one for each of {len(x)}; got {len(baseline)}.")
        return "given images", as_expected(baseline.pixels, encoder)
    if baseline == "mean":
        return "mean colour", filled(x, "mean")
    if baseline == "blur":
        return "blurred", filled(x, "blur")
    level = COLORS.get(baseline) if isinstance(baseline, str) else baseline
    if not isinstance(level, int | float) or not 0 <= level <= 1:
        raise ValueError(
            f"A baseline is one of {', '.join(BASELINES)}, a grey level from 0 to 1, or Images; got {baseline!r}."
        )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (encoder.mean, encoder.std))
    return str(baseline) if isinstance(baseline, str) else f"level {level:g}", (level - mean) / std


def as_expected(pixels: np.ndarray, encoder: Encoder) -> Tensor:
    """uint8 (n, h, w, 3) as the encoder expects it, float32 (n, 3, s, s) on the CPU."""
    step = max(1, 2**24 // (encoder.image_size**2 + pixels[0].size))
    device = next((t.device for t in encoder.parameters()), torch.device("cpu"))
    parts = [torch.from_numpy(np.array(pixels[i : i + step])) for i in range(0, len(pixels), step)]
    return torch.cat([preprocess(part.to(device), encoder).float().cpu() for part in parts])


def as_pictures(x: Tensor, encoder: Encoder) -> np.ndarray:
    """What the encoder was shown, as a person sees it: (..., 3, s, s) -> uint8 (..., s, s, 3)."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    levels = (x * std + mean).clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(levels.movedim(-3, -1).numpy())


def patches(size: int, grid: int) -> Tensor:
    """Which patch is each pixel in?  Numbers (size, size) from 0 to grid^2 - 1, row by row."""
    if not 1 <= grid <= size:
        raise ValueError(f"A grid of patches has 1 to {size} a side, the picture's pixels; got {grid}.")
    at = torch.arange(size) * grid // size
    return at[:, None] * grid + at


def patch_masks(size: int, grid: int) -> Tensor:
    """One mask for each patch: bool (grid^2, size, size)."""
    return patches(size, grid) == torch.arange(grid**2)[:, None, None]


def window_masks(size: int, window: int, stride: int) -> Tensor:
    """Where is a square window of `window` pixels moved by `stride`?  bool (m, size, size); it is cut at the far edges.

    The last one covers the far edge, as in captum's Occlusion.
    """
    if not 1 <= stride <= window <= size:
        raise ValueError(
            f"An occluding window needs 1 <= stride <= window <= {size} pixels, so that all is covered once; "
            f"got stride {stride}, window {window}."
        )
    starts = stride * torch.arange(-(-(size - window) // stride) + 1)
    at = torch.arange(size)
    along = (at >= starts[:, None]) & (at < starts[:, None] + window)  # (m', size)
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def shrunk_masks(masks: dict[str, np.ndarray], size: int, resize: Callable[..., np.ndarray]) -> dict[str, np.ndarray]:
    """The masks at the encoder's size: bool (n, size, size), where at least half is covered."""
    return {name: resize(mask.astype(np.float32), (size, size)) >= 0.5 for name, mask in masks.items()}
