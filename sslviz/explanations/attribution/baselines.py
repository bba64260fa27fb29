"""The baselines that maps are measured against: what an image looks like with nothing in it; and masks for its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.control_maps import resized
from sslviz.explanations.faithfulness.perturbation import filled
from sslviz.explanations.pictures import as_inputs

Baseline = str | float | Images
COLORS = {"black": 0.0, "grey": 0.5, "white": 1.0}
BASELINES = ("mean", "blur", *COLORS)


def baseline_images(baselines: Iterable[Baseline], x: Tensor, encoder: Encoder) -> tuple[list[str], Tensor]:
    """What is shown instead of the images `x` (n, 3, s, s): the names, and (k, n, 3, s, s) as the encoder expects it.

    - "mean": each image's own mean colour
    - "blur": the image itself, blurred with a standard deviation of an eighth of its side
    - "black", "grey", "white" or a level from 0 to 1: a plain picture
    - Images: one picture for all, or one for each

    ValueError for anything else.
    """
    names, parts = [], []
    for baseline in baselines:
        name, picture = _baseline(baseline, x, encoder)
        names.append(name)
        parts.append(picture.expand_as(x))
    return names, torch.stack(parts) if parts else torch.empty(0, *x.shape)


def _baseline(baseline: Baseline, x: Tensor, encoder: Encoder) -> tuple[str, Tensor]:
    if isinstance(baseline, Images):
        if len(baseline) not in (1, len(x)):
            raise ValueError(f"Baseline images must be one for all or one for each of {len(x)}; got {len(baseline)}.")
        return "given images", as_inputs(baseline.pixels, encoder)
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


def patches(size: int, grid: int) -> Tensor:
    """The number of the patch that each pixel is in: (size, size), from 0 to grid^2 - 1, row by row."""
    if not 1 <= grid <= size:
        raise ValueError(f"A grid of patches has 1 to {size} a side, the picture's pixels; got {grid}.")
    at = torch.arange(size) * grid // size
    return at[:, None] * grid + at


def patch_masks(size: int, grid: int) -> Tensor:
    """One mask for each patch: bool (grid^2, size, size)."""
    return patches(size, grid) == torch.arange(grid**2)[:, None, None]


def window_masks(size: int, window: int, stride: int) -> Tensor:
    """The places of a square window of `window` pixels moved by `stride`: bool (m, size, size).

    The last one covers the far edge and is cut there, as in captum's Occlusion.
    """
    if not 1 <= stride <= window <= size:
        raise ValueError(
            f"An occluding window needs 1 <= stride <= window <= {size} pixels, so that all is covered once; "
            f"got stride {stride}, window {window}."
        )
    starts = stride * torch.arange(windows_a_side(size, window, stride))
    at = torch.arange(size)
    along = (at >= starts[:, None]) & (at < starts[:, None] + window)  # (m', size)
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def windows_a_side(size: int, window: int, stride: int) -> int:
    """At how many places along a side a window of `window` pixels stands."""
    return -(-(size - window) // stride) + 1


def shrunk_masks(masks: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """The masks at the encoder's size: bool (n, size, size), where at least half is covered."""
    return {name: resized(mask.astype(np.float32), (size, size)) >= 0.5 for name, mask in masks.items()}
