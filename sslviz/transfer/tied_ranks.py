"""Average precision of a ranking in which some gallery images are equally near: its mean over all orders of the tied ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TieGroups:
    """The groups of equally near images that hold at least one relevant image, nearest first.

    - before: images nearer than the group, (g,)
    - size: images in it, (g,)
    - relevant: relevant images in it, (g,)
    """

    before: np.ndarray
    size: np.ndarray
    relevant: np.ndarray

    @property
    def relevant_before(self) -> np.ndarray:
        """Relevant images nearer than each group, (g,)."""
        return np.cumsum(self.relevant) - self.relevant


def tie_groups(ascending: np.ndarray, relevant: np.ndarray) -> TieGroups:
    """The groups of one query.

    - ascending: similarity of all gallery images, sorted, (n,)
    - relevant: that of the relevant ones, sorted, (r,)
    """
    left = np.searchsorted(ascending, relevant)
    if (ascending[np.minimum(left + 1, len(ascending) - 1)] > relevant)[left < len(ascending) - 1].all():  # no ties
        one = np.ones(len(left), int)
        return TieGroups((len(ascending) - 1 - left)[::-1], one, one)
    right = np.searchsorted(ascending, relevant, "right")
    first = np.r_[True, left[1:] != left[:-1]]
    counts = np.diff(np.r_[np.flatnonzero(first), len(relevant)])
    left, right = left[first], right[first]
    return TieGroups((len(ascending) - right)[::-1], (right - left)[::-1], counts[::-1])


def precision_sum(groups: TieGroups, harmonic: np.ndarray, most: float) -> float:
    """The expected sum of the precision at each relevant image among the `most` nearest.

    The j-th place of a group of t images, h of them relevant, holds a relevant one with probability h / t.  Then
    (j - 1)(h - 1)/(t - 1) of those before it in the group are relevant too, on average (McSherry and Najork 2008).  The
    sum over j is a difference of harmonic numbers: `harmonic[i]` is 1 + 1/2 + ... + 1/i.
    """
    t, h, n = groups.size, groups.relevant, groups.before
    places = np.clip(most - n, 0, t).astype(int)
    share = (h - 1) / np.maximum(t - 1, 1)
    constant = groups.relevant_before + 1 - share * (n + 1)
    return float((h / t * (constant * (harmonic[n + places] - harmonic[n]) + share * places)).sum())


def hit_chance(groups: TieGroups, k: int) -> float:
    """The probability that one of the `k` nearest is relevant; 0 or 1 without ties."""
    before, size, relevant = int(groups.before[0]), int(groups.size[0]), int(groups.relevant[0])
    if before >= k or size == relevant:  # no other image ties: nothing is left to luck
        return float(before < k)
    return 1 - float(miss_chance(np.array(size), np.array(relevant), k - before))


def miss_chance(n: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """The probability that `k` of `n` images drawn at random hold none of the relevant: C(n - r, k) / C(n, k)."""
    from scipy.special import gammaln

    rest = n - relevant
    k = np.minimum(k, n)
    possible = rest >= k
    spare = np.where(possible, rest - k, 0)
    log = gammaln(rest + 1) - gammaln(spare + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return np.where(possible, np.exp(log), 0.0)


def harmonic_numbers(n: int) -> np.ndarray:
    """1 + 1/2 + ... + 1/i for i = 0, ..., n: (n + 1,)."""
    return np.r_[0.0, np.cumsum(1 / np.arange(1, n + 1))]


def score_names(at: Sequence[int]) -> list[str]:
    """The scores, in their order."""
    return ["map", "map@R", *(f"hit@{k}" for k in at)]


def random_order(total: np.ndarray, relevant: np.ndarray, at: Sequence[int]) -> dict[str, np.ndarray]:
    """{score: (n,)} of queries with `relevant` (n,) of `total` (n,) gallery images, in random order."""
    n, r = total.astype(float), relevant.astype(float)
    harmonic = harmonic_numbers(int(total.max()))
    share = (r - 1) / np.maximum(n - 1, 1)
    # E of the precision at place j is (1 + (j - 1) share) / j, and a relevant image stands there with probability r / n.
    full = ((1 - share) * harmonic[total] + share * n) / n
    within = ((1 - share) * harmonic[relevant] + share * r) / n
    hits = [1 - miss_chance(n, r, k) for k in at]
    return dict(zip(score_names(at), [full, within, *hits], strict=True))
