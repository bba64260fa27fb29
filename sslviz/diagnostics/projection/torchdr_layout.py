"""Layouts by TorchDR: UMAP, on a GPU where there is one.

The package (BSD) is an extra, `pip install "sslviz[torchdr]"`.  It finds the exact neighbours itself; of rows at length one
they are ours.  It moves all points at once where our loop moves one edge after another, so maps differ in detail.  All
distances are held at once: 4.6 GB for 20,000 images.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from sslviz.diagnostics.projection.umap_layout import WARM, layout_in_memory, stretched
from sslviz.runtime.random_state import global_state_kept

MAX_POINTS = 20_000  # of which all distances fit into memory

_lock = Lock()  # TorchDR seeds the generators of the whole process, so one map is made at a time


@dataclass(frozen=True, eq=False)
class TorchJob:
    """A layout that TorchDR makes.

    - x: rows (n, d) of length one
    - start: positions (n, 2) to begin with
    - n_neighbors, min_dist, epochs, seed: as in `projection`
    - name: stands for rows and start as a cache key; None: not cached
    - warm: whether `start` is a layout already
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
        return layout_in_memory("torchdr", self, self._embedding)

    def _embedding(self) -> np.ndarray:
        import torch

        device, start = "cuda" if torch.cuda.is_available() else "cpu", stretched(self.start, warm=self.warm)
        left = 1 - WARM if self.warm else 1.0  # of the rounds, and of the step that shrinks over them
        x = (self.x - self.x.mean(axis=0)).astype(np.float32)  # the distances that TorchDR's float32 can tell apart
        with _lock, global_state_kept(), _settings_kept():
            umap = torchdr_umap()(
                n_neighbors=self.n_neighbors,
                min_dist=self.min_dist,
                max_iter=int(left * self.epochs),
                lr=left,
                init=torch.from_numpy(start),
                init_scaling=float(start[:, 0].std()),
                process_duplicates=False,
                backend=None,
                device=device,
                verbose=False,
                random_state=int(np.random.SeedSequence(self.seed).generate_state(1)[0] >> 1),
            )
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
    if n > MAX_POINTS:
        raise ValueError(
            f"TorchDR holds all distances at once, of at most {MAX_POINTS:,} images, but there are {n:,}; draw a sample of "
            'them, or use method="umap".'
        )


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Restores what else TorchDR sets: how cuDNN chooses its kernels, and the seed of hashes of later processes."""
    from torch.backends import cudnn

    before, kernels = os.environ.get("PYTHONHASHSEED"), (cudnn.benchmark, cudnn.deterministic)
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = kernels
        os.environ.pop("PYTHONHASHSEED", None)
        if before is not None:
            os.environ["PYTHONHASHSEED"] = before
