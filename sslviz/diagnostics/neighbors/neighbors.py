"""What is near what?  One exact neighbour graph, which probes, maps and quality scores share."""

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

AT_LEAST = 30  # neighbours are found where there are so many, so that whoever asks next does not search again


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Who are the nearest images of each image?

    `indices` int32 (n, k) are row numbers in the searched features, nearest first; `distances` float32 (n, k) are
    1 - cosine, in [0, 2], or Euclidean.  `ids` (n,) name the rows and `bank_ids` (m,) those searched among (the same,
    if each image was searched among the others).  `duplicates` counts searched rows that repeat an earlier one.
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
        """The same graph with the `k` nearest only: what a graph made once with a large k is shared by."""
        if k > self.k:
            raise ValueError(f"This graph holds {self.k} neighbours a row, but {k} are asked for; make it with k={k}.")
        return replace(self, indices=self.indices[:, :k], distances=self.distances[:, :k])


def neighbors(features: Features, k: int, *, metric: Metric = "cosine", among: Features | None = None) -> Neighbors:
    """Which images lie nearest to each image?  Exact, by blocks of one matrix product each, and only once.

    Searches among the other rows of `features`, or among all rows of `among`.  Equal distances come in the order of
    the rows.  Under cosine a row of zeros, which has no direction, counts as 0.5 from every other.  n x m products in
    float32, on the GPU if there is one; memory for a block of them only.  The last graphs made are kept in memory by
    the features' digests, and everyone who asks shares them; their arrays are read-only.  ValueError if there are
    fewer than `k` rows to find.

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
        lambda: _graph(features, among, min(found, max(k, AT_LEAST)), metric),
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
    """Which way does each row point?  Rows scaled to length one, (n, d); a row of zeros stays as it is.

    Caveat: Between rows of length one, Euclidean order is cosine order; what their lengths said is gone.
    """
    x = x / power_of_two(x)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


def with_spare(features: Features, k: int, *, metric: Metric = "cosine") -> Neighbors:
    """Which images lie nearest, also once a tenth of all images is left out?  At least half as many again as `k`.

    Caveat: In fewer than 1 of 1,000 rows a tenth of the images takes so many neighbours that fewer than k are left.
    """
    most = len(features) - 1
    return neighbors(features, k if k >= most else min(most, max(AT_LEAST, k + k // 2)), metric=metric)


def noise_like(features: Features, seed: int) -> Features:
    """What would as many images in as many dimensions look like without any structure?  Rows of N(0, I), by `seed`.

    Caveat: It fills all dimensions, which no real features do: in many of them everything is about equally far away.
    """
    x = np.random.default_rng(seed).standard_normal(features.x.shape, dtype=np.float32)
    return Features.from_array(x, name="noise")


def first(held: np.ndarray, k: int) -> np.ndarray:
    """Which are the first `k` in each row for which something holds?  Of `held` bool (n, m), True for those only.

    Caveat: A row in which it holds for fewer has fewer.
    """
    return held & (held.cumsum(axis=1, dtype=np.int32) <= k)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which share of its neighbours does each point keep?  |A_i ∩ B_i| / k of index arrays (n, k), (n,) in [0, 1].

    Caveat: Two unrelated neighbourhoods still share k / (n - 1) of their members by chance.
    """
    shared = np.zeros(len(a))
    for column in b.T:
        shared += (a == column[:, None]).any(axis=1)
    return shared / b.shape[1]


def neighbor_ranks(x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """As which neighbour of row i, by Euclidean distance, would each of its `members` come?  1 is the nearest.

    `x` (n, d), `members` row numbers (n, k); returns ranks (n, k) in 1..n-1.  Distances in float64; of equal ones all
    have the lowest rank.  Sorts one block of rows at a time, so memory grows with n and not with its square.

    Caveat: In many dimensions distances are nearly equal, so a large step in rank can be a tiny one in distance.
    """
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)  # the formula below loses the digits that a common offset takes
    x /= power_of_two(x)
    half_norms = (x**2).sum(axis=1) / 2
    ranks = np.empty(members.shape, dtype=np.int64)

    def rank(block: tuple[np.ndarray, np.ndarray]) -> None:
        rows, farness = block
        ranks[rows] = _places(farness, np.take_along_axis(farness, members[rows], axis=1), rows)

    with ThreadPoolExecutor() as pool:
        for blocks in _farness(x, half_norms):
            list(pool.map(rank, blocks))  # sorting releases the interpreter's lock
    return ranks


def _farness(x: np.ndarray, half_norms: np.ndarray) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Half the squared distances from some rows to all, less what the whole row shares; in parts, to share out."""
    step = max(1, 2**22 // len(x))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        farness = x[rows] @ x.T
        np.subtract(half_norms, farness, out=farness)
        parts = max(1, len(rows) // 16)
        yield list(zip(np.array_split(rows, parts), np.array_split(farness, parts), strict=True))


def _places(farness: np.ndarray, limits: np.ndarray, own: np.ndarray) -> np.ndarray:
    """1 + how many of each row of `farness` (r, n) lie below each of its `limits` (r, k), leaving out column `own`.

    Sorted in float32, which takes half the time; where that cannot tell a limit from another value, counted in float64.
    """
    farness[np.arange(len(own)), own] = np.inf
    ordered, coarse = farness.astype(np.float32), limits.astype(np.float32)
    ordered.sort(axis=1)
    places = np.empty(limits.shape, dtype=np.int64)
    for i, row in enumerate(ordered):
        below = np.searchsorted(row, coarse[i])
        places[i] = below + 1
        for j in np.flatnonzero(row[np.minimum(below + 1, len(row) - 1)] == coarse[i]):
            places[i, j] = 1 + np.count_nonzero(farness[i] < limits[i, j])
    return places


def power_of_two(x: np.ndarray) -> float:
    """By what can `x` be divided without a rounding error so that its largest entry is about 1?  1 for zeros.

    Caveat: What lies more than 38 powers of ten below the largest entry still vanishes in float32.
    """
    return float(2.0 ** (np.frexp(max(x.max(), -x.min(), 0.0))[1] - 1))
