"""What happens to the features when pixels go in a map's order: deletion, insertion and infidelity, in batches.

`encode` turns normalised images (b, 3, s, s) into features (b, d).  `similarity` turns features and `references`, one
row per image, into one number each; without references, these are the features of the whole images.  A map's cells are
taken away on its own grid, whole cells at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Encode = Callable[[Tensor], Tensor]
Similarity = Callable[..., Tensor]
Fill = Literal["mean", "blur"]
STEPS = 32
BLUR = 1 / 8  # sd of the blur that hides an object, as a share of the side
BLOCKS = 64  # removed from each image for the infidelity


def cosine(z: Tensor, whole: Tensor) -> Tensor:
    """The cosine of the features with those of the whole image, whatever their length."""
    return F.cosine_similarity(z, whole, dim=1)


def dot(z: Tensor, whole: Tensor) -> Tensor:
    """The dot product, length included: the label-free target of arXiv 2203.01928."""
    return (z * whole).sum(dim=1)


def filled(x: Tensor, fill: Fill) -> Tensor:
    """What is put where something was taken away: the image's mean colour, or its blur; (n, 3, s, s)."""
    if fill == "mean":
        return x.mean((2, 3), keepdim=True).expand_as(x)
    at = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
    weight = torch.exp(-((at[:, None] - at) ** 2) / (2 * (BLUR * x.shape[-1]) ** 2))
    weight /= weight.sum(1, keepdim=True)
    return weight @ x @ weight.T


def order(maps: np.ndarray, seed: int = 0) -> np.ndarray:
    """The order in which cells go: ranks (n, h, w), 0 for the most relevant; ties in an order drawn with `seed`."""
    flat = maps.reshape(len(maps), -1)
    lots = np.random.default_rng(seed).random(flat.shape)
    ranks = np.empty(flat.shape, np.int64)
    np.put_along_axis(ranks, np.lexsort((lots, -flat)), np.arange(flat.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape)


def counts(cells: int, steps: int = STEPS) -> np.ndarray:
    """How many cells are gone after each step: (k + 1,) from 0 to `cells`, k at most `steps`."""
    return np.rint(np.linspace(0, cells, min(steps, cells) + 1)).astype(int)


@torch.inference_mode()
def removal_curves(
    encode: Encode,
    x: Tensor,
    maps: np.ndarray,
    *,
    insert: bool = False,
    steps: int = STEPS,
    fill: Fill = "mean",
    similarity: Similarity = cosine,
    references: Sequence[Tensor] = (),
    seed: int = 0,
    batch: int = 512,
) -> np.ndarray:
    """How fast the similarity falls as the most relevant cells go, or rises as they come (`insert`).

    `x` (n, 3, s, s) as the encoder takes them, `maps` (n, h, w) on any grid.  Returns (n, k + 1), one value for each of
    `counts`; Petsiuk et al. 2018 (arXiv 1806.07421) with similarity for the class score.

    Caveat: Pictures with holes are unlike any the encoder has seen; only a comparison with other orders means something.
    """
    ranks = torch.from_numpy(order(maps, seed)).to(x.device)
    gone = torch.from_numpy(counts(maps[0].size, steps)).to(x.device)
    blank, references = filled(x, fill), references or [encoded(encode, x, batch)]
    values = []
    for part in torch.arange(len(x) * len(gone), device=x.device).split(batch):
        image, step = part // len(gone), part % len(gone)
        chosen = _on_pixels(ranks[image] < gone[step, None, None], x)
        seen = torch.where(chosen == insert, x[image], blank[image])
        values.append(similarity(encode(seen).float(), *(r[image] for r in references)))
    return torch.cat(values).view(len(x), -1).cpu().numpy()


def infidelity(
    encode: Encode,
    x: Tensor,
    maps: np.ndarray,
    *,
    fill: Fill = "mean",
    similarity: Similarity = cosine,
    references: Sequence[Tensor] = (),
    scaled: bool = True,
    seed: int = 0,
    batch: int = 512,
) -> np.ndarray:
    """How badly the relevance of a block says what its removal costs: 0 is best (arXiv 1901.09392).

    `maps` (n, h, w) -> (n,), or several maps of each image, (m, n, h, w) -> (m, n).  Of each image 64 square blocks are
    filled, one at a time; a map's sum over the block is the predicted loss of similarity.

    `scaled` is the share of the squared loss that the best non-negative multiple of the map leaves unexplained, so that
    maps in different units can be compared.  It lies in [0, 1], and is 1 where no block costs anything.  Else it is the
    mean squared error as it is, for maps in the units of the similarity.

    Caveat: Large blocks cost more than small ones whatever the map says, so that even a flat map explains a part.
    """
    blocks = square_blocks(len(x), maps.shape[-2:], seed)
    losses = _block_losses(encode, x, blocks, fill, similarity, references, batch)
    if maps.ndim == 3:
        return _errors(maps, blocks, losses, scaled)
    return np.stack([_errors(of_each_image, blocks, losses, scaled) for of_each_image in maps])


def _errors(maps: np.ndarray, blocks: np.ndarray, losses: np.ndarray, scaled: bool) -> np.ndarray:
    """How badly the maps' sums over blocks (n, m, h, w) predict their losses (n, m): (n,), see `infidelity`."""
    predicted = np.einsum("nmhw,nhw->nm", blocks, maps.astype(np.float64))
    if not scaled:
        return ((predicted - losses) ** 2).mean(axis=1)
    agreement = np.maximum((predicted * losses).sum(axis=1), 0)
    size = (predicted**2).sum(axis=1) * (losses**2).sum(axis=1)
    return np.clip(1 - np.where(size > 0, agreement**2 / np.where(size > 0, size, 1), 0), 0, 1)


@torch.inference_mode()
def _block_losses(
    encode: Encode,
    x: Tensor,
    blocks: np.ndarray,
    fill: Fill,
    similarity: Similarity,
    references: Sequence[Tensor],
    batch: int,
) -> np.ndarray:
    """How much similarity each block (n, m, h, w) costs when it is filled: (n, m)."""
    n, m = blocks.shape[:2]
    where = torch.from_numpy(blocks).to(x.device).flatten(0, 1)
    blank, whole = filled(x, fill), encoded(encode, x, batch)
    references = references or [whole]
    left = []
    for part in torch.arange(n * m, device=x.device).split(batch):
        image = part // m
        seen = torch.where(_on_pixels(where[part], x), blank[image], x[image])
        left.append(similarity(encode(seen).float(), *(r[image] for r in references)))
    return (similarity(whole, *references)[:, None] - torch.cat(left).view(n, m)).double().cpu().numpy()


def encoded(encode: Encode, x: Tensor, batch: int) -> Tensor:
    """The features (n, d) in float32, `batch` images at a time."""
    return torch.cat([encode(part).float() for part in x.split(batch)])


def _on_pixels(cells: Tensor, x: Tensor) -> Tensor:
    """Chosen cells (b, h, w) as chosen pixels (b, 1, s, s)."""
    if cells.shape[1:] == x.shape[2:]:
        return cells[:, None]
    return F.interpolate(cells[:, None].float(), x.shape[2:], mode="nearest-exact") > 0


def square_blocks(n: int, grid: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """The blocks of each image that are taken away, bool (n, 64, h, w).

    Squares of an eighth to a half of the grid's shorter side, anywhere.
    """
    rng = np.random.default_rng(seed)
    side = rng.integers(max(1, min(grid) // 8), max(1, min(grid) // 2) + 1, (n, BLOCKS))
    spans = []
    for length in grid:
        start = (rng.random((n, BLOCKS)) * (length - side + 1)).astype(int)[..., None]
        spans.append((np.arange(length) >= start) & (np.arange(length) < start + side[..., None]))
    return spans[0][..., :, None] & spans[1][..., None, :]


def in_batches(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows."""
    for start in range(0, n, size):
        yield slice(start, start + size)
