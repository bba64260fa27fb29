"""Do neighbours share an attribute, beyond what their classes explain?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import first_true, with_spare
from sslviz.features import Features
from sslviz.features.columns import coded
from sslviz.statistics import Score, delete_groups, jackknife_interval, permutation_p

SHUFFLED = "attribute shuffled, 95 of 100"
DRAWS = 1000
POWER = 0.84  # standard errors beyond the threshold: what is found in 80 of 100 samples


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Do neighbours share an attribute, beyond what their classes explain?

    `values` (v,) of `attribute`, and for the `counts` (v,) images of each: `precision`, the share of their `k` neighbours
    with the same value, and `expected`, that share if only the neighbours' classes of `label` mattered.  `excess` is
    over all images, in units of what is left to gain.  `replicates` (g,) are without one tenth of the images at a time,
    `null` (b,) with the attribute shuffled within classes.
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

    @property
    def p(self) -> float:
        """How often does chance reach this excess?"""
        return permutation_p(self.excess, self.null)

    @property
    def found(self) -> bool:
        """Whether neighbours share the attribute more than luck and classes explain, at 5 %."""
        return self.p < 0.05

    @property
    def detectable(self) -> float:
        """The least excess that would be found in 80 of 100 samples such as this."""
        score, of_luck = self.scores()["retrieval"], float(self.null.std())
        error = of_luck if score.low is None else max(of_luck, (self.excess - score.low) / 2.26)  # t of ten groups
        return float(np.quantile(self.null, 0.95)) + POWER * error

    def scores(self) -> dict[str, Score]:
        """`retrieval`, 0 where the attribute plays no part and 1 where all neighbours share it; neither is good in itself."""
        low, high = jackknife_interval(self.excess, self.replicates)
        high = None if high is None else min(high, 1.0)
        return {"retrieval": Score(self.excess, low, high, {SHUFFLED: float(np.quantile(self.null, 0.95))}, None)}


def retrieval(
    features: Features, label: str = "label", attribute: str = "attribute", *, k: int = 10, seed: int = 0
) -> Retrieval:
    """Do neighbours share an attribute, beyond what their classes explain?

    Of an image's `k` nearest by cosine, the share with its own value of `attribute`, less the share expected: a neighbour
    of class c has the value as often as class c has it.  In units of what is left to gain, so that 0 is nothing and 1
    is all neighbours; where classes and attributes go together, an encoder that knows only classes reads 0.  Interval:
    delete-group jackknife over ten groups of images.  Null: the attribute shuffled within classes, 1,000 times.
    ValueError for missing or incomplete columns, more neighbours than there are, and where each class has one value only.

    Caveat: Rare values weigh as much as they have images; the precision of each value says who shares least.
    """
    codes, (names, values) = coded(features, label)[1], coded(features, attribute)
    graph, groups = with_spare(features, k), delete_groups(len(features), seed=seed)
    whole = _Measured(graph.indices, k, codes, values, np.ones(len(codes), bool))
    kept = [groups != g for g in range(groups.max() + 1)] if groups.any() else []
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
        excess=whole.excess(values),
        replicates=np.array([_Measured(graph.indices, k, codes, values, rows).excess(values) for rows in kept]),
        null=np.array([whole.excess(drawn) for drawn in _shuffled(codes, values, seed)]),
    )


class _Measured:
    """The `k` nearest among the images to `keep`, and what they would share if only classes mattered."""

    def __init__(self, near: np.ndarray, k: int, codes: np.ndarray, values: np.ndarray, keep: np.ndarray) -> None:
        c, v = codes.max() + 1, values.max() + 1
        self.near, self.keep = near[keep], keep
        held = first_true(keep[self.near], k)
        self.weight = held / np.maximum(held.sum(axis=1), 1)[:, None]
        table = np.bincount(codes[keep] * v + values[keep], minlength=c * v).reshape(c, v).astype(float)
        sizes = table.sum(axis=1)
        often = table / np.maximum(sizes, 1)[:, None]  # (c, v): how often a class has a value
        own = (table - 1) / np.maximum(sizes - 1, 1)[:, None]  # and an image's own class, without the image itself
        at = np.arange(len(self.near))[:, None] * c + codes[self.near]
        classes = np.bincount(at.ravel(), self.weight.ravel(), minlength=len(self.near) * c).reshape(-1, c)
        mine = codes[keep]
        self.by_value = classes @ often + classes[np.arange(len(mine)), mine][:, None] * (own - often)[mine]  # (n, v)

    def share(self, values: np.ndarray) -> np.ndarray:
        """The share of its neighbours that has each image's value, (n,)."""
        return ((values[self.near] == values[self.keep][:, None]) * self.weight).sum(axis=1)

    def expected(self, values: np.ndarray) -> np.ndarray:
        """That share if only the neighbours' classes mattered, (n,)."""
        return self.by_value[np.arange(len(self.near)), values[self.keep]]

    def excess(self, values: np.ndarray) -> float:
        """What is shared beyond that, in units of what is left to gain; 0 where nothing is."""
        expected = self.expected(values).mean()
        return float((self.share(values).mean() - expected) / max(1 - expected, 1e-9))


def _shuffled(codes: np.ndarray, values: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The values in another order within each class, DRAWS times."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(codes == c) for c in range(codes.max() + 1)]
    for _ in range(DRAWS):
        drawn = values.copy()
        for rows in members:
            drawn[rows] = rng.permutation(values[rows])
        yield drawn
