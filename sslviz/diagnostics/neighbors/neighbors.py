"""The exact neighbour graph that probes, maps, hubness and quality scores share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sslviz.diagnostics.neighbors.exact_search import search
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache

Metric = Literal["cosine", "euclidean"]

MIN_NEIGHBORS = 30  # are found, where there are so many, so that a later caller need not search again


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest of m rows for each of n rows.

    - indices: row numbers in the searched features, int32 (n, k), nearest first
    - distances: 1 - cosine, in [0, 2], or Euclidean; float32 (n, k)
    - ids: of the rows (n,)
    - bank_ids: of the searched rows (m,); the same if each image was searched among the others
    - metric: "cosine" or "euclidean"
    - duplicates: how many searched rows repeat an earlier one
    """

    indices: np.ndarray
    distances: np.ndarray
    ids: np.ndarray
    bank_ids: np.ndarray
    metric: str
    duplicates: int

    @property
    def k(self) -> int:
        """How many neighbours each row has."""
        return self.indices.shape[1]

    @property
    def similarities(self) -> np.ndarray:
        """Cosine similarities (n, k); for the cosine metric only."""
        if self.metric != "cosine":
            raise ValueError(f"Only cosine neighbours have similarities; these are {self.metric}: use `distances`.")
        return 1 - self.distances

    def nearest(self, k: int) -> Neighbors:
        """The same graph with the `k` nearest only; ValueError for more than it holds."""
        if k > self.k:
            raise ValueError(f"This graph holds {self.k} neighbours a row, but {k} are asked for; make it with k={k}.")
        return replace(self, indices=self.indices[:, :k], distances=self.distances[:, :k])


def neighbors(features: Features, k: int, *, metric: Metric = "cosine", among: Features | None = None) -> Neighbors:
    """Which images lie nearest to each image?

    Searches among the other rows of `features`, or among all rows of `among`.  Exact, with equal distances in the order
    of the rows.  Under cosine a row of zeros, which has no direction, counts as 0.5 from every other.

    n x m products in float32, on the GPU if there is one; memory for a block of them, at most half a gigabyte.  Graphs are
    cached in memory by the features' digests and shared, so their arrays are read-only.  ValueError for fewer than `k`
    rows to find, and for features of another width.

    Example:
        >>> import numpy as np, sslviz
        >>> features = sslviz.Features.from_array(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
        >>> sslviz.neighbors(features, k=1).indices.tolist()
        [[1], [0], [1]]

    Caveat: Nearest is not near: every image has k neighbours, however far away they are.
    """
    bank = features if among is None else among
    found = len(bank) - (among is None)
    if not 1 <= k <= found:
        raise ValueError(
            f"{k} neighbours are asked for, but each row can have between 1 and {found}; "
            "use a smaller k or more images."
        )
    if features.x.shape[1] != bank.x.shape[1]:
        raise ValueError(
            f"Neighbours need features of one width, but these have {features.x.shape[1]} dimensions and those "
            f"searched among {bank.x.shape[1]}; embed both with the same checkpoint."
        )
    indices, distances, duplicates = cache.get(
        ("neighbors", features.digest, "" if among is None else among.digest, metric),
        lambda: _graph(features, among, min(found, max(k, MIN_NEIGHBORS)), metric),
        suffices=lambda graph: graph[0].shape[1] >= k,
    )
    return Neighbors(indices, distances, features.ids, bank.ids, metric, duplicates).nearest(k)


def _graph(features: Features, among: Features | None, k: int, metric: Metric) -> tuple[np.ndarray, np.ndarray, int]:
    """Row numbers and distances of the `k` nearest, (n, k) each, and how many searched rows repeat an earlier one."""
    bank = features if among is None else among
    if metric == "cosine":
        unit, rows, where = 1.0, unit_rows(features.x), unit_rows(bank.x)
    else:
        unit = power_of_two(bank.x)  # so that squares neither overflow nor vanish
        rows, where = features.x / unit, bank.x / unit
    indices, squared = search(rows, where, k, exclude_self=among is None)
    # |a - b|^2 = 2 (1 - cos) between unit vectors
    distances = squared / 2 if metric == "cosine" else np.sqrt(squared) * np.float32(unit)
    return indices, distances, len(bank) - len({hash(row.tobytes()) for row in bank.x})


def unit_rows(x: np.ndarray) -> np.ndarray:
    """The rows scaled to length one, (n, d); a row of zeros stays as it is.  Euclidean order is then cosine order."""
    x = x / power_of_two(x)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


def with_spare(features: Features, k: int, *, metric: Metric = "cosine") -> Neighbors:
    """`neighbors`, at least half as many again as `k`, so that k are left where a tenth of all images is left out.

    In fewer than 1 of 1,000 rows a tenth of the images takes so many neighbours that fewer than k are left.
    """
    most = len(features) - 1
    return neighbors(features, k if k >= most else min(most, max(MIN_NEIGHBORS, k + k // 2)), metric=metric)


def noise_like(features: Features, seed: int) -> Features:
    """As many rows of N(0, I) in as many dimensions, drawn with `seed`: features without any structure.

    They fill all dimensions, which no real features do; in many of them all rows are about equally far apart.
    """
    x = np.random.default_rng(seed).standard_normal(features.x.shape, dtype=np.float32)
    return Features.from_array(x, name="noise")


def first_true(mask: np.ndarray, k: int) -> np.ndarray:
    """The mask (n, m) with only the first `k` True of each row left; a row that has fewer keeps them."""
    return mask & (mask.cumsum(axis=1, dtype=np.int32) <= k)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of neighbours that each point keeps: |A_i ∩ B_i| / k of index arrays (n, k); (n,) in [0, 1].

    Two unrelated neighbourhoods still share k / (n - 1) of their members by chance.
    """
    shared = np.zeros(len(a))
    for column in b.T:
        shared += (a == column[:, None]).any(axis=1)
    return shared / b.shape[1]


def neighbor_ranks(x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The rank of each of the `members` (n, k), row numbers, among the neighbours of its row of `x` (n, d).

    By Euclidean distance in float64; ranks (n, k) from 1, the nearest, to n - 1.  Of equal distances all have the lowest
    rank.  Sorts one block of rows at a time, so that memory grows with n and not with its square.
    """
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)  # the formula below loses the digits that a common offset takes
    x /= power_of_two(x)
    half_norms = (x**2).sum(axis=1) / 2
    ranks = np.empty(members.shape, dtype=np.int64)

    def rank(block: tuple[np.ndarray, np.ndarray]) -> None:
        rows, distances = block
        ranks[rows] = _ranks(distances, np.take_along_axis(distances, members[rows], axis=1), rows)

    with ThreadPoolExecutor() as pool:
        for blocks in _distance_blocks(x, half_norms):
            list(pool.map(rank, blocks))  # sorting releases the interpreter's lock
    return ranks


def _distance_blocks(x: np.ndarray, half_norms: np.ndarray) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Half the squared distances from some rows to all, less a constant of each row; in parts, one for each thread."""
    step = max(1, 2**22 // len(x))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        distances = x[rows] @ x.T
        np.subtract(half_norms, distances, out=distances)
        parts = max(1, len(rows) // 16)
        yield list(zip(np.array_split(rows, parts), np.array_split(distances, parts), strict=True))


def _ranks(distances: np.ndarray, limits: np.ndarray, own: np.ndarray) -> np.ndarray:
    """1 + how many of each row of `distances` (r, n) lie below each of its `limits` (r, k), leaving out column `own`.

    Sorted in float32, which takes half the time; where that cannot tell a limit from another value, counted in float64.
    """
    distances[np.arange(len(own)), own] = np.inf
    ordered, coarse = distances.astype(np.float32), limits.astype(np.float32)
    ordered.sort(axis=1)
    ranks = np.empty(limits.shape, dtype=np.int64)
    for i, row in enumerate(ordered):
        below = np.searchsorted(row, coarse[i])
        ranks[i] = below + 1
        for j in np.flatnonzero(row[np.minimum(below + 1, len(row) - 1)] == coarse[i]):
            ranks[i, j] = 1 + np.count_nonzero(distances[i] < limits[i, j])
    return ranks


def power_of_two(x: np.ndarray) -> float:
    """The power of two by which `x` is divided, without rounding, so that its largest entry is about 1; 1 for zeros.

    Entries more than 38 powers of ten below the largest still vanish in float32.
    """
    return float(2.0 ** (np.frexp(max(x.max(), -x.min(), 0.0))[1] - 1))
