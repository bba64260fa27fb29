"""Pictures as brightness and chroma (YUV), and chroma in bins, so that a colour can be a class (arXiv 1603.08511)."""

from __future__ import annotations

import torch
from torch import Tensor

from sslviz.methods.parts.precision import in_float32

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # Rec. 601, as the greys of views
U, V = 0.492, 0.877  # Rec. 601: chroma of colours from 0 to 1 lies within 0.44 and 0.62 of grey
STEP = 0.1  # between bins: about a tenth of the range, where the paper has 10 of a range of 220
SHARED = 5  # bins that share a colour (§2.1)


def to_luma_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Colours from 0 to 1, (b, 3, h, w) -> luma (b, 1, h, w) and chroma (b, 2, h, w), which is 0 for grey."""
    red, green, blue = rgb.split(1, 1)
    luma = RED * red + GREEN * green + BLUE * blue
    return luma, torch.cat([U * (blue - luma), V * (red - luma)], 1)


def from_luma_and_chroma(luma: Tensor, chroma: Tensor) -> Tensor:
    """The colours of luma (b, 1, h, w) and chroma (b, 2, h, w): (b, 3, h, w), which may leave 0 to 1."""
    u, v = chroma.split(1, 1)
    red, blue = luma + v / V, luma + u / U
    return torch.cat([red, (luma - RED * red - BLUE * blue) / GREEN, blue], 1)


def chroma_bins() -> Tensor:
    """The points of a lattice that are nearest to some colour's chroma, (bins, 2)."""
    cube = torch.cartesian_prod(*[torch.linspace(0, 1, 41)] * 3)  # finer than the bins
    _, chroma = to_luma_and_chroma(cube[:, :, None, None])
    return (chroma[:, :, 0, 0] / STEP).round().unique(dim=0) * STEP


def soft_bins(chroma: Tensor, bins: Tensor) -> Tensor:
    """How much of each bin a chroma has, (b, 2, h, w) -> (b, bins, h, w), which sums to 1.

    The nearest bins share it by a Gaussian of half a step (§2.1): neighbours are almost right.
    """
    distance = (chroma[:, None] - bins[:, :, None, None]).square().sum(2)  # (b, bins, h, w)
    near, which = distance.topk(SHARED, 1, largest=False)
    return torch.zeros_like(distance).scatter_(1, which, (-near / (2 * (STEP / 2) ** 2)).softmax(1))


def rarity(shares: Tensor, rebalance: float) -> Tensor:
    """Weights of bins that have these shares of all pixels, (bins,) -> (bins,): rare ones more, 1 for the mean pixel.

    Eq. 4, without its smoothing, which soft bins have done; its lambda is 1 - `rebalance`.
    """
    weights = 1 / (rebalance * shares + (1 - rebalance) / len(shares))
    return weights / (weights * shares).sum()


@in_float32
def annealed_mean(logits: Tensor, bins: Tensor, temperature: float) -> Tensor:
    """The mean chroma at a temperature, logits (b, bins, h, w) and bins (bins, 2) -> (b, 2, h, w) (Eq. 5)."""
    return torch.einsum("bqhw,qc->bchw", (logits / temperature).softmax(1), bins)
