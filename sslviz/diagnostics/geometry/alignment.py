"""How near do two views of one image lie?  Beside how near views of different images do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval


@dataclass(frozen=True, eq=False)
class Alignment:
    """Squared distances between two views of each image, at length one.

    - ids: the images (n,)
    - distances: between the two views of each image (n,)
    - unrelated: between a view of each image and a view of another (n,)
    - unrelated_mean: the mean over all pairs of different images
    - seed: of the pairs in `unrelated` and of the bootstrap
    """

    ids: np.ndarray
    distances: np.ndarray
    unrelated: np.ndarray
    unrelated_mean: float
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
        interval, controls = percentile_interval(draws), {"unrelated images": self.unrelated_mean}
        return {"alignment": Score(float(self.distances.mean()), *interval, controls, higher_is_better=False)}


def alignment(a: Features, b: Features, *, seed: int = 0) -> Alignment:
    """How near do two views of one image lie?

    `a` and `b` (n, d) are two views of the same images, matched by their ids.  Score: `alignment` (arXiv 2005.10242),
    the mean squared Euclidean distance between the views at length one, in [0, 4]; lower is nearer.  Interval: bootstrap
    over images.  Control: "unrelated images", the exact mean over all pairs of different images; 2 where directions are
    independent.  ValueError for fewer than two images, for other ids or another width.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(100, 8))
        >>> result = sslviz.alignment(sslviz.Features.from_array(x), sslviz.Features.from_array(x + 0.1))
        >>> result.scores()["alignment"].value < 0.1 < result.unrelated_mean
        True

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
    x, y = (unit_rows(f.x.astype(np.float64)) for f in (a, b.select(list(a.ids))))
    distances = ((x - y) ** 2).sum(axis=1)
    n = len(x)
    # The sum over all pairs needs no pair: |x|^2 + |y|^2 - 2 x.y adds up to the sums of lengths and of vectors.
    total = n * ((x**2).sum() + (y**2).sum()) - 2 * x.sum(axis=0) @ y.sum(axis=0)
    unrelated_mean = max(0.0, (total - distances.sum()) / (n * (n - 1)))
    order = np.random.default_rng(seed).permutation(n)
    unrelated = np.empty(n)
    unrelated[order] = ((x[order] - y[np.roll(order, 1)]) ** 2).sum(axis=1)  # each is paired with another's once
    return Alignment(a.ids, distances, unrelated, float(unrelated_mean), seed)
