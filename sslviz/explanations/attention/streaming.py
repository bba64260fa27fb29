"""Attention read layer by layer: in batches of a stated memory, and never more than one layer at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attention.capture import capture_attention, token_layout
from sslviz.explanations.attention.heads import head_measures, rollout_step
from sslviz.explanations.attention.registers import as_many_at_random, mean_substituted, patch_norms
from sslviz.explanations.pictures import input_batches, require_pictures
from sslviz.features.embed import to_device
from sslviz.runs import Checkpoint

MEMORY = 2**28  # bytes that one layer's attention and what is computed from it may take at a time
COPIES = 6  # of one layer's weights that are alive while it is measured


def encoder_and_batch(
    checkpoint: Checkpoint, images: Images, memory: int, *, copies: int = COPIES, every_layer: bool = False
) -> tuple[Encoder, int]:
    """The encoder on its device, and how many images may pass at a time so that attention takes `memory` bytes at most.

    Counted are `copies` of one layer's weights, or of those of `every_layer`; one image passes in any case.
    """
    require_pictures(
        images,
        "Attention is read from at least one picture, (n, height, width, 3)",
        " Pass pictures, or single frames of clips.",
    )
    encoder = to_device(checkpoint.encoder())
    with torch.no_grad(), capture_attention(encoder, reduce=lambda _, weights: weights.numel()) as captured:
        encoder(next(input_batches(encoder, images, 1)))
    numbers = sum(captured.layers) if every_layer else max(captured.layers)
    return encoder, max(1, memory // (4 * copies * numbers))


def square_grid(patches: int) -> tuple[int, int]:
    """Rows and columns of a square of so many patches; ValueError where they are none."""
    side = round(patches**0.5)
    if side * side != patches or side < 2:
        raise ValueError(
            f"Maps need a square grid of at least 2 x 2 patches, but this encoder has {patches}; take larger images."
        )
    return side, side


def layer_number(layer: int, layers: int) -> int:
    """The number of a layer counted from 0, where negative ones count from the end; ValueError where there is none."""
    if not -layers <= layer < layers:
        raise ValueError(f"There is no attention layer {layer}; there are {layers}, from 0 to {layers - 1}.")
    return layer % layers


def measure_attention(checkpoint: Checkpoint, images: Images, *, layer: int, memory: int, title: str) -> dict[str, Any]:
    """All that is read of the attention of one encoder, as numpy arrays, and what it was read with."""
    parts: dict[str, list[Tensor]] = {}
    passed: list[Tensor] = []  # the rollout so far: the only thing that outlives a layer

    def reduce(number: int, weights: Tensor) -> dict[str, Tensor]:
        passed[:] = [rollout_step(passed[0] if passed and number else None, weights)]
        found = head_measures(weights, square_grid(weights.shape[-1] - tokens.prefix), tokens.prefix)
        return found | ({"maps": tokens.read(weights.float())} if number == with_maps else {})

    encoder, batch = encoder_and_batch(checkpoint, images, memory)
    tokens = token_layout(encoder.model)
    with (
        torch.inference_mode(),
        capture_attention(encoder, reduce=reduce) as captured,
        patch_norms(encoder.model, tokens.prefix) as norms,
    ):
        with_maps = layer_number(layer, len(captured.names))
        for x in input_batches(encoder, images, batch, title):
            encoder(x)
            layers: list[dict[str, Tensor]] = captured.layers
            found = {name: torch.stack([each[name] for each in layers], 1) for name in layers[0] if name != "maps"}
            found["maps"] = layers[with_maps]["maps"]
            found["rollout"] = tokens.read(passed[0])
            found["norms"] = torch.stack(norms, 1)
            for name, value in found.items():
                parts.setdefault(name, []).append(value.float().cpu())
    arrays = {name: torch.cat(values).numpy() for name, values in parts.items()}
    grid = square_grid(arrays["maps"].shape[-1])
    arrays["distance"] *= encoder.image_size / grid[0]
    for name in ("maps", "rollout"):
        arrays[name] = arrays[name].reshape(*arrays[name].shape[:-1], *grid)
    return arrays | {
        "query": tokens.query,
        "layers": list(captured.names),
        "layer": captured.names[with_maps],
        "batch": batch,
        "image_size": encoder.image_size,
        "registers": tokens.registers,
    }


@torch.inference_mode()
def substitution_cosines(
    checkpoint: Checkpoint, images: Images, outliers: np.ndarray, start: int, batch: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (n,) of the features before and after outliers are held at the mean, and as many random patches.

    `outliers` bool (n, P); they are held from block number `start` on.  NaN for images without outliers.
    """
    cosines = np.full((2, len(images)), np.nan, np.float32)
    rows = np.flatnonzero(outliers.any(1))
    if not len(rows):
        return cosines[0], cosines[1]
    encoder = to_device(checkpoint.encoder())
    prefix = token_layout(encoder.model).prefix
    chosen = np.stack([outliers, as_many_at_random(outliers, seed)])
    done = 0
    for x in input_batches(encoder, images.rows(rows), batch):
        part, before = rows[done : done + len(x)], encoder(x)
        for which, mask in enumerate(chosen[:, part]):
            with mean_substituted(encoder.model, prefix, torch.from_numpy(mask).to(x.device), start):
                after = encoder(x)
            cosines[which, part] = torch.cosine_similarity(before, after).float().cpu().numpy()
        done += len(x)
    return cosines[0], cosines[1]
