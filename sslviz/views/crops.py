"""Crops: boxes of a given area and shape, and how much they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

Range = tuple[float, float]


def between(uniform: Tensor, bounds: Range) -> Tensor:
    """Numbers uniform in [0, 1), stretched to the range."""
    return bounds[0] + uniform * (bounds[1] - bounds[0])


def crop_boxes(area: Tensor, place: Sequence[Tensor], ratios: Range, height: int, width: int) -> Tensor:
    """Crops (..., 4) in whole pixels, of a given share of the area; `place` is ratio, top, left, uniform in [0, 1)."""
    ratio, top, left = place
    # A crop of this area fits only if width / height lies between these, so that nothing is drawn twice.
    low = (area * (width / height)).clamp(*ratios).log()
    high = (width / height / area).clamp(*ratios).log()
    ratio = (low + ratio * (high - low)).exp()
    h, w = (area * (height * width) / ratio).sqrt(), (area * (height * width) * ratio).sqrt()
    # In an image longer than any ratio allows, the crop gives up area and keeps its shape.
    fits = torch.minimum(height / h, width / w).clamp(max=1)
    h, w = (h * fits).round().clamp(1, height), (w * fits).round().clamp(1, width)
    top = torch.minimum((top * (height - h + 1)).floor(), height - h)
    left = torch.minimum((left * (width - w + 1)).floor(), width - w)
    return torch.stack([top, left, h, w], -1)


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """The intersection of boxes (..., 4) over their union, from 0 to 1."""
    top_left = torch.maximum(one[..., :2], other[..., :2])
    bottom_right = torch.minimum(one[..., :2] + one[..., 2:], other[..., :2] + other[..., 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(-1)
    return shared / (one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - shared)


def least_overlapping(boxes: Tensor) -> Tensor:
    """Of drawn sets of boxes (draws, views, b, 4), each image's set whose views overlap least, (views, b, 4)."""
    pairs = [overlap(boxes[:, i], boxes[:, j]) for i, j in combinations(range(boxes.shape[1]), 2)]
    best = torch.stack(pairs).mean(0).argmin(0)  # (b,)
    return boxes.gather(0, best[None, None, :, None].expand(1, *boxes.shape[1:]))[0]
