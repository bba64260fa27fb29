"""What would luck give?  Sums over classes whose images were dealt out anew, and how often they reach what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

CHUNK = 2**22  # numbers in work at a time


class Null:
    """How often do shufflings reach what was `seen` (c, v)?  Counted as they come, a chunk (b, c, v) at a time."""

    def __init__(self, seen: np.ndarray) -> None:
        self.seen, self.reached, self.largest = seen, np.zeros(seen.shape), np.zeros(0)

    def add(self, drawn: np.ndarray) -> None:
        """Takes what some more shufflings gave, (b, c, v)."""
        self.reached += (drawn >= self.seen * (1 - 1e-6)).sum(axis=0)
        self.largest = np.concatenate([self.largest, drawn.max(axis=(1, 2))])

    @property
    def reach(self) -> float:
        """What the largest of all stays below in 95 of 100 shufflings."""
        return float(np.quantile(self.largest, 0.95))

    def p(self, exact: bool = False) -> np.ndarray:
        """Of each alone.  Unless all shufflings were tried, what was seen counts among them, so that p is never 0."""
        return (self.reached + (not exact)) / (len(self.largest) + (not exact))

    def p_corrected(self, exact: bool = False) -> np.ndarray:
        """Of all together: how often the largest of a shuffling reaches each (Westfall and Young)."""
        reached = (self.largest >= self.seen[..., None] * (1 - 1e-6)).sum(axis=-1)
        return (reached + (not exact)) / (len(self.largest) + (not exact))

    def floor(self, exact: bool = False) -> float:
        """The least p there can be: 1 in so many; in an exact test the largest partition, and its mirror image."""
        if not exact:
            return 1 / (len(self.largest) + 1)
        return float((self.largest >= self.largest.max() * (1 - 1e-6)).mean())


def all_sums(leaning: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """What does each of two classes sum up to in every partition of `leaning` (n, v)?  (b, 2, v), all at once."""
    first = leaning[np.array(list(combinations(range(len(leaning)), int(counts[0]))))].sum(axis=1)
    yield np.stack([first, leaning.sum(axis=0) - first], axis=1)


def drawn_sums(leaning: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """What does each class of `counts` (c,) sum up to in random partitions?  (b, c, v), a chunk at a time."""
    rng = np.random.default_rng(seed)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    for b in chunks(draws, leaning.size):
        yield np.add.reduceat(permuted(leaning, b, rng), starts, axis=1)


def chunks(draws: int, size: int) -> Iterator[int]:
    """How many draws of `size` numbers each can be in work at a time?  Parts that sum to `draws`."""
    step = max(1, CHUNK // size)
    yield from (min(step, draws - start) for start in range(0, draws, step))


def permuted(rows: np.ndarray, b: int, rng: np.random.Generator) -> np.ndarray:
    """The rows (n, v) in b random orders, (b, n, v)."""
    return rows[rng.permuted(np.tile(np.arange(len(rows), dtype=np.int32), (b, 1)), axis=1)]
