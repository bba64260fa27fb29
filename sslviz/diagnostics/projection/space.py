"""The space that a map is drawn of, with its neighbours and its PCA, and noise with the same covariance.

What maps of the same features share is made once and cached.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.diagnostics.geometry.moments import Moments
from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors, unit_rows
from sslviz.diagnostics.projection.quality import map_quality
from sslviz.diagnostics.projection.torchdr_layout import TorchJob
from sslviz.diagnostics.projection.umap_layout import LayoutJob, edges, fuzzy_weights
from sslviz.diagnostics.projection.umap_learn_layout import UmapLearnJob
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache

Seed = int | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Space:
    """Rows of length one, and what every map of them needs.

    - name: stands for the others as a cache key
    - x: rows float64 (n, d)
    - graph: their nearest neighbours
    - pca: their two leading principal components, (n, 2)
    """

    name: str
    x: np.ndarray
    graph: Neighbors
    pca: np.ndarray

    @classmethod
    def of(cls, features: Features, k: int, graph: Neighbors | None = None) -> Space:
        """With the `k` nearest of each row, from `graph` if given.

        ValueError for a graph of other images, or one that is not by cosine.
        """
        name = features.digest
        if graph is None:
            graph = neighbors(features, k)
        elif graph.metric != "cosine" or not np.array_equal(graph.ids, features.ids):
            raise ValueError("This graph is of other images or not by cosine; pass neighbors(features, k).")
        else:
            name += f"-{zlib.crc32(graph.indices[:, :k].tobytes())}"
        x = unit_rows(features.x.astype(np.float64))
        return cls(name, x, graph.nearest(k), cache.get(("PCA", features.digest), lambda: _pca(x)))

    def umap_job(self, n_neighbors: int, min_dist: float, epochs: int, seed: Seed) -> LayoutJob:
        """A UMAP of it."""
        name = (self.name, n_neighbors)
        graph = self.graph.nearest(n_neighbors)
        drawn = cache.get(("edges", *name, epochs), lambda: edges(fuzzy_weights(graph), epochs))
        return LayoutJob(drawn, self.pca, min_dist, seed, name)

    def umap_learn_job(self, n_neighbors: int, min_dist: float, epochs: int, seed: Seed) -> UmapLearnJob:
        """A UMAP of it by umap-learn."""
        graph = self.graph.nearest(n_neighbors)
        return UmapLearnJob(graph, self.pca, min_dist, epochs, seed, (self.name, n_neighbors))

    def torchdr_job(self, n_neighbors: int, min_dist: float, epochs: int, seed: Seed) -> TorchJob:
        """A UMAP of it by TorchDR."""
        return TorchJob(self.x, self.pca, n_neighbors, min_dist, epochs, seed, (self.name, n_neighbors))

    def quality(self, maps: Mapping[Any, np.ndarray]) -> dict[Any, dict[str, np.ndarray]]:
        """`map_quality` of these maps; cached for PCA and null maps, which other maps need too."""
        near = self.graph.indices
        keys = {name: ("quality", self.name, self.graph.k, name) for name in maps}
        quality = map_quality(self.x, {name: xy for name, xy in maps.items() if keys[name] not in cache}, near)
        for name, xy in maps.items():
            if name == "PCA" or "null map" in name:

                def make(name: Any = name, xy: np.ndarray = xy) -> dict[str, np.ndarray]:
                    return quality[name] if name in quality else map_quality(self.x, {name: xy}, near)[name]

                quality[name] = cache.get(keys[name], make)
        return quality


def matched_noise(features: Features, seed: int) -> Features:
    """Gaussian noise with the same mean and covariance, at length one: the same spectrum, without clusters."""

    def make() -> Features:
        moments = Moments.of(features.x)
        values, vectors = np.linalg.eigh(moments.scatter / (moments.n - 1))
        noise = np.random.default_rng([seed, 0]).standard_normal(features.x.shape)  # not the user's own noise
        return Features.from_array(unit_rows(noise * np.sqrt(np.maximum(values, 0)) @ vectors.T + moments.mean))

    return cache.get(("noise", features.digest, seed), make)


def _pca(x: np.ndarray) -> np.ndarray:
    """The two leading principal components of the rows; the largest loading of each is positive."""
    moments = Moments.of(x)
    axes = np.linalg.eigh(moments.scatter)[1][:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return ((x - moments.mean) @ axes).astype(np.float32)
