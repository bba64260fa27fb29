"""Retrieval of an attribute: how often neighbours share it beyond what their classes explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.neighbors.neighbors import first_true, with_spare
from sslviz.features import Features
from sslviz.features.columns import coded, one_of_each
from sslviz.statistics import POWER_80_PAST_THRESHOLD, Score, delete_groups, jackknife_interval, permutation_p
from sslviz.statistics.shuffling import chunks

SHUFFLED = "attribute shuffled, 95 of 100"
T_95 = 2.26  # standard errors from value to end of the jackknife's interval, by t of ten groups
DRAWS = 1000  # of the attribute shuffled within classes


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Result of `retrieval`.

    - label, attribute: the two columns
    - k: neighbours of each image
    - values: names of the attribute's values, (v,)
    - counts: images of each value, (v,)
    - precision: share of their neighbours with the same value, (v,)
    - expected: that share if only the neighbours' classes mattered, (v,)
    - excess: precision beyond the expected one over all images, in units of what is left to gain
    - replicates: excess without one tenth of the images at a time, (g,)
    - null: excess with the attribute shuffled within classes, (draws,)
    - images: `Features.images`; empty in results of an older sslviz, which cannot be paired
    - seed: of the tenths
    - group_column: the column of whose images one of each value was looked at; empty where all were
    """

    label: str
    attribute: str
    k: int
    values: np.ndarray
    counts: np.ndarray
    precision: np.ndarray
    expected: np.ndarray
    excess: float
    replicates: np.ndarray
    null: np.ndarray
    images: str = ""
    seed: int = 0
    group_column: str = ""

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the score without each tenth of the images, for paired differences."""
        return {"retrieval": self.replicates} if self.images and len(self.replicates) > 1 else {}

    @property
    def p(self) -> float:
        """The share of shufflings that reach this excess."""
        return permutation_p(self.excess, self.null)

    @property
    def found(self) -> bool:
        """Whether neighbours share the attribute more than luck and classes explain, at 5 %."""
        return self.p < 0.05

    @property
    def detectable(self) -> float:
        """The least excess that would be found in 80 of 100 samples such as this."""
        score, null_error = self.scores()["retrieval"], float(self.null.std())
        error = null_error if score.low is None else max(null_error, (self.excess - score.low) / T_95)
        return float(np.quantile(self.null, 0.95)) + POWER_80_PAST_THRESHOLD * error

    def hypothesis(self) -> Hypothesis:
        """That neighbours share the attribute beyond what their classes explain."""
        statement = (
            f"Neighbours share {self.attribute} beyond what their {self.label} explains, by {self.excess:.2f} of what "
            "there was to gain."
        )
        return Hypothesis(statement, "retrieval", self.p, self.detectable, int(self.counts.sum()))

    def scores(self) -> dict[str, Score]:
        """`retrieval`, 0 where the attribute plays no part and 1 where all neighbours share it; neither is good in itself."""
        low, high = jackknife_interval(self.excess, self.replicates)
        high = None if high is None else min(high, 1.0)
        return {"retrieval": Score(self.excess, low, high, {SHUFFLED: float(np.quantile(self.null, 0.95))}, None)}


def retrieval(
    features: Features, label: str = "label", attribute: str = "attribute", *, k: int = 10, seed: int = 0
) -> Retrieval:
    """Do neighbours share an attribute, beyond what their classes explain?

    Of an image's `k` nearest by cosine, it takes the share with its own value of `attribute`, less the share expected.  A
    neighbour is expected to have the value as often as its class has it.  The unit is what is left to gain: 0 is nothing,
    and 1 is all neighbours.  Where classes and attributes go together, an encoder that knows only classes reads 0.

    Of images that share the `group` of the features one is looked at, so that no copy is its neighbour.

    Interval: delete-group jackknife over ten groups of images.  Null: the attribute shuffled within classes, 1,000 times.
    ValueError for missing or incomplete columns, more neighbours than there are, and where each class has one value only.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"shape": ["disc", "cross"] * 30, "color": ["red", "red", "blue", "blue"] * 15}
        >>> x = np.random.default_rng(0).normal(size=(60, 4)) + 9 * (np.array(table["color"]) == "red")[:, None]
        >>> result = sslviz.retrieval(sslviz.Features.from_array(x, table=table), "shape", "color", k=5)
        >>> result.found, result.counts
        (True, array([30, 30]))

    Caveat: Rare values weigh as much as they have images; the precision of each value says who shares least.
    """
    features = features.rows(one_of_each(features, seed=seed))
    codes, (names, values) = coded(features, label)[1], coded(features, attribute)
    graph, groups = with_spare(features, k), delete_groups(len(features), seed=seed)
    whole = _NeighborShares(graph.indices, k, codes, values, np.ones(len(codes), bool))
    subsets = [groups != g for g in range(groups.max() + 1)] if groups.any() else []
    counts = np.bincount(values)
    if (1 - whole.expected(values)).mean() < 1e-9:
        raise ValueError(
            f"Each {label!r} has one {attribute!r} only, so that neighbours who share the one share the other; "
            "bring images in which they do not always go together."
        )
    return Retrieval(
        label=label,
        attribute=attribute,
        k=k,
        values=names,
        counts=counts,
        precision=np.bincount(values, whole.share(values)) / counts,
        expected=np.bincount(values, whole.expected(values)) / counts,
        excess=float(whole.excess(values)),
        replicates=np.array(
            [_NeighborShares(graph.indices, k, codes, values, rows).excess(values) for rows in subsets]
        ),
        null=np.concatenate([whole.excess(drawn) for drawn in _shuffled(codes, values, seed)]),
        images=features.images,
        seed=seed,
        group_column=features.group,
    )


class _NeighborShares:
    """What the `k` nearest among the images to `keep` share, and what they would share if only classes mattered.

    Its numbers are those of values (n,), or of many assignments of them at once, (draws, n).
    """

    def __init__(self, near: np.ndarray, k: int, codes: np.ndarray, values: np.ndarray, keep: np.ndarray) -> None:
        c, v = codes.max() + 1, values.max() + 1
        near, self.rows = near[keep], np.flatnonzero(keep)
        counted = first_true(keep[near], k)
        weight = counted / np.maximum(counted.sum(axis=1), 1)[:, None]
        table = np.bincount(codes[keep] * v + values[keep], minlength=c * v).reshape(c, v).astype(float)
        sizes = table.sum(axis=1)
        frequency = table / np.maximum(sizes, 1)[:, None]  # of each value in each class, (c, v)
        without_itself = (table - 1) / np.maximum(sizes - 1, 1)[:, None]  # in an image's own class, the image left out
        cell = np.arange(len(near))[:, None] * c + codes[near]
        classes = np.bincount(cell.ravel(), weight.ravel(), minlength=len(near) * c).reshape(-1, c)
        own = codes[keep]
        correction = classes[np.arange(len(own)), own][:, None] * (without_itself - frequency)[own]
        self.by_value = classes @ frequency + correction  # (n, v)
        looked_at = weight.any(axis=0)  # the spare neighbours of no row are
        self.near, self.weight = near.T[looked_at].astype(np.intp), weight.T[looked_at].copy()  # (k, n)

    def share(self, values: np.ndarray) -> np.ndarray:
        """The share of its neighbours that has each image's value, (..., n)."""
        own = values.take(self.rows, axis=-1)
        shared = np.zeros(own.shape)
        for near, weight in zip(self.near, self.weight, strict=True):
            shared += (values.take(near, axis=-1) == own) * weight
        return shared

    def expected(self, values: np.ndarray) -> np.ndarray:
        """That share if only the neighbours' classes mattered, (..., n)."""
        n, v = self.by_value.shape
        return self.by_value.ravel().take(values.take(self.rows, axis=-1) + v * np.arange(n))

    def excess(self, values: np.ndarray) -> np.ndarray:
        """What is shared beyond that, in units of what is left to gain, (...); 0 where nothing is."""
        expected = self.expected(values).mean(axis=-1)
        return (self.share(values).mean(axis=-1) - expected) / np.maximum(1 - expected, 1e-9)


def _shuffled(codes: np.ndarray, values: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The values in other orders within each class, (b, n) at a time, DRAWS in all."""
    rng = np.random.default_rng(seed)
    members = [(rows, values[rows]) for rows in (np.flatnonzero(codes == c) for c in range(codes.max() + 1))]
    for b in chunks(DRAWS, 32 * len(values)):  # few enough to stay in the processor's cache
        drawn = np.empty((b, len(values)), values.dtype)
        for one in drawn:
            for rows, own in members:
                one[rows] = rng.permutation(own)
        yield drawn
