"""UMAP's layout of a neighbour graph: weights for its edges, then rounds of attraction and repulsion.

McInnes, Healy and Melville (arXiv 1802.03426) in two dimensions.  umap-learn itself, which `umap_learn_layout` runs,
takes ten seconds to be imported and holds Python's lock while it works.  A test holds both to the same quality, and
`tests/benchmarks/projection.py` says how much faster this is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors
from sslviz.runtime.memory_cache import cache

# The steps shrink from epoch to epoch: the first three quarters settle what lies where, the last quarter how densely.
# Only then does min_dist count.  So maps that differ in it alone share the rest, and no point jumps between them.
COARSE = 0.75
COARSE_MIN_DIST = 0.1
WARM = 0.5  # of the epochs are skipped for a map that starts from another: their steps would tear it apart


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges along which points attract each other.

    - head, tail: the two points of each edge (m,)
    - every: an edge acts once in so many epochs (m,)
    - epochs: of the whole layout
    """

    head: np.ndarray
    tail: np.ndarray
    every: np.ndarray
    epochs: int


@dataclass(frozen=True, eq=False)
class Layout:
    """A layout under way.

    - xy: positions (n, 2)
    - rng: the points' random states (n, 3)
    - due, due_away: the epoch in which each edge attracts, and repels, next (m,)
    - done: epochs so far
    """

    xy: np.ndarray
    rng: np.ndarray
    due: np.ndarray
    due_away: np.ndarray
    done: int


@dataclass(frozen=True, eq=False)
class LayoutJob:
    """A layout that our own loop makes.

    - edges: of the neighbour graph
    - start: positions (n, 2) to begin with
    - min_dist, seed: as in `projection`
    - name: stands for edges and start as a cache key; None: not cached
    - warm: whether `start` is a layout already
    """

    edges: Edges
    start: np.ndarray
    min_dist: float
    seed: int | Sequence[int]
    name: Hashable = None
    warm: bool = False

    def layout(self) -> np.ndarray:
        """Positions float32 (n, 2)."""
        epochs = self.edges.epochs
        if self.name is None:
            return _advance(_begin(self), self.edges, self.min_dist, epochs).xy

        def coarse() -> Layout:
            return _advance(_begin(self), self.edges, COARSE_MIN_DIST, int(COARSE * epochs))

        def fine() -> np.ndarray:
            return _advance(cache.get((*key, "coarse"), coarse), self.edges, self.min_dist, epochs).xy

        key = ("umap", self.name, epochs, self.seed if isinstance(self.seed, int) else tuple(self.seed))
        return cache.get((*key, self.min_dist), fine)


class AnyLayoutJob(Protocol):
    """A layout to be made: a `LayoutJob`, or one that another package carries out."""

    def layout(self) -> np.ndarray:
        """Positions float32 (n, 2)."""
        ...


def layouts(jobs: Sequence[AnyLayoutJob]) -> Iterator[np.ndarray]:
    """Positions float32 (n, 2) for each job, in order.

    Each job has a thread of its own, so that they run side by side, also while the caller looks at the first ones.  They
    are the same however many there are.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda job: job.layout(), jobs)


def layout_in_memory(package: str, job: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What `make` lays out for another package's job, or what is cached under the job's name; without a name, nothing is."""
    if job.name is None:
        return make()
    seed = job.seed if isinstance(job.seed, int) else tuple(job.seed)
    return cache.get((package, job.name, job.min_dist, job.epochs, seed), make)


def stretched(start: np.ndarray, *, warm: bool) -> np.ndarray:
    """Where a layout begins: `start` (n, 2) with each axis stretched to [0, 10], as UMAP does; or, `warm`, as it is.

    Points are jittered a little, since an axis without any extent could not be stretched.
    """
    jitter = np.random.default_rng(0).standard_normal(start.shape) * 1e-4 * np.ptp(start, axis=0).max()
    xy = (start + jitter).astype(np.float32, order="C")
    return xy if warm else (10 * (xy - xy.min(axis=0)) / np.ptp(xy, axis=0)).astype(np.float32)


def _begin(job: LayoutJob) -> Layout:
    """A layout that has not moved yet."""
    every, xy = job.edges.every, stretched(job.start, warm=job.warm)
    rng = np.random.default_rng(job.seed).integers(2**32, size=(len(xy), 3), dtype=np.int64)
    done = int(WARM * job.edges.epochs) if job.warm else 0
    return Layout(xy, rng, done + every, done + every / 5, done)


def _advance(layout: Layout, edges: Edges, min_dist: float, until: int) -> Layout:
    """The layout after the epochs up to `until`."""
    from sslviz.diagnostics.projection.umap_loops import move, tables

    xy, rng, due, due_away = (array.copy() for array in (layout.xy, layout.rng, layout.due, layout.due_away))
    forces = tables(*curve(min_dist))
    move(xy, rng, edges.head, edges.tail, edges.every, due, due_away, *forces, layout.done, until, edges.epochs)
    return Layout(xy, rng, due, due_away, until)


def fuzzy_weights(graph: Neighbors) -> Any:
    """UMAP's weights of a neighbour graph, a symmetric sparse matrix (n, n) in (0, 1].

    Of each image's nearest k - 1 (in UMAP a point counts among its own k): 1 for the nearest, less with distance, so
    that a row sums to log2 k.  Then the union of both sides, p + q - p q.  Distances count only relative to those of the
    same image, so density is lost here.
    """
    from scipy.sparse import coo_array

    n, k = graph.indices.shape
    distances = graph.distances[:, : k - 1].astype(np.float64)
    nearest = np.where(distances > 0, distances, np.inf).min(axis=1)  # of those that are not repeats
    nearest = np.where(np.isfinite(nearest), nearest, 0)
    beyond = np.maximum(distances - nearest[:, None], 0)
    # Where all lie equally far there is no scale to find, and a thousandth of the mean distance stands in.
    floor = 1e-3 * np.where(nearest > 0, distances.sum(axis=1) / k, distances.sum() / (n * k))
    scale = np.maximum(_scale(beyond, np.log2(k)), floor)[:, None]
    weights = np.exp(-beyond / np.where(scale > 0, scale, 1))
    rows = np.repeat(np.arange(n, dtype=np.int32), k - 1)
    one_way = coo_array((weights.ravel(), (rows, graph.indices[:, : k - 1].ravel())), shape=(n, n)).tocsr()
    back = one_way.T.tocsr()
    return one_way + back - one_way.multiply(back)


def _scale(beyond: np.ndarray, total: float) -> np.ndarray:
    """Per row the sigma for which exp(-beyond / sigma) sums to `total`, by bisection; near 0 if it always is more."""
    low, high, middle = np.zeros(len(beyond)), np.full(len(beyond), np.inf), np.ones(len(beyond))
    for _ in range(64):
        much = np.exp(-beyond / middle[:, None]).sum(axis=1) > total
        high, low = np.where(much, middle, high), np.where(much, low, middle)
        middle = np.where(np.isinf(high), 2 * low, (low + high) / 2)
    return middle


def edges(weights: Any, epochs: int) -> Edges:
    """The edges of a graph with these weights, each as often as its weight says.

    Edges of a weight below 1 / epochs of the largest are left out.
    """
    graph = weights.tocoo()
    graph.sum_duplicates()  # in the order that umap-learn has them
    kept = graph.data >= graph.data.max() / epochs
    head, tail = (axis[kept].astype(np.int32) for axis in (graph.row, graph.col))
    return Edges(head, tail, graph.data.max() / graph.data[kept], epochs)


@lru_cache
def curve(min_dist: float) -> tuple[float, float]:
    """UMAP's a and b of 1 / (1 + a d^2b), fitted to 1 up to `min_dist`, then exp(min_dist - d)."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3, 300)
    target = np.where(d < min_dist, 1.0, np.exp(min_dist - d))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), d, target)
    return float(a), float(b)
