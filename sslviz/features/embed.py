"""Features of images, one row each: the border between torch and numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.encoders.precision import PROBE
from sslviz.features.batches import BatchSize, batch_size, in_batches
from sslviz.features.checked_encoder import checked_encoder
from sslviz.features.features import Features
from sslviz.features.preprocess import fed_alike, preprocess
from sslviz.features.projector import load_projector
from sslviz.features.shares import share, whole
from sslviz.runs import Checkpoint
from sslviz.runtime.devices import launched_fabric, speaks
from sslviz.runtime.progress import progress_bar

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from sslviz.encoders import Encoder

__all__ = ["batch_size", "embed", "embed_layers", "embed_many", "embed_pixels", "embed_projector", "preprocess"]
ALL_LAYERS = ""
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
    - precision: "fp32", "bf16", "bf16-mixed" (products in bf16, sums in fp32), or "auto": bf16, else mixed, where the
      processor multiplies it faster, pictures are large enough, and features point where those in fp32 do (cosine > 0.999).
      `source` keeps which it was
    - devices: how many GPUs share the pictures, or "auto" (Lightning Fabric's); each runs the script in a process of its
      own, and all get the same features

    ValueError for a layer the encoder does not have, for an encoder that does not give finite features (b, d) which stay
    the same when it is asked again, and where memory does not hold a single picture.

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
    outputs = _outputs(encoder, layer, head)
    was_training = encoder.training
    encoder.eval()
    try:
        parts = _in_batches(lambda x: _array(outputs(x)[layer]), encoder, None, pixels, title)
    finally:
        encoder.train(was_training)
    return np.concatenate(parts)


# --- several encoders, one batch --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """What one checkpoint is asked for.

    - network: its encoder, in the precision that was chosen
    - precision: what `source` keeps of that
    - outputs: a batch -> {layer: features (b, d)}
    """

    network: Encoder
    precision: Mapping[str, Any]
    outputs: Callable[[Tensor], Mapping[str, Tensor]]

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        return {layer: _array(value) for layer, value in self.outputs(x.to(self.dtype)).items()}


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
    readers = [_reader(checkpoint, images, layer, precision, progress) for checkpoint in checkpoints]
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


def _reader(checkpoint: Checkpoint, images: Images, layer: str, precision: str, said: bool) -> _Reader:
    with torch.inference_mode(False):  # some methods take gradients while they are built
        encoder = to_device(checkpoint.encoder())
        head = to_device(load_projector(checkpoint, encoder)) if layer == "projector" else None
    network, kept = ready_encoder(encoder, images, precision, said=said)
    return _Reader(network, kept, _outputs(network, layer, head))


def ready_encoder(
    encoder: Encoder, images: Images, precision: str = "auto", *, said: bool = True
) -> tuple[Encoder, dict[str, Any]]:
    """`checked_encoder` on a few of these images: the encoder in this precision, and what `source` keeps of it."""
    rows = spread_rows(len(images), PROBE)  # not the first, which may be of one class
    return checked_encoder(encoder, _loaded(images.pixels[rows], encoder, None), precision, said=said)


def _shared(
    readers: Sequence[_Reader], pixels: np.ndarray, title: str, fabric: Fabric | None
) -> list[dict[str, np.ndarray]]:
    """`_read`, of all pictures or of a share of them that is completed by the others'."""
    if fabric is None:
        return _read(readers, pixels, title)
    n = len(pixels)
    found = _read(readers, pixels[share(fabric, n)], title)
    return [{layer: whole(fabric, x, n) for layer, x in layers.items()} for layers in found]


def _read(readers: Sequence[_Reader], pixels: np.ndarray, title: str) -> list[dict[str, np.ndarray]]:
    """{layer: (n, d)} of each reader, all of which are fed alike."""
    dtypes = {reader.dtype for reader in readers}
    dtype = dtypes.pop() if len(dtypes) == 1 else torch.float32
    parts = _in_batches(lambda x: [reader(x) for reader in readers], readers[0].network, dtype, pixels, title)
    return [
        {layer: np.concatenate([part[at][layer] for part in parts]) for layer in parts[0][at]}
        for at in range(len(readers))
    ]


def _in_batches(
    read: Callable[[Tensor], Any], encoder: Encoder, dtype: torch.dtype | None, pixels: np.ndarray, title: str
) -> list[Any]:
    """What `read` makes of each batch, with a bar if there is a title."""
    load = partial(_loaded, encoder=encoder, dtype=dtype)
    with progress_bar(f"embedding {title}", len(pixels), "images", shown=bool(title)) as advance:
        return list(in_batches(read, load, pixels, BatchSize(encoder), advance))


def _loaded(pixels: np.ndarray, encoder: Encoder, dtype: torch.dtype | None) -> Tensor:
    """The pixels, which may lie on a disk, as the encoder expects them, on its device."""
    return preprocess(torch.from_numpy(np.array(pixels)).to(next(encoder.parameters()).device), encoder, dtype)


def _outputs(encoder: Encoder, layer: str, head: nn.Module | None) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """A batch -> {layer: features (b, d)}: of all layers, of one, or of a head in float32 on the pooled ones."""
    if layer == ALL_LAYERS:
        return encoder.layers
    if head is not None:
        return lambda x: {layer: head(encoder(x).float())}
    return lambda x: {layer: encoder(x) if layer == "pooled" else _layer(encoder, x, layer)}


def _array(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()


def _layer(encoder: Encoder, x: torch.Tensor, layer: str) -> torch.Tensor:
    layers = encoder.layers(x)
    if layer not in layers:
        raise ValueError(f"{encoder.name} has no layer {layer!r}; it has: {', '.join(layers)}.")
    return layers[layer]


def to_device(module: Any) -> Any:
    """The module on the GPU if there is one, in evaluation mode."""
    return module.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")).eval()


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
