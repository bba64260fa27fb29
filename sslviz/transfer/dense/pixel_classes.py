"""From patches to pixels: classes read at the size of the masks, and the guess that a place alone allows."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from sslviz.data import Images
from sslviz.explanations.control_maps import resized
from sslviz.runtime.progress import progress_bar
from sslviz.transfer.dense.patch_readouts import Predict
from sslviz.transfer.dense.patch_tokens import TokenReader

WORST, SPREAD = 8, 8  # pictures that a figure may show: the worst ones, and others evenly up to the best
SIDE = 160  # pixels that a shown picture has at most
_CELLS = 2**24  # scores of pixels at once: 64 MB


def at_pixels(tokens: TokenReader, predict: Predict, images: Images, n_classes: int, title: str = "") -> np.ndarray:
    """The class of every pixel, int16 (n, h, w): scores of patches, interpolated (bilinear) to the size of the pictures."""
    h, w = images.size
    step = max(1, min(tokens.batch, _CELLS // (h * w * n_classes)))
    found = np.empty((len(images), h, w), np.int16)
    with progress_bar(f"segmenting with {title}", len(images), "images", shown=bool(title)) as advance:
        for start in range(0, len(images), step):
            x = tokens.read(images.pixels[start : start + step])  # (b, rows, columns, d)
            scores = predict(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:3], n_classes)
            large = F.interpolate(torch.from_numpy(scores).float().movedim(-1, 1), (h, w), mode="bilinear")
            found[start : start + len(x)] = large.argmax(1).numpy()
            advance(len(x))
    return found


def place_prior(codes: np.ndarray, n_classes: int, size: tuple[int, int]) -> np.ndarray:
    """The most frequent class at each place of known pixels, (h, w) of `size`; the most frequent of all where none is known."""
    frequency = np.stack([(codes == code).mean(0) for code in range(n_classes)])  # (c, h, w)
    frequency += 1e-9 * frequency.mean((1, 2), keepdims=True)
    return resized(frequency, size).argmax(0)


def shown_rows(overlap: np.ndarray) -> np.ndarray:
    """The pictures with the least overlap, the worst first, then others evenly spread up to the best."""
    order = np.argsort(overlap, kind="stable")  # NaN, of pictures of which nothing is known, comes last
    order = order[: np.isfinite(overlap).sum()]
    rest = order[WORST:]
    spread = rest[np.unique(np.linspace(0, len(rest) - 1, SPREAD).round().astype(int))] if len(rest) else rest
    return np.concatenate([order[:WORST], spread])


def small(pictures: np.ndarray) -> np.ndarray:
    """Pictures or maps (k, h, w, ...) of at most SIDE pixels: every so manieth is kept, so that classes stay classes."""
    step = -(-max(pictures.shape[1:3]) // SIDE)
    return np.ascontiguousarray(pictures[:, ::step, ::step])
