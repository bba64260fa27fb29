"""The encoder's last grid of features and its pooled ones, of one pass."""

from __future__ import annotations

from torch import Tensor

from sslviz.encoders import Encoder


def grid_and_pooled(encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """What `encoder.tokens(x)` and `encoder(x)` give: (b, d, rows, columns) and (b, dim).

    `encoder.tokens` says in words where an encoder has no such grid; ask it once before.
    """
    model = encoder.model
    final, grids = model.forward_intermediates(x, indices=1)
    pooled = model.forward_head(final, pre_logits=True).flatten(1)
    if final.ndim == 3:
        shape = grids[-1].shape[-2:]
        return final[:, -shape.numel() :].mT.unflatten(2, shape), pooled  # class and register tokens come first
    return (final.movedim(-1, 1) if getattr(model, "output_fmt", "") == "NHWC" else final), pooled
