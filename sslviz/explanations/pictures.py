"""Pictures as an encoder expects them, in batches on its device; and what it was shown, as a person sees it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.features.embed import preprocess
from sslviz.runtime.progress import progress_bar


def require_pictures(images: Images, need: str, hint: str = "") -> None:
    """ValueError, which says what there is a need for, where there is no picture or where there are clips."""
    if not len(images) or images.pixels.ndim != 4:
        raise ValueError(f"{need}; got pixels of shape {images.pixels.shape}.{hint}")


def device_of(encoder: Encoder) -> torch.device:
    """Where an encoder lies; the CPU for one that holds no numbers."""
    return next((t.device for t in (*encoder.parameters(), *encoder.buffers())), torch.device("cpu"))


def as_input(pixels: np.ndarray, encoder: Encoder) -> Tensor:
    """uint8 (b, h, w, 3) as the encoder expects it, (b, 3, s, s) on its device; ValueError where it sees only the middle."""
    fed = encoder.preprocessing
    # Maps, masks and thumbnails are of whole pictures: they would lie beside what was seen.
    if fed.crop != 1 or (fed.crop_mode == "center" and pixels.shape[1] != pixels.shape[2]):
        raise ValueError(
            f"maps lie over whole pictures, and {encoder.name} is shown only the middle; import it again without --crop"
        )
    return preprocess(torch.from_numpy(np.array(pixels)).to(device_of(encoder)), encoder)


def as_inputs(pixels: np.ndarray, encoder: Encoder) -> Tensor:
    """Any number of pictures as the encoder expects them, float32 (n, 3, s, s) on the CPU."""
    step = max(1, 2**24 // (encoder.image_size**2 + pixels[0].size))
    parts = [as_input(pixels[i : i + step], encoder).float().cpu() for i in range(0, len(pixels), step)]
    return torch.cat(parts)


def input_batches(encoder: Encoder, images: Images, batch: int, title: str = "") -> Iterator[Tensor]:
    """The pictures as the encoder expects them, batch by batch on its device, with a bar if there is a title."""
    with progress_bar(f"looking with {title}", len(images), "images", shown=bool(title)) as advance:
        for start in range(0, len(images), batch):
            x = as_input(images.pixels[start : start + batch], encoder)
            yield x
            advance(len(x))


def as_pictures(x: Tensor, encoder: Encoder) -> np.ndarray:
    """What the encoder was shown, as a person sees it: (..., 3, s, s) -> uint8 (..., s, s, 3)."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    levels = (x * std + mean).clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(levels.movedim(-3, -1).numpy())
