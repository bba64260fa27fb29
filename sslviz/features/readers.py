"""Readers of pictures: an encoder made ready, and what it gives of a batch as numpy arrays."""

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
from sslviz.features.batches import BatchSize, in_batches
from sslviz.features.checked_encoder import checked_encoder
from sslviz.features.preprocess import preprocess
from sslviz.features.projector import load_projector
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

if TYPE_CHECKING:
    from sslviz.encoders import Encoder

ALL_LAYERS = ""  # as a layer's name


@dataclass(frozen=True)
class Reader:
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
        """The type of its weights, in which pictures are handed to it."""
        return next(self.network.parameters()).dtype

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """{layer: features float32 (b, d)} of a batch."""
        return {layer: as_array(value) for layer, value in self.outputs(x.to(self.dtype)).items()}


def reader_of(checkpoint: Checkpoint, images: Images, layer: str, precision: str, said: bool) -> Reader:
    """The reader of a checkpoint's layer, checked on a few of the images; with `said`, a line tells what it cannot do."""
    with torch.inference_mode(False):  # some methods take gradients while they are built
        encoder = to_device(checkpoint.encoder())
        head = to_device(load_projector(checkpoint, encoder)) if layer == "projector" else None
    network, kept = ready_encoder(encoder, images, precision, said=said)
    return Reader(network, kept, layer_outputs(network, layer, head))


def ready_encoder(
    encoder: Encoder, images: Images, precision: str = "auto", *, said: bool = True
) -> tuple[Encoder, dict[str, Any]]:
    """`checked_encoder` on a few of these images: the encoder in this precision, and what `source` keeps of it."""
    rows = spread_rows(len(images), PROBE)  # not the first, which may be of one class
    return checked_encoder(encoder, _loaded(images.pixels[rows], encoder, None), precision, said=said)


def read_together(readers: Sequence[Reader], pixels: np.ndarray, title: str) -> list[dict[str, np.ndarray]]:
    """{layer: (n, d)} of each reader, all of which are fed alike."""
    dtypes = {reader.dtype for reader in readers}
    dtype = dtypes.pop() if len(dtypes) == 1 else torch.float32
    parts = read_pixels(lambda x: [reader(x) for reader in readers], readers[0].network, dtype, pixels, title)
    return [
        {layer: np.concatenate([part[at][layer] for part in parts]) for layer in parts[0][at]}
        for at in range(len(readers))
    ]


def read_pixels(
    read: Callable[[Tensor], Any], encoder: Encoder, dtype: torch.dtype | None, pixels: np.ndarray, title: str
) -> list[Any]:
    """What `read` makes of each batch, with a bar if there is a title."""
    load = partial(_loaded, encoder=encoder, dtype=dtype)
    with progress_bar(f"embedding {title}", len(pixels), "images", shown=bool(title)) as advance:
        return list(in_batches(read, load, pixels, BatchSize(encoder), advance))


def _loaded(pixels: np.ndarray, encoder: Encoder, dtype: torch.dtype | None) -> Tensor:
    """The pixels, which may lie on a disk, as the encoder expects them, on its device."""
    return preprocess(torch.from_numpy(np.array(pixels)).to(next(encoder.parameters()).device), encoder, dtype)


def layer_outputs(encoder: Encoder, layer: str, head: nn.Module | None) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """A batch -> {layer: features (b, d)}: of all layers, of one, or of a head in float32 on the pooled ones."""
    if layer == ALL_LAYERS:
        return encoder.layers
    if head is not None:
        return lambda x: {layer: head(encoder(x).float())}
    return lambda x: {layer: encoder(x) if layer == "pooled" else _layer(encoder, x, layer)}


def as_array(x: Tensor) -> np.ndarray:
    """As float32 in main memory."""
    return x.float().cpu().numpy()


def _layer(encoder: Encoder, x: torch.Tensor, layer: str) -> torch.Tensor:
    layers = encoder.layers(x)
    if layer not in layers:
        raise ValueError(f"{encoder.name} has no layer {layer!r}; it has: {', '.join(layers)}.")
    return layers[layer]


def to_device(module: Any) -> Any:
    """The module on the GPU if there is one, in evaluation mode."""
    return module.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")).eval()
