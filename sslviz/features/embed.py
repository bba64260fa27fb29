"""Features of images, one row each: the border between torch and numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.features.features import Features
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

if TYPE_CHECKING:
    from sslviz.encoders import Encoder
    from sslviz.encoders.preprocessing import Preprocessing

BATCH = 512  # images at 32 px; larger images go in proportionally smaller batches


def embed(checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True) -> Features:
    """What does this checkpoint make of these images?

    Returns Features (n, d) of `layer`: "pooled", any name `Encoder.layers` gives, or "projector", the head that only
    training uses.  Images of another size than the encoder's are resized to it
    as its `preprocessing` says.  Runs on the GPU if there is one.
    ValueError for a layer the encoder does not have.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> sslviz.embed(checkpoint, sslviz.shapes(n=4), progress=False).x.shape
        (4, 128)
    """
    encoder = to_device(checkpoint.encoder())
    head = to_device(load_projector(checkpoint, encoder)) if layer == "projector" else None
    title = checkpoint.run if progress else ""
    x = embed_pixels(encoder, images.pixels, layer="pooled" if head else layer, head=head, title=title)
    return Features(x, images.ids, images.table, feature_source(checkpoint, images, layer), images.group)


def embed_projector(checkpoint: Checkpoint, images: Images, *, progress: bool = True) -> Features:
    """Features (n, d) of the head between the encoder and the loss; ValueError for an encoder that was not trained here."""
    return embed(checkpoint, images, layer="projector", progress=progress)


@torch.inference_mode()
def embed_layers(checkpoint: Checkpoint, images: Images, *, progress: bool = True) -> dict[str, Features]:
    """What is known where?  {layer: Features}, from the first block or stage to "pooled", all in one pass.

    Each layer is averaged over its grid.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> layers = sslviz.embed_layers(checkpoint, sslviz.shapes(n=4), progress=False)
        >>> {name: features.x.shape[1] for name, features in layers.items()}
        {'stages.0': 24, 'stages.1': 48, 'stages.2': 128, 'pooled': 128}

    Caveat: An average forgets where in the image something was.
    """
    encoder = to_device(checkpoint.encoder())
    parts: dict[str, list[np.ndarray]] = {}
    for x in _batches(encoder, images.pixels, checkpoint.run if progress else ""):
        for name, value in encoder.layers(x).items():
            parts.setdefault(name, []).append(value.float().cpu().numpy())
    return {
        name: Features(
            np.concatenate(values), images.ids, images.table, feature_source(checkpoint, images, name), images.group
        )
        for name, values in parts.items()
    }


@torch.inference_mode()
def embed_pixels(
    encoder: Encoder, pixels: np.ndarray, *, layer: str = "pooled", head: nn.Module | None = None, title: str = ""
) -> np.ndarray:
    """The features float32 (n, d) of uint8 pixels (n, h, w, 3), in batches, on the encoder's device; its mode is restored.

    - layer: which features
    - head: what is made of the pooled ones
    - title: of the progress bar; without one there is none
    """

    def read(x: Tensor) -> Tensor:
        if layer != "pooled":
            return _layer(encoder, x, layer)
        return encoder(x) if head is None else head(encoder(x))

    if len(pixels) == 0:
        raise ValueError("There is no image to embed; choose a split or a folder that holds some.")
    was_training = encoder.training
    encoder.eval()
    try:
        return np.concatenate([read(x).float().cpu().numpy() for x in _batches(encoder, pixels, title)])
    finally:
        encoder.train(was_training)


def _batches(encoder: Encoder, pixels: np.ndarray, title: str) -> Iterator[Tensor]:
    """The pixels as the encoder expects them, batch by batch on its device, with a bar if there is a title."""
    device, batch = next(encoder.parameters()).device, batch_size(encoder)
    with progress_bar(f"embedding {title}", len(pixels), "images", shown=bool(title)) as advance:
        for start in range(0, len(pixels), batch):
            chunk = torch.from_numpy(np.array(pixels[start : start + batch])).to(device)
            yield preprocess(chunk, encoder)
            advance(len(chunk))


def batch_size(encoder: Encoder) -> int:
    """The images in a batch: `BATCH` at 32 px, fewer in proportion to their area where they are larger."""
    return max(1, BATCH * 32**2 // encoder.image_size**2)


def preprocess(pixels: torch.Tensor, encoder: Encoder) -> torch.Tensor:
    """uint8 (b, h, w, 3) -> what the encoder expects, float32 (b, 3, s, s): resized with anti-aliasing and normalised.

    How it is resized and cropped, `encoder.preprocessing` says.
    """
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    s, fed = encoder.image_size, encoder.preprocessing
    x = _middle(_resized(x, _size_before_crop(x.shape[-2:], s, fed), fed.interpolation), s)
    mean, std = (torch.tensor(v, device=x.device).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    return ((x - mean) / std).to(next(encoder.parameters()).dtype)


def _size_before_crop(size: Sequence[int], s: int, fed: Preprocessing) -> tuple[int, int]:
    """Height and width of which the middle s x s is taken: s by s, unless something is to be cut off."""
    side = int(s / fed.crop + 1e-6)  # rounded down, as timm does: 248 for 224 at 0.9
    if fed.crop_mode == "squash":
        return side, side
    height, width = (max(side, int(side * length / min(size))) for length in size)
    return height, width


def _resized(x: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    if x.shape[-2:] == size:
        return x
    if interpolation == "nearest":
        return F.interpolate(x, size, mode="nearest-exact")
    x = F.interpolate(x, size, mode=interpolation, antialias=True, align_corners=False)
    return x.clamp_(0, 1) if interpolation == "bicubic" else x  # bicubic overshoots at edges, which pictures cannot


def _middle(x: Tensor, s: int) -> Tensor:
    top, left = (round((length - s) / 2) for length in x.shape[-2:])
    return x[..., top : top + s, left : left + s]


def _layer(encoder: Encoder, x: torch.Tensor, layer: str) -> torch.Tensor:
    layers = encoder.layers(x)
    if layer not in layers:
        raise ValueError(f"{encoder.name} has no layer {layer!r}; it has: {', '.join(layers)}.")
    return layers[layer]


def to_device(module: Any) -> Any:
    """The module on the GPU if there is one, in evaluation mode."""
    return module.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")).eval()


class NoProjectorError(ValueError):
    """The method that a checkpoint was trained by has no head between the features and the loss."""


def load_projector(checkpoint: Checkpoint, encoder: Encoder) -> nn.Module:
    """The head between the features and the loss, with this checkpoint's weights; ValueError where there is none."""
    from safetensors.torch import load_file

    from sslviz.methods import build_method

    if checkpoint.head is None:
        raise ValueError(f"{checkpoint.run} was not pretrained here, so its projector is not known; use another layer.")
    method, _ = build_method(checkpoint.head["method"], encoder, checkpoint.head["settings"], checkpoint.seed)
    projector = getattr(method, "projector", None)
    if not isinstance(projector, nn.Module):
        raise NoProjectorError(f"{checkpoint.head['method']} has no projector; use another layer.")
    if checkpoint.path is not None:
        tensors = load_file(checkpoint.path)
        projector.load_state_dict(
            {k.removeprefix("projector."): v for k, v in tensors.items() if k.startswith("projector.")}
        )
    return projector


def feature_source(checkpoint: Checkpoint, images: Images, layer: str) -> dict[str, Any]:
    """The `source` of Features: run, step, layer, images, weights."""
    return {
        "run": checkpoint.run,
        "step": checkpoint.step,
        "layer": layer,
        "images": images.digest,
        "spec": images.spec,
        "weights": checkpoint.digest,
    }
