"""How does TorchDR lay out a map?  UMAP on a GPU, where there is one: another hand at the same method.

Its package (BSD) is an extra, `pip install "sslviz[torchdr]"`.  It finds the exact neighbours itself, which of rows at
length one are ours, and moves all points at once where ours moves one edge after another; so maps differ in detail.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import numpy as np

from sslviz.diagnostics.layout import WARM
from sslviz.diagnostics.recent import recent
from sslviz.generators import global_state_kept

_lock = Lock()  # TorchDR seeds the generators of the whole process, so one map is made at a time


@dataclass(frozen=True, eq=False)
class TorchPlan:
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
        """Positions float32 (n, 2); ValueError where the package is not installed."""
        if self.name is None:
            return self._made()
        seed = self.seed if isinstance(self.seed, int) else tuple(self.seed)
        return recent.get(("torchdr", self.name, self.min_dist, self.epochs, seed), self._made)

    def _made(self) -> np.ndarray:
        try:
            from torchdr import UMAP
        except ImportError as error:
            raise ValueError(
                f'Maps by TorchDR need its package ({error}): pip install "sslviz[torchdr]", or method="umap".'
            ) from error
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        start = self.start if self.warm else 10 * (self.start - self.start.min(0)) / np.ptp(self.start, axis=0).max()
        left = 1 - WARM if self.warm else 1.0  # of the rounds, and of the step that shrinks over them
        with _lock, global_state_kept(), torch.random.fork_rng(), _hash_seed_kept():
            umap = UMAP(
                n_neighbors=self.n_neighbors + 1,  # TorchDR counts the point itself
                min_dist=self.min_dist, max_iter=int(left * self.epochs), lr=left, init=torch.from_numpy(start).float(),
                init_scaling=float(start[:, 0].std()), backend=None, device=device, verbose=False,
                random_state=int(np.random.SeedSequence(self.seed).generate_state(1)[0] >> 1),
            )  # fmt: skip
            xy = umap.fit_transform(torch.from_numpy(self.x.astype(np.float32)).to(device))
        return xy.detach().cpu().numpy().astype(np.float32)


@contextmanager
def _hash_seed_kept() -> Iterator[None]:
    """TorchDR also sets the seed of hashes for processes that are started later, which is nothing to do with a map."""
    before = os.environ.get("PYTHONHASHSEED")
    try:
        yield
    finally:
        os.environ.pop("PYTHONHASHSEED", None)
        if before is not None:
            os.environ["PYTHONHASHSEED"] = before
