"""Features of images, one row each: the border between torch and numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sslviz.data import Images
from sslviz.features.batches import batch_size
from sslviz.features.features import Features
from sslviz.features.preprocess import fed_alike, preprocess
from sslviz.features.readers import (
    ALL_LAYERS,
    Reader,
    as_array,
    layer_outputs,
    read_pixels,
    read_together,
    reader_of,
    to_device,
)
from sslviz.features.shares import share, whole
from sslviz.runs import Checkpoint
from sslviz.runtime.devices import launched_fabric, speaks

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from sslviz.encoders import Encoder

__all__ = [
    "batch_size",
    "embed",
    "embed_each",
    "embed_layers",
    "embed_many",
    "embed_pixels",
    "embed_projector",
    "preprocess",
    "to_device",
]
NO_IMAGE = "There is no image to embed; choose a split or a folder that holds some."


def embed(
    checkpoint: Checkpoint,
    images: Images,
    *,
    layer: str = "pooled",
    precision: str = "auto",
    devices: int | str = 1,
    progress: bool = True,
) -> Features:
    """What does this checkpoint make of these images?

    Returns Features (n, d) of `layer`: "pooled", any name `Encoder.layers` gives, or "projector", the head that only
    training uses.  Images of another size than the encoder's are resized to it
    as its `preprocessing` says.  Runs on the GPU if there is one.
    - precision: "fp32", "bf16", "bf16-mixed" (products in bf16, sums in fp32), or "auto".  That is bf16, else mixed,
      where the processor multiplies it faster, pictures are large enough, and features point where those in fp32 do
      (cosine > 0.999).  `source` keeps which it was
    - devices: how many GPUs share the pictures, or "auto" (Lightning Fabric's); each runs the script in a process of its
      own, and all get the same features

    ValueError for a layer the encoder does not have, and where memory does not hold a single picture.  Also for an
    encoder that does not give finite features (b, d), or gives others when it is asked again.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> features = sslviz.embed(checkpoint, sslviz.shapes(n=4), progress=False)
        >>> features.x.shape, features.source["precision"]
        ((4, 128), 'fp32')
    """
    fabric = None if devices == 1 else launched_fabric(devices=devices)
    return _embedded([checkpoint], images, layer, precision, progress, fabric)[0][layer]


def embed_projector(
    checkpoint: Checkpoint, images: Images, *, precision: str = "auto", progress: bool = True
) -> Features:
    """Features (n, d) of the head between the encoder and the loss; ValueError for an encoder that was not trained here."""
    return embed(checkpoint, images, layer="projector", precision=precision, progress=progress)


def embed_many(
    checkpoints: Sequence[Checkpoint],
    images: Images,
    *,
    layer: str = "pooled",
    precision: str = "auto",
    progress: bool = True,
) -> list[Features]:
    """Features of the same images by several checkpoints, as `embed` gives them, in their order.

    Pictures are read and preprocessed once for all encoders that are fed alike, such as a trained one and the same
    untrained.  All encoders lie in memory side by side.
    """
    found = _embedded(checkpoints, images, layer, precision, progress)
    return [features[layer] for features in found]


@torch.inference_mode()
def embed_each(checkpoint: Checkpoint, several: Iterable[Images], precision: str = "auto") -> Iterator[Features]:
    """Features of one set of images after the other by one checkpoint, as `embed` gives them.

    The encoder is built once, and checked on the first set, which also decides the precision.
    """
    reader: Reader | None = None
    for images in several:
        if len(images) == 0:
            raise ValueError(NO_IMAGE)
        if reader is None:
            reader = reader_of(checkpoint, images, "pooled", precision, said=False)
        (found,) = read_together([reader], images.pixels, "")
        source = feature_source(checkpoint, images, "pooled", reader.precision)
        yield Features(found["pooled"], images.ids, images.table, source, images.group)


def embed_layers(
    checkpoint: Checkpoint, images: Images, *, precision: str = "auto", progress: bool = True
) -> dict[str, Features]:
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
    return _embedded([checkpoint], images, ALL_LAYERS, precision, progress)[0]


@torch.inference_mode()
def embed_pixels(
    encoder: Encoder, pixels: np.ndarray, *, layer: str = "pooled", head: nn.Module | None = None, title: str = ""
) -> np.ndarray:
    """The features float32 (n, d) of uint8 pixels (n, h, w, 3), in batches, on the encoder's device; its mode is restored.

    The encoder computes in the precision of its own numbers.
    - layer: which features
    - head: what is made of the pooled ones
    - title: of the progress bar; without one there is none
    """
    if len(pixels) == 0:
        raise ValueError(NO_IMAGE)
    outputs = layer_outputs(encoder, layer, head)
    was_training = encoder.training
    encoder.eval()
    try:
        parts = read_pixels(lambda x: as_array(outputs(x)[layer]), encoder, None, pixels, title)
    finally:
        encoder.train(was_training)
    return np.concatenate(parts)


# --- several encoders, one batch --------------------------------------------------------------------------------------


@torch.inference_mode()
def _embedded(
    checkpoints: Sequence[Checkpoint],
    images: Images,
    layer: str,
    precision: str,
    progress: bool,
    fabric: Fabric | None = None,
) -> list[dict[str, Features]]:
    """{layer: Features} of each checkpoint; with a Fabric, its devices share the pictures."""
    if len(images) == 0:
        raise ValueError(NO_IMAGE)
    readers = [reader_of(checkpoint, images, layer, precision, progress) for checkpoint in checkpoints]
    found: list[dict[str, Features]] = [{} for _ in readers]
    alike: dict[Any, list[int]] = {}
    for at, reader in enumerate(readers):
        alike.setdefault(fed_alike(reader.network), []).append(at)
    for group in alike.values():
        title = ", ".join(dict.fromkeys(checkpoints[at].run for at in group)) if progress and speaks() else ""
        for at, x in zip(group, _shared([readers[at] for at in group], images.pixels, title, fabric), strict=True):
            source = partial(feature_source, checkpoints[at], images, precision=readers[at].precision)
            found[at] = {
                name: Features(rows, images.ids, images.table, source(name), images.group) for name, rows in x.items()
            }
    return found


def _shared(
    readers: Sequence[Reader], pixels: np.ndarray, title: str, fabric: Fabric | None
) -> list[dict[str, np.ndarray]]:
    """`read_together`, of all pictures or of a share of them that is completed by the others'."""
    if fabric is None:
        return read_together(readers, pixels, title)
    n = len(pixels)
    found = read_together(readers, pixels[share(fabric, n)], title)
    return [{layer: whole(fabric, x, n) for layer, x in layers.items()} for layers in found]


def feature_source(
    checkpoint: Checkpoint, images: Images, layer: str, precision: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The `source` of Features: run, step, layer, images, weights, and the precision, which is fp32 where none is said."""
    return {
        "run": checkpoint.run,
        "step": checkpoint.step,
        "layer": layer,
        "images": images.digest,
        "spec": images.spec,
        "weights": checkpoint.digest,
        **({"precision": "fp32"} if precision is None else precision),
    }
