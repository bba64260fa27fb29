"""Weights between two ends (WiSE-FT, arXiv 2109.01903), and the statistics of batch normalisation that belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def interpolated(start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The state (1 - share) * start + share * end of two networks of one shape, that is with the same head.

    Where a network is linear in what differs, its logits are the mean of both ends' exactly.  Counters are taken from the
    end.  Statistics of batch normalisation are no weights: what is between two of them belongs to no network, so that
    `estimate_statistics` has to follow where they differ.  ValueError for two networks of different shapes.
    """
    if {name: x.shape for name, x in start.items()} != {name: x.shape for name, x in end.items()}:
        raise ValueError("Only weights of the same network can be interpolated; these two differ in names or shapes.")
    return {
        name: (1 - share) * start[name] + share * x if x.is_floating_point() else x.clone() for name, x in end.items()
    }


def moved(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> bool:
    """Whether statistics of batch normalisation differ between the two."""
    names = [name for name in end if name.endswith(("running_mean", "running_var"))]
    return any(not torch.equal(start[name], end[name]) for name in names)


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets mean and variance of each batch normalisation to those of these inputs, every batch counting the same.

    The network is left in evaluation mode; nothing happens where it has no batch normalisation.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    network.eval()
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain mean over batches
        norm.train()
    for x in batches:
        network(x)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()
