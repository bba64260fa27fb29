"""Patches whose tokens are far longer than the others: what stands out, where it appears, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MADS = 6  # above the median, in median absolute deviations


def stand_out(norms: np.ndarray, *, mads: float = MADS) -> np.ndarray:
    """Which patches have norms far beyond the others', as booleans in the shape of `norms`.

    More than `mads` median absolute deviations above the median of all the patches given, so that the rule follows
    the encoder's own scale.  Absolute cut-offs do not carry over from one encoder to another (arXiv 2309.16588).

    Caveat: Where most patches show the same plain background, the patches of an object stand out too.
    """
    median = np.median(norms)
    spread = np.median(np.abs(norms - median))
    return norms > median + max(mads * spread, 1e-6 * abs(median))  # equal norms differ by rounding


def normal_outliers() -> float:
    """The share of normally distributed norms that would stand out: 6 MAD are 4.05 standard deviations, 0.003 %."""
    from scipy.stats import norm

    return float(norm.sf(MADS * norm.ppf(0.75)))


def emergence(norms: np.ndarray, outliers: np.ndarray) -> tuple[np.ndarray, int]:
    """The share (layers,) of outliers in each block's output, and the block from which on they stand out.

    `norms` (n, layers, P) of every block's output, `outliers` (n, P) those of the last.  The block is the first from
    which at least half of the last one's outliers stand out (the last, where there are none).
    """
    by_layer = np.stack([stand_out(norms[:, layer]) for layer in range(norms.shape[1])], 1)  # (n, layers, P)
    share = by_layer.mean((0, 2))
    found = (by_layer & outliers[:, None]).sum((0, 2))
    early = np.flatnonzero(found * 2 >= max(1, outliers.sum()))
    return share, int(early[0]) if len(early) else norms.shape[1] - 1


@contextmanager
def patch_norms(model: Any, prefix: int) -> Iterator[list[Tensor]]:
    """Inside, every forward pass leaves the lengths of the patch tokens after each block, (b, P) each, in the list."""
    norms: list[Tensor] = []

    def read(block: nn.Module, inputs: Any, output: Tensor) -> None:
        if block is model.blocks[0]:
            norms.clear()
        norms.append(output[:, prefix:].float().norm(dim=-1))

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(block.register_forward_hook(read).remove)
        yield norms


@contextmanager
def mean_substituted(model: Any, prefix: int, chosen: Tensor, start: int) -> Iterator[None]:
    """Inside, the patch tokens that are `chosen`, bool (b, P), are held at the mean of the others.

    After every block from number `start` on, so that they cannot form again.  The mean, not zero: a token of zeros is
    one that the encoder has never met, and what that breaks says little (arXiv 2604.14433).

    Caveat: The mean of many tokens is shorter than any of them, so that any substitution changes the features a
    little: compare with random patches.
    """
    mask = chosen[..., None]  # (b, P, 1)

    def replace(block: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        patches = output[:, prefix:]
        others = (patches * ~mask).sum(1, keepdim=True) / (~mask).sum(1, keepdim=True).clamp_min(1)
        return torch.cat([output[:, :prefix], torch.where(mask, others.to(patches), patches)], 1)

    with ExitStack() as stack:
        for block in model.blocks[start:]:
            stack.callback(block.register_forward_hook(replace).remove)
        yield


def as_many_at_random(chosen: np.ndarray, seed: int) -> np.ndarray:
    """As many patches of each image, but drawn from those not `chosen` (n, P): the control of a substitution."""
    keys = np.random.default_rng(seed).random(chosen.shape)
    keys[chosen] = 2  # last
    rank = keys.argsort(1).argsort(1)
    return (rank < chosen.sum(1, keepdims=True)) & ~chosen
