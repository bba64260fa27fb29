"""How does TorchDR lay out a map?  UMAP on a GPU, where there is one: another hand at the same method.

Its package (BSD) is an extra, `pip install "sslviz[torchdr]"`.  It finds the exact neighbours itself, which of rows at
length one are ours, and moves all points at once where ours moves one edge after another; so maps differ in detail.
All distances are held at once: 4.6 GB for 20,000 images.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from sslviz.diagnostics.projection.umap_layout import WARM, stretched
from sslviz.runtime.memory_cache import cache
from sslviz.runtime.random_state import global_state_kept

MOST_POINTS = 20_000  # of which all distances fit into memory

_lock = Lock()  # TorchDR seeds the generators of the whole process, so one map is made at a time


@dataclass(frozen=True, eq=False)
class TorchJob:
    """A layout to be made of the rows `x` (n, d) of length one from `start` (n, 2); `warm` if that is a layout already.

    `name` stands for rows and start: what is made is remembered under it, unless it is None.
    """

    x: np.ndarray
    start: np.ndarray
    n_neighbors: int
    min_dist: float
    epochs: int
    seed: int | Sequence[int]
    name: Hashable = None
    warm: bool = False

    def layout(self) -> np.ndarray:
        """Positions float32 (n, 2)."""
        if self.name is None:
            return self._made()
        seed = self.seed if isinstance(self.seed, int) else tuple(self.seed)
        return cache.get(("torchdr", self.name, self.min_dist, self.epochs, seed), self._made)

    def _made(self) -> np.ndarray:
        import torch

        device, start = "cuda" if torch.cuda.is_available() else "cpu", stretched(self.start, warm=self.warm)
        left = 1 - WARM if self.warm else 1.0  # of the rounds, and of the step that shrinks over them
        x = (self.x - self.x.mean(axis=0)).astype(np.float32)  # the distances that TorchDR's float32 can tell apart
        with _lock, global_state_kept(), _settings_kept():
            umap = torchdr_umap()(
                n_neighbors=self.n_neighbors, min_dist=self.min_dist, max_iter=int(left * self.epochs), lr=left,
                init=torch.from_numpy(start), init_scaling=float(start[:, 0].std()), process_duplicates=False,
                backend=None, device=device, verbose=False,
                random_state=int(np.random.SeedSequence(self.seed).generate_state(1)[0] >> 1),
            )  # fmt: skip
            xy = umap.fit_transform(torch.from_numpy(x).to(device))
        return xy.detach().cpu().numpy().astype(np.float32)


def torchdr_umap() -> Any:
    """TorchDR's class; ValueError, saying what to install, where its package is not there."""
    try:
        from torchdr import UMAP
    except ImportError as error:
        raise ValueError(
            f'Maps by TorchDR need its package ({error}): pip install "sslviz[torchdr]", or method="umap".'
        ) from error
    return UMAP


def check_torchdr(n: int) -> None:
    """ValueError where TorchDR cannot lay out so many images: for want of its package, or of memory."""
    torchdr_umap()
    if n > MOST_POINTS:
        raise ValueError(
            f"TorchDR holds all distances at once, of at most {MOST_POINTS:,} images, but there are {n:,}; draw a sample of "
            'them, or use method="umap".'
        )


@contextmanager
def _settings_kept() -> Iterator[None]:
    """TorchDR also sets how cuDNN chooses its kernels, and the seed of hashes for processes that are started later."""
    from torch.backends import cudnn

    before, kernels = os.environ.get("PYTHONHASHSEED"), (cudnn.benchmark, cudnn.deterministic)
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = kernels
        os.environ.pop("PYTHONHASHSEED", None)
        if before is not None:
            os.environ["PYTHONHASHSEED"] = before
