"""Gradient x attention: which patches a number hangs on by way of attention, for transformers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attention.capture import capture_attention
from sslviz.explanations.attention.streaming import MEMORY, encoder_and_batch, square_grid
from sslviz.explanations.pictures import input_batches
from sslviz.runs import Checkpoint

ALL_LAYERS = 4  # copies of all layers' weights: themselves, their gradients, their product, what autograd keeps


def gradient_attention(
    checkpoint: Checkpoint,
    images: Images,
    *,
    score: Callable[[Tensor], Tensor] | None = None,
    memory: int = 4 * MEMORY,
    progress: bool = True,
) -> np.ndarray:
    """Which patches do the features hang on, by way of attention?  float32 (n, rows, columns), on the patch grid.

    A patch counts where attention to it is large and more of it would raise the score.  That is passed on through the
    layers (arXiv 2103.15679): R <- R + A R, with A the mean over heads of (gradient x attention)+, R starting as the
    identity.  The map is the row of R of the tokens that become the features.

    `score` maps features (b, d) to (b,).  By default it is the label-free dot product <f(x), f(x)> with one side held
    fixed (arXiv 2203.01928), because an encoder has no logits.  All layers are alive at once, so the batch is as large
    as `memory` bytes allow.  ValueError as for `attention`, and for a score that is not one number an image or does not
    depend on the features.

    Caveat: Negative gradients are dropped and values ignored, so it says what speaks for the score and never what
    speaks against it; compare with the encoder untrained.
    """
    encoder, batch = encoder_and_batch(checkpoint, images, memory, copies=ALL_LAYERS, every_layer=True)
    encoder.requires_grad_(False)  # ours alone: it was built from the checkpoint a moment ago
    batches = input_batches(encoder, images, batch, checkpoint.run if progress else "")
    maps = torch.cat([relevance(encoder, x, score).cpu() for x in batches]).numpy()
    return maps.reshape(len(maps), *square_grid(maps.shape[-1]))


def relevance(encoder: Encoder, x: Tensor, score: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """The relevance of each patch to the score: `x` (b, 3, s, s) as the encoder expects it -> (b, patches).

    As `gradient_attention`; the encoder's weights get no gradients.

    Caveat: It is built of positive parts only, and can be large where nothing would change if the patch were gone.
    """
    with torch.enable_grad(), capture_attention(encoder) as captured:
        features = encoder(x.detach().requires_grad_())  # so that the weights are part of a graph
        values = (features * features.detach()).sum(1) if score is None else score(features)
        if not isinstance(values, Tensor) or values.shape != features.shape[:1]:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"A score gives one number an image, ({len(features)},) here; got {got}.")
        if not values.requires_grad:
            raise ValueError("The score does not depend on the features; compute it from its argument, not detached.")
        layers: list[Tensor] = captured.layers
        gradients = torch.autograd.grad(values.sum(), layers, allow_unused=True)
    with torch.no_grad():
        return captured.tokens.read(relevance_rollout(layers, gradients))


def relevance_rollout(layers: list[Tensor], gradients: tuple[Tensor | None, ...]) -> Tensor:
    """What each token's answer takes from each token of the input: R (b, n, n) of weights and their gradients.

    Both (b, heads, n, n) a layer, in order; a gradient of None counts as zero.  Without any gradient R is the identity.

    Caveat: R is no share of anything: its rows do not sum to one.
    """
    b, _, n, _ = layers[0].shape
    passed = torch.eye(n, device=layers[0].device).expand(b, n, n)
    for weights, gradient in zip(layers, gradients, strict=True):
        if gradient is not None:
            passed = passed + (weights * gradient).float().clamp_min(0).mean(1) @ passed
    return passed
