"""Rendering of views: resampling, blur and colour on the device."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.views.parameters import ViewParameters

CACHED = 300_000  # how many numbers of a view tensor are in work at a time on a CPU: about a megabyte, a core's cache


def resampling_matrices(pixels: int, start: Tensor, extent: Tensor, size: int, flip: Tensor | None = None) -> Tensor:
    """How much each of `size` outputs takes of each pixel of an axis, (..., size, pixels); rows sum to one.

    Bilinear inside the crop.  Where the crop shrinks, the triangle widens with it, as in PIL and torchvision.
    """
    centers = torch.arange(size, device=start.device) + 0.5
    if flip is not None:
        centers = torch.where(flip[..., None], size - centers, centers)
    start, extent = start[..., None], extent[..., None]
    step = extent / size
    reach = step.clamp(min=1)
    at = torch.arange(pixels, device=start.device) + 0.5 - start  # (..., pixels)
    at = torch.where((at > 0) & (at < extent), at, torch.inf)  # what lies outside the crop is out of reach
    distance = (at / reach)[..., None, :] - (centers * step / reach)[..., None]
    weights = 1 - distance.abs_().clamp_(max=1)
    return weights.div_(weights.sum(-1, keepdim=True))


def blur_matrices(size: int, reach: int, sigma: Tensor) -> Tensor:
    """The Gaussian blur of an axis as a matrix (..., size, size); sigma 0 is the identity."""
    # The pixel j to which each step from -reach to reach leads from output i, with the axis mirrored at its ends.
    padded = F.pad(torch.eye(size, device=sigma.device), (reach, reach), mode="reflect")  # (j, size + 2*reach)
    leads = padded.unfold(1, size, 1).permute(1, 2, 0)  # (2*reach + 1, i, j)
    steps = torch.arange(-reach, reach + 1, device=sigma.device)
    # At 0.01 the nearest neighbour's weight is already exactly zero.
    kernel = torch.exp(-0.5 * (steps / sigma[..., None].clamp(min=0.01)) ** 2)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    return (kernel @ leads.flatten(1)).unflatten(-1, (size, size))


def color_matrices(p: ViewParameters, mean: Tensor) -> tuple[Tensor, Tensor]:
    """From 0-255 to changed colours in 0-1: matrix (v, b, 3, 3), offset (v, b); `mean` (v, b, 3) is the crop's."""
    light = p.brightness * p.contrast / 255
    chroma = torch.where(p.gray, 0.0, light * p.saturation)
    angle = 2 * math.pi * p.hue
    basis = constant_tensor(_COLOR_BASIS, mean.device)
    matrix = torch.stack([light, chroma * angle.cos(), chroma * angle.sin()], -1) @ basis
    offset = p.brightness * (1 - p.contrast) / 255 * (mean @ basis[0, :3])
    return matrix.unflatten(-1, (3, 3)), offset


def _color_basis() -> tuple[tuple[float, ...], ...]:
    """Three matrices, flattened: a colour's grey; what is left; that, turned by 90 degrees from red towards green."""
    red, green, blue = torch.eye(3, dtype=torch.float64)
    gray = 0.299 * red + 0.587 * green + 0.114 * blue  # Rec. 601, as in PIL and torchvision
    to_yuv = torch.stack([gray, 0.492 * (blue - gray), 0.877 * (red - gray)])
    luma, chroma, turned = torch.zeros(3, 3, 3, dtype=torch.float64)
    luma[0, 0] = chroma[1, 1] = chroma[2, 2] = turned[2, 1] = 1
    turned[1, 2] = -1
    basis = torch.linalg.inv(to_yuv) @ torch.stack([luma, chroma, turned]) @ to_yuv
    return tuple(map(tuple, basis.flatten(1).tolist()))


_COLOR_BASIS = _color_basis()


@cache
def constant_tensor(values: tuple, device: torch.device) -> Tensor:
    """Numbers on a device, copied there once: each such copy makes the host wait."""
    return torch.tensor(values, device=device)
