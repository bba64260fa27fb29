"""Multiplications of a network, attention included, and what its weights weigh."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

BYTES = {"fp32": 4, "bf16": 2, "int8": 1}  # of a number


def count_macs(network: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates of one pass over x (b, ...): those of convolutions and matrix products.

    Attention is computed step by step for that: torch's counter knows no fused kernel of a CPU and counts none of its
    products (pytorch#195460).  It counts a multiplication and an addition as two operations, which are one here.  Norms,
    activations, softmax and pooling are not counted.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() // 2


def weight_bytes(network: nn.Module) -> dict[str, int]:
    """{precision: bytes of all weights and batch statistics}.

    In int8 only the matrices of linear layers have one byte a number; all else stays in fp32.  Whole numbers, such as
    counters, have the same size everywhere.
    """
    tensors = network.state_dict().values()
    numbers = sum(t.numel() for t in tensors if t.is_floating_point())
    counters = sum(t.numel() * t.element_size() for t in tensors if not t.is_floating_point())
    sizes = {name: numbers * BYTES[name] + counters for name in ("fp32", "bf16")}
    linear = sum(layer.weight.numel() for layer in linear_layers(network))
    return sizes | {"int8": sizes["fp32"] - linear * (BYTES["fp32"] - BYTES["int8"])}


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """The layers that dynamic int8 replaces: linear ones, not classes derived from them."""
    return [layer for layer in network.modules() if type(layer) is nn.Linear]
