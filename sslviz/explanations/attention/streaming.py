"""How is attention read?  Layer by layer, in batches of a stated memory, and never more than one layer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attention.capture import Tokens, capture_attention, token_layout
from sslviz.explanations.attention.heads import head_measures, rollout_step
from sslviz.explanations.attention.registers import as_many_at_random, mean_substituted, patch_norms
from sslviz.features.embed import preprocess, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

MEMORY = 2**28  # bytes that one layer's attention and what is worked out from it may take at a time
COPIES = 6  # of one layer's weights that are alive while it is measured


@contextmanager
def looking(
    checkpoint: Checkpoint, images: Images, memory: int, *, copies: int = COPIES, every_layer: bool = False
) -> Iterator[tuple[Encoder, int]]:
    """The encoder, ready, and how many images may pass at a time so that attention takes `memory` bytes at most.

    Counted are `copies` of one layer's weights, or of those of `every_layer`; one image passes in any case.
    """
    if not len(images) or images.pixels.ndim != 4:
        raise ValueError(
            f"Attention is read from at least one picture, (n, height, width, 3); got pixels of shape "
            f"{images.pixels.shape}. Pass pictures, or single frames of clips."
        )
    encoder = to_device(checkpoint.encoder())
    with torch.no_grad(), capture_attention(encoder, reduce=lambda _, weights: weights.numel()) as seen:
        encoder(next(pictures(encoder, images, 1)))
    numbers = sum(seen.layers) if every_layer else max(seen.layers)
    yield encoder, max(1, memory // (4 * copies * numbers))


def pictures(encoder: Encoder, images: Images, batch: int, title: str = "") -> Iterator[Tensor]:
    """The pictures as the encoder expects them, batch by batch on its device, with a bar if there is a title."""
    device = next(encoder.parameters()).device
    with progress_bar(f"looking with {title}", len(images), "images", shown=bool(title)) as advance:
        for start in range(0, len(images), batch):
            chunk = torch.from_numpy(np.array(images.pixels[start : start + batch])).to(device)
            yield preprocess(chunk, encoder)
            advance(len(chunk))


def grid_of(patches: int) -> tuple[int, int]:
    """Rows and columns of a square of so many patches; ValueError where they are none."""
    side = round(patches**0.5)
    if side * side != patches or side < 2:
        raise ValueError(
            f"Maps need a square grid of at least 2 x 2 patches, but this encoder has {patches}; take larger images."
        )
    return side, side


def measure(checkpoint: Checkpoint, images: Images, *, layer: int, memory: int, title: str) -> dict[str, Any]:
    """All that is read of the attention of one encoder, as numpy arrays, and what it was read with."""
    parts: dict[str, list[Tensor]] = {}
    passed: list[Tensor] = []  # the rollout so far: the only thing that outlives a layer

    def reduce(number: int, weights: Tensor) -> dict[str, Tensor]:
        passed[:] = [rollout_step(passed[0] if passed and number else None, weights)]
        found = head_measures(weights, grid_of(weights.shape[-1] - tokens.prefix), tokens.prefix)
        return found | ({"maps": tokens.read(weights.float())} if number == kept else {})

    with looking(checkpoint, images, memory) as (encoder, batch):
        tokens = token_layout(encoder.model)
        with (
            torch.inference_mode(),
            capture_attention(encoder, reduce=reduce) as seen,
            patch_norms(encoder.model, tokens.prefix) as norms,
        ):
            kept = _number(layer, len(seen.names))
            for x in pictures(encoder, images, batch, title):
                encoder(x)
                layers: list[dict[str, Tensor]] = seen.layers
                made = {name: torch.stack([one[name] for one in layers], 1) for name in layers[0] if name != "maps"}
                made |= {
                    "maps": layers[kept]["maps"],
                    "rollout": tokens.read(passed[0]),
                    "norms": torch.stack(norms, 1),
                }
                for name, value in made.items():
                    parts.setdefault(name, []).append(value.float().cpu())
    arrays = {name: torch.cat(values).numpy() for name, values in parts.items()}
    grid = grid_of(arrays["maps"].shape[-1])
    arrays["distance"] *= encoder.image_size / grid[0]
    for name in ("maps", "rollout"):
        arrays[name] = arrays[name].reshape(*arrays[name].shape[:-1], *grid)
    return arrays | {
        "query": tokens.query, "layers": list(seen.names), "layer": seen.names[kept], "batch": batch,
        "image_size": encoder.image_size, "registers": tokens.registers,
    }  # fmt: skip


def of_layer(
    checkpoint: Checkpoint, images: Images, layer: int, memory: int, read: Callable[[Tensor, Tokens], Tensor]
) -> np.ndarray:
    """What `read` makes of the weights of one layer, (n, ..., patches), on the grid: (n, ..., rows, columns)."""
    parts = []
    with looking(checkpoint, images, memory) as (encoder, batch):
        tokens = token_layout(encoder.model)
        with (
            torch.inference_mode(),
            capture_attention(encoder, reduce=lambda i, w: read(w, tokens).cpu() if i == kept else None) as seen,
        ):
            kept = _number(layer, len(seen.names))
            for x in pictures(encoder, images, batch):
                encoder(x)
                parts.append(seen.layers[kept])
    found = torch.cat(parts).numpy()
    return found.reshape(*found.shape[:-1], *grid_of(found.shape[-1]))


def _number(layer: int, layers: int) -> int:
    if not -layers <= layer < layers:
        raise ValueError(f"There is no attention layer {layer}; there are {layers}, from 0 to {layers - 1}.")
    return layer % layers


@torch.inference_mode()
def substituted(
    checkpoint: Checkpoint, images: Images, outliers: np.ndarray, start: int, batch: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine (n,) of the features before and after outliers are held at the mean, and as many random patches."""
    cosines = np.full((2, len(images)), np.nan, np.float32)
    rows = np.flatnonzero(outliers.any(1))
    if not len(rows):
        return cosines[0], cosines[1]
    encoder = to_device(checkpoint.encoder())
    prefix = token_layout(encoder.model).prefix
    chosen = np.stack([outliers, as_many_at_random(outliers, seed)])
    done = 0
    for x in pictures(encoder, images.rows(rows), batch):
        part, before = rows[done : done + len(x)], encoder(x)
        for which, mask in enumerate(chosen[:, part]):
            with mean_substituted(encoder.model, prefix, torch.from_numpy(mask).to(x.device), start):
                after = encoder(x)
            cosines[which, part] = torch.cosine_similarity(before, after).float().cpu().numpy()
        done += len(x)
    return cosines[0], cosines[1]
