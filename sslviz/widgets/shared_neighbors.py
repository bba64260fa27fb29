"""How many neighbours some pictures share: with each other, and between checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors, overlap
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval

CHANCE = "chance"


@dataclass(frozen=True, eq=False)
class SharedNeighbors:
    """The neighbours of the same pictures in several checkpoints.

    - near: {name: the k nearest of each picture, by cosine over all dimensions}
    - ids: the pictures (n,)
    - k: how many neighbours
    """

    near: dict[str, Neighbors]
    ids: np.ndarray
    k: int

    @classmethod
    def of(cls, features: Mapping[str, Features], k: int = 10) -> SharedNeighbors:
        """Of features {name: (n, d)} of the same pictures in the same order; fewer than k where there are not so many."""
        ids = next(iter(features.values())).ids
        k = min(k, len(ids) - 1)
        return cls({name: neighbors(x, k) for name, x in features.items()}, ids, k)

    def together(self, name: str, rows: np.ndarray) -> Score:
        """How many of the k nearest of each of these pictures are among these pictures too; 0 to k.

        Chance: of m pictures placed at random among n, k (m - 1) / (n - 1).
        """
        members = np.zeros(len(self.ids), bool)
        members[rows] = True
        inside = members[self.near[name].indices[rows]].sum(axis=1)
        return _count(inside, self.k * (members.sum() - 1) / (len(self.ids) - 1))

    def between(self, name: str, other: str, rows: np.ndarray) -> Score:
        """How many of its k nearest each of these pictures has in both checkpoints; 0 to k.

        Chance: two unrelated spaces share k^2 / (n - 1).
        """
        kept = overlap(self.near[name].indices[rows], self.near[other].indices[rows])
        return _count(self.k * kept, self.k**2 / (len(self.ids) - 1))

    def in_all(self, row: int) -> np.ndarray:
        """The rows that are neighbours of this picture in every checkpoint."""
        found = [set(near.indices[row].tolist()) for near in self.near.values()]
        return np.array(sorted(set.intersection(*found)), dtype=int)


def _count(each: np.ndarray, chance: float) -> Score:
    """The mean over pictures with its bootstrap interval, which a single picture does not have."""
    if len(each) < 2:
        return Score(float(each.mean()), controls={CHANCE: float(chance)})
    draws = bootstrap_balanced_mean(each, np.zeros(len(each)))
    return Score(float(each.mean()), *percentile_interval(draws), controls={CHANCE: float(chance)})
