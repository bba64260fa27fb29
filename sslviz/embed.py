"""What does this checkpoint make of these images?  The one border between torch and numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from sslviz.features import Features
from sslviz.images import Images
from sslviz.progress import progress_bar
from sslviz.runs import Checkpoint, Run

if TYPE_CHECKING:
    from sslviz.encoders import Encoder

BATCH = 512  # images at 32 px; larger images go in proportionally smaller batches


def embed(checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True) -> Features:
    """What does this checkpoint make of these images?

    Returns Features (n, d) of `layer`: "pooled", or any name `Encoder.layers` gives.  Images of another size than the
    encoder's are resized to it.  Runs on the GPU if there is one.  ValueError for a layer the encoder does not have.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = embed_pixels(
        checkpoint.encoder().to(device), images.pixels, layer=layer, title=checkpoint.run if progress else ""
    )
    source = {
        "run": checkpoint.run,
        "step": checkpoint.step,
        "layer": layer,
        "images": images.digest,
        "spec": images.spec,
        "weights": checkpoint.digest,
    }
    return Features(x, images.ids, images.table, source)


@torch.inference_mode()
def embed_pixels(encoder: Encoder, pixels: np.ndarray, *, layer: str = "pooled", title: str = "") -> np.ndarray:
    """The features float32 (n, d) of uint8 pixels (n, h, w, 3), in batches, on the encoder's device; its mode is restored."""
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    batch = max(1, BATCH * 32**2 // encoder.image_size**2)
    parts = []
    try:
        with progress_bar(f"embedding {title}", len(pixels), "images", shown=bool(title)) as advance:
            for start in range(0, len(pixels), batch):
                chunk = torch.from_numpy(np.array(pixels[start : start + batch])).to(device)
                x = preprocess(chunk, encoder)
                parts.append((encoder(x) if layer == "pooled" else _layer(encoder, x, layer)).float().cpu())
                advance(len(chunk))
    finally:
        encoder.train(was_training)
    return torch.cat(parts).numpy()


def preprocess(pixels: torch.Tensor, encoder: Encoder) -> torch.Tensor:
    """uint8 (b, h, w, 3) -> what the encoder expects, float32 (b, 3, s, s): resized with anti-aliasing and normalised."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    s = encoder.image_size
    if x.shape[-2:] != (s, s):
        x = F.interpolate(x, (s, s), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(v, device=x.device).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    return ((x - mean) / std).to(next(encoder.parameters()).dtype)


def _layer(encoder: Encoder, x: torch.Tensor, layer: str) -> torch.Tensor:
    layers = encoder.layers(x)
    if layer not in layers:
        raise ValueError(f"{encoder.name} has no layer {layer!r}; it has: {', '.join(layers)}.")
    return layers[layer]


def raw_pixels(images: Images, size: int = 16) -> Features:
    """What would no encoder at all give?  The pixels themselves, at `size` x `size`, as Features (n, 3 size²)."""
    parts = []
    for start in range(0, len(images), 1024):
        x = torch.from_numpy(np.array(images.pixels[start : start + 1024])).permute(0, 3, 1, 2).float() / 255
        parts.append(F.interpolate(x, (size, size), mode="area").flatten(1))
    source = {"run": "pixels", "step": 0, "layer": f"{size}px", "images": images.digest, "spec": images.spec}
    return Features(torch.cat(parts).numpy(), images.ids, images.table, source)


def stored_embed(
    run: Run, checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored."""
    stem = run.features_stem(checkpoint.key, images.digest, layer)
    try:
        features = Features.load(stem)
        if features.source.get("weights") == checkpoint.digest:
            return features
    except ValueError:
        pass  # never embedded, or damaged
    embed(checkpoint, images, layer=layer, progress=progress).save(stem)
    return Features.load(stem)
