"""Layouts by umap-learn, the reference implementation of UMAP.

The package gets our exact neighbours and our start, so that only its graph weights and its loop are its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors
from sslviz.diagnostics.projection.umap_layout import WARM, layout_in_memory, stretched

# umap-learn's parallel loops must not run twice at once (numba's thread pool), and its optimiser holds Python's lock.
_lock = Lock()


@dataclass(frozen=True, eq=False)
class UmapLearnJob:
    """A layout that umap-learn makes.

    - graph: exact neighbours; as many as UMAP's n_neighbors
    - start: positions (n, 2) to begin with
    - min_dist, epochs, seed: as in `projection`
    - name: stands for graph and start as a cache key; None: not cached
    - warm: whether `start` is a layout already
    """

    graph: Neighbors
    start: np.ndarray
    min_dist: float
    epochs: int
    seed: int | Sequence[int]
    name: Hashable = None
    warm: bool = False

    def layout(self) -> np.ndarray:
        """Positions float32 (n, 2)."""
        return layout_in_memory("umap-learn", self, self._embedding)

    def _embedding(self) -> np.ndarray:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that tensorflow is missing, and that threads are not used
            from umap.umap_ import find_ab_params, simplicial_set_embedding

            left = 1 - WARM if self.warm else 1.0  # of the epochs, and of the step that shrinks over them
            a, b = find_ab_params(1.0, self.min_dist)
            random = np.random.RandomState(np.random.SeedSequence(self.seed).generate_state(1)[0])
            xy, _ = simplicial_set_embedding(
                data=None,
                graph=umap_learn_graph(self.graph),
                n_components=2,
                initial_alpha=left,
                a=a,
                b=b,
                gamma=1.0,
                negative_sample_rate=5,
                n_epochs=int(left * self.epochs),
                init=stretched(self.start, warm=self.warm),
                random_state=random,
                metric="cosine",
                metric_kwds={},
                densmap=False,
                densmap_kwds={},
                output_dens=False,
            )
        return xy.astype(np.float32)


def umap_learn_graph(graph: Neighbors) -> Any:
    """umap-learn's sparse weights (n, n) of our neighbours; there a point is the first of its own neighbours."""
    from umap.umap_ import fuzzy_simplicial_set

    n, k = graph.indices.shape
    indices = np.hstack([np.arange(n, dtype=np.int32)[:, None], graph.indices[:, : k - 1]])
    distances = np.hstack([np.zeros((n, 1), np.float32), graph.distances[:, : k - 1]])
    return fuzzy_simplicial_set(np.empty((n, 0)), k, None, "cosine", knn_indices=indices, knn_dists=distances)[0]
