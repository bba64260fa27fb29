"""Attention of any one layer as maps: of the query that becomes the features, and of every patch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.explanations.attention.capture import Tokens, capture_attention, token_layout
from sslviz.explanations.attention.streaming import MEMORY, encoder_and_batch, layer_number, square_grid
from sslviz.explanations.pictures import input_batches
from sslviz.runs import Checkpoint


def attention_maps(checkpoint: Checkpoint, images: Images, *, layer: int = -1, memory: int = MEMORY) -> np.ndarray:
    """What does each head of a layer look at?  float32 (n, heads, rows, columns): shares of the query's attention.

    As `Attention.maps`, for any layer.  ValueError as for `attention`.

    Caveat: What a class token reads from is not all that the features depend on.
    """
    return _of_layer(checkpoint, images, layer, memory, lambda weights, tokens: tokens.read(weights.float()))


def query_maps(checkpoint: Checkpoint, images: Images, *, layer: int = -1, memory: int = MEMORY) -> np.ndarray:
    """What does each patch look at?  float32 (n, heads, patches, rows, columns): shares of that patch's attention.

    Row by row over the grid: the map of the patch in row r, column c is [:, :, r * columns + c].  A 14 x 14 grid takes
    154 kB a head and image.  ValueError as for `attention`.

    Caveat: A patch's token holds more than what its own pixels show, the more so in late layers.
    """
    return _of_layer(checkpoint, images, layer, memory, lambda weights, t: weights[..., t.prefix :, t.prefix :].float())


def _of_layer(
    checkpoint: Checkpoint, images: Images, layer: int, memory: int, read: Callable[[Tensor, Tokens], Tensor]
) -> np.ndarray:
    """What `read` makes of the weights of one layer, (n, ..., patches), on the grid: (n, ..., rows, columns)."""
    encoder, batch = encoder_and_batch(checkpoint, images, memory)
    tokens = token_layout(encoder.model)
    parts = []
    with (
        torch.inference_mode(),
        capture_attention(encoder, reduce=lambda i, w: read(w, tokens).cpu() if i == number else None) as captured,
    ):
        number = layer_number(layer, len(captured.names))
        for x in input_batches(encoder, images, batch):
            encoder(x)
            parts.append(captured.layers[number])
    found = torch.cat(parts).numpy()
    return found.reshape(*found.shape[:-1], *square_grid(found.shape[-1]))
