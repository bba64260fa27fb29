"""What happens to the features when pixels go in a map's order: deletion, insertion and infidelity, in batches.

`encode` turns normalised images (b, 3, s, s) into features (b, d).  `similarity` turns features and `references`, one
row per image, into one number each.  A map's cells are taken away on its own grid, whole cells at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.explanations.control_maps import resized

Encode = Callable[[Tensor], Tensor]
Similarity = Callable[..., Tensor]
Fill = Literal["mean", "blur"]
STEPS = 32
BLUR = 1 / 8  # sd of the blur that hides an object, as a share of the side
BLOCKS = 32  # removed from each image for the infidelity


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


class Perturbed:
    """What an encoder says of pictures with parts filled; it is asked about all and about nothing of them only once.

    - whole: the similarity of the whole pictures, (n,)
    - empty: that of the pictures that are filled all over, (n,)
    - features: those of the whole pictures, (n, d)

    `x` (n, 3, s, s) as the encoder takes them; without `references`, one row per picture, similarity is to `features`.
    """

    @torch.inference_mode()
    def __init__(
        self,
        encode: Encode,
        x: Tensor,
        *,
        fill: Fill = "mean",
        similarity: Similarity = cosine,
        references: Sequence[Tensor] = (),
        batch: int = 512,
        advance: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.x, self.blank = x, filled(x, fill)
        self._encode, self._similarity, self._batch, self._advance = encode, similarity, batch, advance
        self.features = torch.cat([self._features(part) for part in x.split(batch)])
        self._references = references or [self.features]
        self.whole = similarity(self.features, *self._references)
        self.empty = self.values(torch.ones(len(x), 1, *x.shape[2:], dtype=torch.bool, device=x.device))[:, 0]

    @torch.inference_mode()
    def values(self, gone: Tensor) -> Tensor:
        """The similarity of pictures of which the pixels in `gone`, bool (n, m, s, s), are filled: (n, m)."""
        n, m = gone.shape[:2]
        parts = []
        for part in torch.arange(n * m, device=gone.device).split(self._batch):
            i = part // m
            f = self._features(torch.where(gone[i, part % m, None], self.blank[i], self.x[i]))
            parts.append(self._similarity(f, *(r[i] for r in self._references)))
        return torch.cat(parts).view(n, m) if parts else self.whole.new_empty(n, m)

    def _features(self, x: Tensor) -> Tensor:
        # Channels last: convolutions of a full batch take 0.5 to 0.7 of the time on a CPU, the same values to 1e-6.
        f = self._encode(x.contiguous(memory_format=torch.channels_last)).float()
        self._advance(len(x))
        return f


def removed(ranks: np.ndarray, x: Tensor, *, insert: bool = False, steps: int = STEPS) -> Tensor:
    """Which pixels are filled at each step but the ends, as the most relevant cells go, or come (`insert`).

    `ranks` (n, h, w) are as `order` gives them, on any grid, for pictures `x` (n, 3, s, s).  Returns bool (n, k - 1, s,
    s), one for each of `counts` between the ends.
    """
    gone = torch.from_numpy(counts(ranks[0].size, steps)[1:-1]).to(x.device)
    cells = (torch.from_numpy(ranks).to(x.device)[:, None] < gone[:, None, None]) != insert
    return on_pixels(cells.flatten(0, 1), x.shape[2:]).unflatten(0, cells.shape[:2])


def removal_curves(
    seen: Perturbed, maps: np.ndarray, *, insert: bool = False, steps: int = STEPS, seed: int = 0
) -> np.ndarray:
    """How fast the similarity falls as the most relevant cells go, or rises as they come (`insert`).

    `maps` (n, h, w) on any grid.  Returns (n, k + 1), one value for each of `counts`; Petsiuk et al. 2018 (arXiv
    1806.07421) with similarity for the class score.

    Caveat: Pictures with holes are unlike any the encoder has seen; only a comparison with other orders means something.
    """
    between = seen.values(removed(order(maps, seed), seen.x, insert=insert, steps=steps))
    return with_ends(between, seen, insert=insert).cpu().numpy()


def with_ends(between: Tensor, seen: Perturbed, *, insert: bool) -> Tensor:
    """Curves (n, k + 1) of the values between their ends, (n, k - 1)."""
    first, last = (seen.empty, seen.whole) if insert else (seen.whole, seen.empty)
    return torch.cat([first[:, None], between, last[:, None]], 1)


def infidelity(
    maps: np.ndarray, blocks: np.ndarray, losses: np.ndarray, *, size: int, scaled: bool = True
) -> np.ndarray:
    """How badly the relevance of a block says what its removal costs: (n,), 0 is best (arXiv 1901.09392).

    `maps` (n, h, w) on any grid.  The `blocks` (n, m, 3) of pictures of `size` pixels were filled one at a time, which
    cost `losses` (n, m) of similarity.  A map's sum over the block is the predicted loss.

    `scaled` is the share of the squared loss that the best non-negative multiple of the map leaves unexplained, so that
    maps in different units can be compared.  It lies in [0, 1], and is 1 where no block costs anything.  Else it is the
    mean squared error as it is, for maps in the units of the similarity.

    Caveat: Large blocks cost more than small ones whatever the map says, so that even a flat map explains a part.
    """
    predicted = block_sums(resized(maps, (size, size)), blocks)
    if not scaled:
        return ((predicted - losses) ** 2).mean(axis=1)
    agreement = np.maximum((predicted * losses).sum(axis=1), 0)
    size = (predicted**2).sum(axis=1) * (losses**2).sum(axis=1)
    return np.clip(1 - np.where(size > 0, agreement**2 / np.where(size > 0, size, 1), 0), 0, 1)


def on_pixels(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Chosen cells (b, h, w) as chosen pixels (b, *size)."""
    if cells.shape[1:] == tuple(size):
        return cells
    return F.interpolate(cells[:, None].float(), tuple(size), mode="nearest-exact")[:, 0] > 0


def square_blocks(n: int, size: int, seed: int = 0) -> np.ndarray:
    """The blocks of each image that are taken away, in pixels: top, left and side, int (n, BLOCKS, 3).

    Squares of an eighth to a half of the picture's side, anywhere.
    """
    rng = np.random.default_rng(seed)
    side = rng.integers(max(1, size // 8), max(1, size // 2) + 1, (n, BLOCKS))
    top, left = ((rng.random((n, BLOCKS)) * (size - side + 1)).astype(int) for _ in range(2))
    return np.stack([top, left, side], axis=-1)


def block_masks(blocks: np.ndarray, size: int) -> np.ndarray:
    """Blocks (n, m, 3) of pictures of `size` pixels as masks, bool (n, m, size, size)."""
    at = np.arange(size)
    rows, columns = ((at >= start) & (at < start + blocks[..., 2:]) for start in (blocks[..., :1], blocks[..., 1:2]))
    return rows[..., :, None] & columns[..., None, :]


def block_sums(maps: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The sum of maps (n, s, s) over each of their blocks (n, m, 3): (n, m)."""
    total = np.pad(maps.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    i, (top, left, side) = np.arange(len(maps))[:, None], np.moveaxis(blocks, -1, 0)
    bottom, right = top + side, left + side
    return total[i, bottom, right] - total[i, top, right] - total[i, bottom, left] + total[i, top, left]


def in_batches(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows."""
    for start in range(0, n, size):
        yield slice(start, start + size)
