"""How near do two views of one image lie?  Beside how near views of different images do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import directions
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval


@dataclass(frozen=True, eq=False)
class Alignment:
    """How near do two views of one image lie?

    `distances` (n,) are squared distances, at length one, between the two views of each of the images `ids`;
    `unrelated` (n,) the same between a view of each and one of another image; `control` their mean over all pairs.
    """

    ids: np.ndarray
    distances: np.ndarray
    unrelated: np.ndarray
    control: float
    seed: int

    def per_image(self) -> dict[str, np.ndarray]:
        """The score of each image, so that it can be paired: {"alignment": (n,)}."""
        return {"alignment": self.distances}

    def scores(self) -> dict[str, Score]:
        """`alignment`, the mean over images with its bootstrap interval, beside unrelated images."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        draws = bootstrap_balanced_mean(self.distances, np.zeros(len(self.distances)), seed=self.seed)
        interval, controls = percentile_interval(draws), {"unrelated images": self.control}
        return {"alignment": Score(float(self.distances.mean()), *interval, controls, higher_is_better=False)}


def alignment(a: Features, b: Features, *, seed: int = 0) -> Alignment:
    """How near do two views of one image lie?

    `a` and `b` (n, d) are two views of the same images, matched by their ids.  Score: `alignment` (arXiv 2005.10242),
    the mean squared Euclidean distance between the views at length one, in [0, 4], lower is nearer; interval by
    bootstrap over images.  Control: "unrelated images", the exact mean over all pairs of different images; 2 where
    directions are independent.  ValueError for fewer than two images, for other ids or another width.

    Caveat: A collapsed encoder aligns perfectly, so look at the distance to the control, and at the verdict on collapse.
    """
    if len(a) < 2 or set(a.ids) != set(b.ids):
        raise ValueError(
            f"Alignment needs two views of the same images, at least two of them; got {len(a)} and {len(b)} rows, of "
            f"which {len(set(a.ids) & set(b.ids))} share an id. Embed both views of every image under its id."
        )
    if a.x.shape[1] != b.x.shape[1]:
        raise ValueError(
            f"Alignment needs both views in one space, but they have {a.x.shape[1]} and {b.x.shape[1]} dimensions; "
            "embed both with the same checkpoint."
        )
    x, y = (directions(f.x.astype(np.float64)) for f in (a, b.select(list(a.ids))))
    distances = ((x - y) ** 2).sum(axis=1)
    n = len(x)
    # The sum over all pairs needs no pair: |x|^2 + |y|^2 - 2 x.y adds up to the sums of lengths and of vectors.
    of_all = n * ((x**2).sum() + (y**2).sum()) - 2 * x.sum(axis=0) @ y.sum(axis=0)
    control = max(0.0, (of_all - distances.sum()) / (n * (n - 1)))
    order = np.random.default_rng(seed).permutation(n)
    unrelated = np.empty(n)
    unrelated[order] = ((x[order] - y[np.roll(order, 1)]) ** 2).sum(axis=1)  # everyone gets another's, once
    return Alignment(a.ids, distances, unrelated, float(control), seed)
