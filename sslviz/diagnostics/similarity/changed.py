"""Which images changed their neighbourhood between two spaces?  Image by image, by cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslviz.diagnostics.neighbors.neighbors import neighbors, overlap, unit_rows
from sslviz.features import Features
from sslviz.features.columns import in_order
from sslviz.statistics import MIN_JACKKNIFE_IMAGES, Score, delete_groups, jackknife_interval

UNRELATED = "unrelated images"


@dataclass(frozen=True, eq=False)
class Changed:
    """How the neighbourhood of each image changed between two spaces, a and b.

    - ids: the images (n,)
    - k: neighbours of each
    - near_a, near_b: row numbers into `ids`, int32 (n, k), nearest first
    - change: share of neighbours that are not the same, (n,) in [0, 1]
    - distance: how much farther the other space's neighbours lie than the own, (n,): mean cosine distances, added over
      both spaces
    - labels: classes (n,), "" where there is none; None without a `label` column
    - duplicates: how many rows repeat an earlier one, in a and in b
    - replicates: {score: (10,)}, the score without one tenth of the images at a time
    - seed: of these tenths
    """

    ids: np.ndarray
    k: int
    near_a: np.ndarray
    near_b: np.ndarray
    change: np.ndarray
    distance: np.ndarray
    labels: np.ndarray | None
    duplicates: list[int]
    replicates: dict[str, np.ndarray]
    seed: int

    @property
    def ranking(self) -> np.ndarray:
        """Row numbers from the most changed image to the least; of equals, the one whose neighbours went farther."""
        return np.lexsort((-self.distance, -self.change))

    @property
    def chance(self) -> float:
        """The mean change between unrelated spaces: 1 - k / (n - 1)."""
        return 1 - self.k / (len(self.ids) - 1)

    @property
    def unrelated(self) -> np.ndarray:
        """The shares of images that change by 0/k, 1/k, ... k/k between unrelated spaces, (k + 1,)."""
        from scipy.stats import hypergeom

        return hypergeom(len(self.ids) - 1, self.k, self.k).pmf(np.arange(self.k, -1, -1))

    @property
    def by_class(self) -> dict[str, float]:
        """The mean change of each class's images; empty without a `label` column."""
        if self.labels is None:
            return {}
        names, codes = np.unique(self.labels, return_inverse=True)
        means = dict(zip(names.tolist(), np.bincount(codes, self.change) / np.bincount(codes), strict=True))
        means.pop("", None)
        return {name: float(means[name]) for name in in_order(means)}

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean is the score, for each image: {score: (n,)}."""
        return {"neighbours_changed": self.change}

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`neighbours_changed`, in [0, 1], beside what unrelated spaces read: a ceiling."""
        name, value = "neighbours_changed", float(self.change.mean())
        low, high = clipped(0, 1, *jackknife_interval(value, self.replicates[name]))
        return {name: Score(value, low, high, {UNRELATED: self.chance}, None, control_is="ceiling")}


def changed(a: Features, b: Features, *, k: int = 10, seed: int = 0) -> Changed:
    """Which images changed their neighbourhood most between two spaces?

    `a` and `b` are features of the same images, in any order; rows come in the order of `a`.  An image's change is
    1 - |its k nearest in a and in b| / k, by cosine, in [0, 1].  It is averaged by class too where the table of `a` has
    a `label`.

    Score: `neighbours_changed`, the mean.  Control: unrelated spaces, 1 - k / (n - 1), a ceiling.  Interval: delete-group
    jackknife over ten random groups of images (by `seed`), which finds new neighbours among those that stay.  A bootstrap
    over images would be too narrow, since images share neighbours.  ValueError where the ids differ, for fewer than 20
    images, constant features, and `k` beyond half of the images.

    Example:
        >>> import numpy as np, sslviz
        >>> before = np.random.default_rng(0).normal(size=(60, 8))
        >>> after = before.copy()
        >>> after[7] *= -1  # one image goes to the other side
        >>> result = sslviz.changed(sslviz.Features.from_array(before), sslviz.Features.from_array(after))
        >>> int(result.ranking[0]), float(result.change[7])
        (7, 1.0)

    Caveat: In a crowd of near-equals the nearest change at a touch; look at both neighbourhoods before reading
    meaning into a change.
    """
    a, b = paired(a, b, k)
    near_a, near_b, shared, replicates, duplicates = neighborhoods(a, b, k, seed)
    return Changed(
        ids=a.ids,
        k=k,
        near_a=near_a,
        near_b=near_b,
        change=1 - shared,
        distance=_gap(a.x, near_a, near_b) + _gap(b.x, near_b, near_a),
        labels=_labels(a.table),
        duplicates=duplicates,
        replicates={"neighbours_changed": 1 - replicates},
        seed=seed,
    )


def paired(a: Features, b: Features, k: int) -> tuple[Features, Features]:
    """Both features with their rows in the order of `a`; ValueError where they cannot be compared."""
    if len(a) != len(b) or set(a.ids) != set(b.ids):
        both = len(np.intersect1d(a.ids, b.ids))
        raise ValueError(
            f"Two spaces are compared on the same images, but of {len(a)} and {len(b)} only {both} are in both; "
            "select the same ids from each, or embed the same images."
        )
    if len(a) < MIN_JACKKNIFE_IMAGES:
        raise ValueError(
            f"Comparing two spaces takes at least {MIN_JACKKNIFE_IMAGES} images; got {len(a)}. Embed more images."
        )
    if not 1 <= k <= (len(a) - 1) // 2:
        raise ValueError(
            f"k = {k} neighbours of {len(a)} images cannot be compared: k must be between 1 and half of the others, "
            f"{(len(a) - 1) // 2}."
        )
    for which, features in (("first", a), ("second", b)):
        spread = np.abs(features.x - features.x[0]).max()
        if spread <= 4 * np.finfo(np.float32).eps * np.abs(features.x).max():
            raise ValueError(
                f"The {which} features are the same for all {len(a)} images, so there is no geometry to compare; "
                "has this encoder collapsed?"
            )
    return a, b if np.array_equal(a.ids, b.ids) else b.select(list(a.ids))


def neighborhoods(
    a: Features, b: Features, k: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """The neighbours in a and in b, (n, k) each, the share in both (n,), its mean without each group of images, duplicates.

    Rows of `a` and `b` must be of the same images.  The graphs hold more neighbours than k, so that those who are left
    out can be replaced by the next.
    """
    more = min(len(a) - 1, 2 * k + 10)  # that 11 of 30 lie in one tenth of the images happens once in 10,000 rows
    graph_a, graph_b = neighbors(a, more), neighbors(b, more)
    near_a, near_b = graph_a.indices[:, :k], graph_b.indices[:, :k]
    means = _means_without(graph_a.indices, graph_b.indices, k, delete_groups(len(a), seed=seed))
    return near_a, near_b, overlap(near_a, near_b), means, [graph_a.duplicates, graph_b.duplicates]


def _means_without(near_a: np.ndarray, near_b: np.ndarray, k: int, groups: np.ndarray) -> np.ndarray:
    """The mean share of common neighbours of the images outside each group, by neighbours outside it too; (g,)."""
    row, rank_a, rank_b = np.nonzero(near_a[:, :, None] == near_b[:, None, :])  # common neighbours
    group = groups[near_a[row, rank_a]]
    means = []
    for g in range(groups.max() + 1):
        kept = (groups[row] != g) & (group != g)
        for near, rank in ((near_a, rank_a), (near_b, rank_b)):
            left_out = np.cumsum(groups[near] == g, axis=1)  # nearer ones
            kept &= rank - left_out[row, rank] < k
        means.append(kept.sum() / (k * (groups != g).sum()))
    return np.array(means)


def _gap(x: np.ndarray, nearest: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much farther `others` (n, k) are than the `nearest` (n, k), by mean cosine distance; (n,), at least 0."""
    unit = unit_rows(x)
    near, far = (np.einsum("nd,nd->n", unit, sum(unit[column] for column in rows.T)) for rows in (nearest, others))
    return np.maximum(near - far, 0) / nearest.shape[1]


def _labels(table: pd.DataFrame) -> np.ndarray | None:
    if "label" not in table:
        return None
    return np.array(["" if pd.isna(value) else str(value) for value in table["label"]])


def clipped(
    smallest: float, largest: float, low: float | None, high: float | None
) -> tuple[float, float] | tuple[None, None]:
    """An interval clipped to the range that its score can have."""
    if low is None or high is None:
        return None, None
    return max(smallest, low), min(largest, high)
