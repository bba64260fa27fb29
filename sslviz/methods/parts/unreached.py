"""Weights that an objective does not use, such as those of a pooling layer where tokens are predicted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sslviz.encoders import Encoder
from sslviz.methods.parts.trial import blank_picture


def freeze_unreached(encoder: Encoder, output: Callable[[Tensor], Tensor]) -> None:
    """Freezes the weights of which this output of the encoder is no function.

    Weight decay would otherwise shrink what nothing trains, and several processes would wait for gradients that never come.
    """
    weights = [p for p in encoder.parameters() if p.requires_grad]
    with torch.enable_grad(), blank_picture(encoder, encoder.image_size) as x:
        reached = torch.autograd.grad(output(x).sum(), weights, allow_unused=True)
    for weight, gradient in zip(weights, reached, strict=True):
        weight.requires_grad_(gradient is not None)
