"""All attention of one picture at a time: any layer, head and query, from an encoder that is loaded once, or from arrays."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.explanations.attention.capture import Tokens, capture_attention
from sslviz.explanations.attention.heads import rollout_step
from sslviz.explanations.attention.streaming import square_grid
from sslviz.explanations.pictures import input_batches
from sslviz.features.embed import to_device
from sslviz.runs import Checkpoint


class PictureAttention(Protocol):
    """What attention can be read from.

    - tokens: which tokens are patches, and whose attention becomes the features
    - layers: how many there are
    """

    tokens: Tokens
    layers: int

    def weights(self, picture: Images, layer: int | None) -> np.ndarray:
        """Of a single picture: (heads, n, n) in a layer, or (1, n, n) through all layers (rollout) where that is None."""


class EncoderAttention:
    """The attention of a checkpoint; ValueError for encoders without attention, as `capture_attention` raises it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.encoder = to_device(checkpoint.encoder())
        with capture_attention(self.encoder) as captured:
            self.tokens, self.layers = captured.tokens, len(captured.names)

    @torch.inference_mode()
    def weights(self, picture: Images, layer: int | None) -> np.ndarray:
        """As `PictureAttention` says."""
        found: dict[str, Tensor] = {}

        def keep(number: int, weights: Tensor) -> None:
            if layer is None:
                found["passed"] = rollout_step(found.get("passed"), weights)
            elif number == layer:
                found["layer"] = weights[0]

        with capture_attention(self.encoder, reduce=keep):
            for x in input_batches(self.encoder, picture, 1):
                self.encoder(x)
        return found["passed" if layer is None else "layer"].float().cpu().numpy()


class ArrayAttention:
    """Attention weights (pictures, layers, heads, n, n) of some images, in their order; (layers, heads, n, n) of one.

    Which of the n tokens are patches is assumed: the largest square of them, behind the others.  ValueError for other
    shapes, for negative weights and those that are not finite.
    """

    def __init__(self, array: Any, images: Images) -> None:
        weights = np.asarray(array, dtype=np.float32)
        weights = weights[None] if weights.ndim == 4 else weights
        if weights.ndim != 5 or weights.shape[-1] != weights.shape[-2] or len(weights) != len(images):
            raise ValueError(
                f"Attention weights are (pictures, layers, heads, n, n) for {len(images)} pictures, or (layers, heads, n, n) "
                f"for a single one; got {np.shape(array)}."
            )
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError("Attention weights are shares: no negative numbers, and all finite.")
        n = weights.shape[-1]
        prefix = n - int(n**0.5) ** 2
        query = "first token" if prefix else "mean of the patches"
        self.tokens = Tokens(prefix, 0, slice(0, 1) if prefix else slice(None), query)
        self.layers, self._weights = weights.shape[1], dict(zip(images.ids, weights, strict=True))

    def weights(self, picture: Images, layer: int | None) -> np.ndarray:
        """As `PictureAttention` says."""
        layers = self._weights[picture.ids[0]]
        if layer is not None:
            return layers[layer]
        passed: Tensor | None = None
        for one in layers:
            passed = rollout_step(passed, torch.from_numpy(one[None]))
        assert passed is not None
        return passed.numpy()

    @property
    def assumed(self) -> str:
        """Which tokens are taken for patches, in a sentence."""
        (n, prefix) = next(iter(self._weights.values())).shape[-1], self.tokens.prefix
        rows, columns = square_grid(n - prefix)
        before = f", behind {prefix} that are none" if prefix else ""
        return f"Assumed: {n - prefix} of the {n} tokens are patches on a grid of {rows} x {columns}{before}."


def maps_of(weights: np.ndarray, tokens: Tokens, *, of_patches: bool) -> np.ndarray:
    """What is looked at, from weights (heads, n, n): (heads, patches, rows, columns) of every patch in turn.

    Not `of_patches`: (heads, 1, rows, columns) of the tokens whose attention becomes the features.
    """
    if of_patches:
        rows = weights[:, tokens.prefix :, tokens.prefix :]
    else:
        rows = weights[:, tokens.queries, tokens.prefix :].mean(axis=1, keepdims=True)
    return rows.reshape(*rows.shape[:2], *square_grid(rows.shape[-1]))
