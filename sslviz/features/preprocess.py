"""From pixels to an encoder's input: resized, cropped and normalised as its preprocessing says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from sslviz.encoders import Encoder
    from sslviz.encoders.preprocessing import Preprocessing


def preprocess(pixels: Tensor, encoder: Encoder, dtype: torch.dtype | None = None) -> Tensor:
    """uint8 (b, h, w, 3) -> what the encoder expects, (b, 3, s, s): resized with anti-aliasing and normalised.

    How it is resized and cropped, `encoder.preprocessing` says.
    - dtype: of the result (default: that of the encoder's numbers)
    """
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    s, fed = encoder.image_size, encoder.preprocessing
    x = _middle(_resized(x, _size_before_crop(x.shape[-2:], s, fed), fed.interpolation), s)
    # Of a whole picture, since three numbers that repeat along the last axis cannot be subtracted many at once.
    whole = torch.empty(1, 3, s, s, device=x.device, memory_format=torch.channels_last)
    for step, values in ((x.sub_, encoder.mean), (x.div_, encoder.std)):
        step(whole.copy_(torch.tensor(values, device=x.device).view(1, 3, 1, 1)))
    return x.to(dtype or next(encoder.parameters()).dtype)


def _size_before_crop(size: Sequence[int], s: int, fed: Preprocessing) -> tuple[int, int]:
    """Height and width of which the middle s x s is taken: s by s, unless something is to be cut off."""
    side = int(s / fed.crop + 1e-6)  # rounded down, as timm does: 248 for 224 at 0.9
    if fed.crop_mode == "squash":
        return side, side
    height, width = (max(side, int(side * length / min(size))) for length in size)
    return height, width


def _resized(x: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    if x.shape[-2:] == size:
        return x
    if interpolation == "nearest":
        return F.interpolate(x, size, mode="nearest-exact")
    x = F.interpolate(x, size, mode=interpolation, antialias=True, align_corners=False)
    return x.clamp_(0, 1) if interpolation == "bicubic" else x  # bicubic overshoots at edges, which pictures cannot


def _middle(x: Tensor, s: int) -> Tensor:
    top, left = (round((length - s) / 2) for length in x.shape[-2:])
    return x[..., top : top + s, left : left + s]


def fed_alike(encoder: Encoder) -> tuple[object, ...]:
    """What stands for the way pictures become its input: encoders for which it is equal can be shown the same batch."""
    fed = encoder.preprocessing
    return encoder.image_size, encoder.mean, encoder.std, fed.interpolation, fed.crop, fed.crop_mode
