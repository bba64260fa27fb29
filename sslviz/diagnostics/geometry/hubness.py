"""Do a few images crowd into everyone's neighbourhood?  How often each is a neighbour, beside noise and chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Metric, Neighbors, first_true, neighbors, noise_like, with_spare
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval


def robin_hood(counts: np.ndarray) -> float:
    """The Robin Hood index of `counts` (n,), of how many others each image is a neighbour; in [0, 1).

    The share of neighbour places that would have to be moved for every image to have the same number (Feldbauer &
    Flexer 2019).  Above 0 even for neighbours drawn by lot.
    """
    return float(np.abs(counts - counts.mean()).sum() / (2 * counts.sum()))


def skewness(counts: np.ndarray) -> float:
    """The third standardised moment of `counts` (n,); 0 where all are the same (Radovanovic et al. 2010).

    Above 2 there are strong hubs.  It grows with n and depends on the few largest hubs.
    """
    from scipy.stats import skew

    return float(skew(counts)) if np.ptp(counts) > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Hubness:
    """How often each of `n` images in `d` dimensions is a neighbour of others.

    - k, metric: of the neighbourhoods
    - counts: among the k nearest of how many others each image is, int (n,) in the order of `ids`; their mean is k
    - noise_counts: the same of Gaussian noise of the same n and d, (n,)
    - ids: the images (n,)
    - duplicates: how many images repeat an earlier one
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time; results of the same images leave
      out the same ones, so that they can be paired
    """

    n: int
    d: int
    k: int
    metric: str
    counts: np.ndarray
    noise_counts: np.ndarray
    ids: np.ndarray
    duplicates: int
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`robin_hood`, `skewness`, `antihubs`, beside noise of the same n and d and beside neighbours drawn by lot."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        noise, lot = _numbers(self.noise_counts), _drawn_by_lot(self.n, self.k)
        scores = {}
        for name, value in _numbers(self.counts).items():
            low, high = jackknife_interval(value, self.replicates.get(name, np.empty(0)))
            if low is not None and high is not None and name != "skewness":  # the others are shares
                low, high = max(low, 0.0), min(high, 1.0)
                if name == "antihubs" and value == 0:  # where none is seen, 3 / n of all may be (rule of three)
                    high = max(high, 3 / self.n)
            controls = {"noise": noise[name], "random graph": lot[name]}
            scores[name] = Score(value, low, high, controls, higher_is_better=False)
        return scores

    @property
    def hubs(self) -> np.ndarray:
        """The ids (n,) of all images, the neighbour of most others first."""
        return self.ids[np.argsort(-self.counts, kind="stable")]


def hubness(features: Features, *, k: int = 10, metric: Metric = "cosine", seed: int = 0) -> Hubness:
    """Do a few images crowd into everyone's neighbourhood?

    Counts for each image among the `k` nearest of how many others it is.  Scores, low where all are chosen alike:
    - `robin_hood` in [0, 1): share of neighbour places that would have to be moved for all to have as many
    - `skewness` of the counts: 0 none, above 2 strong (Radovanovic et al. 2010); it grows with n
    - `antihubs` in [0, 1]: share of images that are nobody's neighbour

    Controls: Gaussian noise of the same n and d, drawn with `seed`, through the same steps; and a "random graph" whose
    neighbours are drawn by lot (closed form).  Intervals: delete-group jackknife over ten random groups of images (none
    below 20).  ValueError for k >= n and for features that are all the same.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(100, 50))
        >>> x[7] = 0  # the mean of all others is near to all of them
        >>> result = sslviz.hubness(sslviz.Features.from_array(x), k=5, metric="euclidean")
        >>> print(result.hubs[0], result.counts[7])
        7 99

    Caveat: A space that has collapsed to a few directions has no hubs either, so read it beside the spectrum.  Hubs
    near the mean of all images are near to everyone whatever they show.
    """
    graph = with_spare(features, k, metric=metric)
    if graph.duplicates == len(features) - 1:
        raise ValueError(
            f"All {len(features)} images have the same features, so that none is a nearer neighbour than another; "
            "look at the spectrum, or choose another checkpoint."
        )
    n = len(features)
    noise = neighbors(noise_like(features, seed), k, metric=metric)
    groups = delete_groups(n, seed=seed)
    replicates = [_numbers(_counts(graph, k, groups != g)) for g in range(groups.max() + 1)] if groups.any() else []
    return Hubness(
        n=n,
        d=features.x.shape[1],
        k=k,
        metric=metric,
        counts=_counts(graph, k, np.ones(n, dtype=bool)),
        noise_counts=np.bincount(noise.indices.ravel(), minlength=n),
        ids=features.ids,
        duplicates=graph.duplicates,
        replicates={name: np.array([r[name] for r in replicates]) for name in replicates[0]} if replicates else {},
    )


def _counts(graph: Neighbors, k: int, kept: np.ndarray) -> np.ndarray:
    """How often each of the images `kept` (n,) is among the k nearest kept ones of another; of the kept ones only."""
    taken = first_true(kept[graph.indices], k) & kept[:, None]
    return np.bincount(graph.indices[taken], minlength=len(kept))[kept]


def _numbers(counts: np.ndarray) -> dict[str, float]:
    return {
        "robin_hood": robin_hood(counts),
        "skewness": skewness(counts),
        "antihubs": float((counts == 0).mean()),
    }


def _drawn_by_lot(n: int, k: int) -> dict[str, float]:
    """The mean scores where each of the others draws k neighbours: counts ~ Binomial(n - 1, k / (n - 1)).

    The mean absolute deviation is De Moivre's.  All are 0 where every image is a neighbour of every other.
    """
    from scipy.stats import binom

    trials, p = n - 1, k / (n - 1)
    above = k + 1  # the least count above the mean k = trials p
    deviation = 2 * above * (1 - p) * binom.pmf(above, trials, p)
    spread = np.sqrt(k * (1 - p))
    return {
        "robin_hood": float(deviation / (2 * k)),
        "skewness": float((1 - 2 * p) / spread) if spread > 0 else 0.0,
        "antihubs": float((1 - p) ** trials),
    }
