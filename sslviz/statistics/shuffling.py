"""Permutation tests of sums over classes: random partitions of the images, and how often they reach what was observed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

CHUNK = 2**22  # numbers held at a time


class Null:
    """How often shufflings reach what was `observed` (c, v), counted a chunk of shufflings (b, c, v) at a time."""

    def __init__(self, observed: np.ndarray) -> None:
        self.observed, self.reached, self.largest = observed, np.zeros(observed.shape), np.zeros(0)

    def add(self, drawn: np.ndarray) -> None:
        """Counts the values (b, c, v) of some more shufflings."""
        self.reached += (drawn >= self.observed * (1 - 1e-6)).sum(axis=0)
        self.largest = np.concatenate([self.largest, drawn.max(axis=(1, 2))])

    @property
    def reach(self) -> float:
        """The value that the largest of all stays below in 95 of 100 shufflings."""
        return float(np.quantile(self.largest, 0.95))

    def p(self, exact: bool = False) -> np.ndarray:
        """The p-value of each alone; unless all shufflings were tried, the observed counts among them, so p is never 0."""
        return (self.reached + (not exact)) / (len(self.largest) + (not exact))

    def p_corrected(self, exact: bool = False) -> np.ndarray:
        """The p-values corrected for all: how often the largest of a shuffling reaches each (Westfall and Young)."""
        reached = (self.largest >= self.observed[..., None] * (1 - 1e-6)).sum(axis=-1)
        return (reached + (not exact)) / (len(self.largest) + (not exact))

    def floor(self, exact: bool = False) -> float:
        """The least p there can be: 1 in so many shufflings; in an exact test, the share of partitions with the largest."""
        if not exact:
            return 1 / (len(self.largest) + 1)
        return float((self.largest >= self.largest.max() * (1 - 1e-6)).mean())


def all_sums(leaning: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """The sums of two classes of `counts` (2,) in every partition of `leaning` (n, v): (b, 2, v), all at once."""
    first = leaning[np.array(list(combinations(range(len(leaning)), int(counts[0]))))].sum(axis=1)
    yield np.stack([first, leaning.sum(axis=0) - first], axis=1)


def drawn_sums(leaning: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The sums of classes of `counts` (c,) in random partitions of `leaning` (n, v): (b, c, v), a chunk at a time."""
    rng = np.random.default_rng(seed)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    for b in chunks(draws, leaning.size):
        yield np.add.reduceat(permuted(leaning, b, rng), starts, axis=1)


def chunks(draws: int, size: int) -> Iterator[int]:
    """Parts that sum to `draws`, each of as many draws of `size` numbers as are held at a time."""
    step = max(1, CHUNK // size)
    yield from (min(step, draws - start) for start in range(0, draws, step))


def permuted(rows: np.ndarray, b: int, rng: np.random.Generator) -> np.ndarray:
    """The rows (n, v) in b random orders, (b, n, v)."""
    return rows[rng.permuted(np.tile(np.arange(len(rows), dtype=np.int32), (b, 1)), axis=1)]
