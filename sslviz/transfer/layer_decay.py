"""Layer-wise learning rates: the nearer to the input, the smaller, multiplied into the rate that the optimiser really uses.

The groups of timm carry the factor as `lr_scale`, which no scheduler of torch reads.  Here `set_rate` multiplies it in,
in every step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def layers_of(encoder: Any) -> dict[str, int]:
    """The layer of each parameter of the network: 0 for the stem or the embeddings, then block by block.

    ValueError for a network that does not say its layers.
    """
    found = encoder.face.layer_numbers()
    last = max(found.values())
    return {name: found.get(name, last) for name, _ in encoder.model.named_parameters()}


def parameter_groups(
    encoder: Any, head: nn.Module, *, layer_decay: float, encoder_decay: float, head_decay: float, layered: bool = False
) -> list[dict[str, Any]]:
    """Groups for an optimiser, from the layer next to the pixels to the head, all at rate zero until `set_rate`.

    Layer l of L has the factor layer_decay^(L + 1 - l) under `lr_scale`; the head, which is layer L + 1, has 1.  Matrices
    and kernels decay (`encoder_decay`, `head_decay`); biases, norms and what the model names (positions, class tokens) do
    not.  Unless `layered`, and without layer decay, the encoder counts as one layer.
    """
    model = encoder.model
    names = [name for name, _ in model.named_parameters()]
    layer = layers_of(encoder) if layered or layer_decay != 1 else dict.fromkeys(names, 0)
    top = max(layer.values(), default=0) + 1
    without = set(model.no_weight_decay()) if hasattr(model, "no_weight_decay") else set[str]()
    weights = [
        (layer[name], p, encoder_decay * (p.ndim > 1 and name not in without)) for name, p in model.named_parameters()
    ]
    weights += [(top, p, head_decay * (p.ndim > 1)) for p in head.parameters()]
    groups: dict[tuple[int, float], dict[str, Any]] = {}
    for at, parameter, decay in sorted(weights, key=lambda one: one[0]):
        new = {"params": [], "lr": 0.0, "lr_scale": layer_decay ** (top - at), "layer": at, "weight_decay": decay}
        groups.setdefault((at, decay), new)["params"].append(parameter)
    return list(groups.values())


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives each group the rate times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


def thaw(optimizer: torch.optim.Optimizer, progress: float) -> None:
    """Gradual unfreezing (arXiv 1801.06146): the head alone, then one layer more in each of as many equal phases.

    `progress` is the share of the steps that is done.
    """
    layers = sorted({group["layer"] for group in optimizer.param_groups}, reverse=True)
    open_now = layers[: 1 + int(progress * len(layers))]
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.requires_grad_(group["layer"] in open_now)
