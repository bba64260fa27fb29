"""What is near what?  One exact neighbour graph, which probes, maps and quality scores share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sslviz.features import Features

Metric = Literal["cosine", "euclidean"]


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
    """Which images lie nearest to each image?  Exact, by blocks of one matrix product each.

    Searches among the other rows of `features`, or among all rows of `among`.  Equal distances come in the order of
    the rows.  Under cosine a row of zeros, which has no direction, counts as 0.5 from every other.  n x m products in
    float32, on the GPU if there is one; memory for a block of them only.  ValueError if there are fewer than `k` rows
    to find.

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
    rows, where = (directions(f.x) if metric == "cosine" else f.x for f in (features, bank))
    indices, squared = _search(rows, where, k, exclude_self=among is None)
    distances = squared / 2 if metric == "cosine" else np.sqrt(squared)  # |a - b|^2 = 2 (1 - cos) between unit vectors
    duplicates = len(bank) - len({hash(row.tobytes()) for row in bank.x})
    return Neighbors(indices, distances, features.ids, bank.ids, metric, duplicates)


def directions(x: np.ndarray) -> np.ndarray:
    """Which way does each row point?  Rows scaled to length one, (n, d); a row of zeros stays as it is.

    Caveat: Between rows of length one, Euclidean order is cosine order; what their lengths said is gone.
    """
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


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
    half_norms = (x**2).sum(axis=1) / 2
    ranks = np.empty(members.shape, dtype=np.int64)
    step = max(1, 2**22 // len(x))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        farness = half_norms - x[rows] @ x.T  # half the squared distance, less what the whole row shares
        limits = np.take_along_axis(farness, members[rows], axis=1)
        farness[np.arange(len(rows)), rows] = np.inf
        farness.sort(axis=1)
        for row, ordered, limit in zip(rows, farness, limits, strict=True):
            ranks[row] = np.searchsorted(ordered, limit) + 1
    return ranks


def _search(queries: np.ndarray, bank: np.ndarray, k: int, *, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and squared Euclidean distances of the k nearest, (n, k) each.

    Everything is centred first: between rows that share nearly all of their length (a collapsed encoder), differences
    of 1e-7 in the cosine are all there is, and float32 keeps them only once the common part is gone.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    center = bank.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = torch.from_numpy(bank - center).to(device)
    asked = points if exclude_self else torch.from_numpy(queries - center).to(device)
    half_norms = points.square().sum(1) / 2  # (m,)
    step = max(1, 2**23 // len(points)) if device == "cpu" else max(1, 2**28 // len(points))
    found, squared = [], []
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        nearness = torch.addmm(half_norms, block, points.T, beta=-1)  # a.b - |b|^2 / 2 orders as -|a - b|^2 does
        if exclude_self:
            nearness.diagonal(start).fill_(-torch.inf)
        value, index = nearness.topk(k)
        index, order = index.sort(dim=1)
        value, stable = value.gather(1, order).sort(dim=1, descending=True, stable=True)
        lengths = block.square().sum(1, keepdim=True)
        distance = lengths - 2 * value
        # A difference below what float32 resolves is none: a repeated row is at distance 0.
        squared.append(distance.where(distance > 4e-7 * lengths, 0.0).cpu().numpy())
        found.append(index.gather(1, stable).to(torch.int32).cpu().numpy())
    return np.concatenate(found), np.concatenate(squared)
