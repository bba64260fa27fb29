"""The encoder's last grid of features and its pooled ones, of one pass."""

from __future__ import annotations

from torch import Tensor

from sslviz.encoders import Encoder


def grid_and_pooled(encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """What `encoder.tokens(x)` and `encoder(x)` give: (b, d, rows, columns) and (b, dim).

    `encoder.tokens` says in words where an encoder has no such grid; ask it once before.
    """
    return encoder.face.tokens_and_features(x)
