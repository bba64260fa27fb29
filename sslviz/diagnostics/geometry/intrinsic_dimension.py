"""How many dimensions do the images really fill?  Read from the growth of neighbourhoods, beside noise of the same shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import first_true, noise_like, with_spare
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval

DISCARD = 0.1  # of the ratios, the largest: far neighbours feel the borders and the density (Facco et al. 2017)
BLOCK = 2**22  # numbers looked up at a time: 32 MB in float64


def two_nn(ratios: np.ndarray, *, discard: float = DISCARD) -> float:
    """The dimension by TwoNN, from `ratios` (n,) of the distance to the second neighbour to that to the first.

    The ratios follow a Pareto law with the dimension as exponent (Facco et al. 2017, doi 10.1038/s41598-017-11873-y).
    Maximum likelihood, with the largest share `discard` of them censored.  ValueError for fewer than two ratios, and
    where all are 1.  Borders pull it down: 10 uniform dimensions read as 8.5 at n = 3,000.
    """
    logs = np.sort(np.log(ratios.astype(np.float64)))
    kept = int(len(logs) * (1 - discard))
    if kept < 2:
        raise ValueError(
            f"A dimension takes at least 2 ratios of distances, but {kept} are left of {len(logs)} images that have no "
            "copy; use more images."
        )
    total = logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1]
    if total <= 0:
        raise ValueError(
            "All images are exactly as far from their second neighbour as from their first, as on a grid, so no "
            "dimension can be read from them; use features that are not rounded."
        )
    return float((kept - 1) / total)


def local_dimension(distances: np.ndarray) -> np.ndarray:
    """The dimension of each image's neighbourhood (n,), from the distances (n, k) to its neighbours.

    Levina & Bickel 2004: (k - 1) / sum of log(farthest / distance).  NaN distances and zeros (copies) are left out; NaN
    where fewer than two are left or all are the same.  With 20 neighbours a value is off by 15 % as often as not.
    """
    valid = np.isfinite(distances) & (distances > 0)
    logs = np.log(np.where(valid, distances, 1.0))
    farthest = np.max(np.where(valid, logs, -np.inf), axis=1)
    count = valid.sum(axis=1)
    with np.errstate(invalid="ignore"):  # a row without any
        total = np.where(valid, farthest[:, None] - logs, 0.0).sum(axis=1)
    known = (count >= 2) & (total > 1e-12)
    return np.divide(count - 1, total, out=np.full(len(distances), np.nan), where=known)


@dataclass(frozen=True, eq=False)
class IntrinsicDimension:
    """The dimensions that `n` images fill in a space of `d`.

    - k: neighbours for `lid`
    - discard: share of the ratios that TwoNN censors
    - ratios: of the distance to the second neighbour to that to the first, ascending, (m,) for the m images without a
      copy
    - noise_ratios: the same of Gaussian noise of the same n and d
    - lid: dimension of the neighbourhood of each image, (n,) in the order of `ids`, NaN where it has none
    - noise_lid: the average over the noise
    - ids: the images (n,)
    - duplicates: how many images have a copy
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time
    """

    n: int
    d: int
    k: int
    discard: float
    ratios: np.ndarray
    noise_ratios: np.ndarray
    lid: np.ndarray
    noise_lid: float
    ids: np.ndarray
    duplicates: int
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`two_nn` and `lid`, beside noise of the same n and d: a ceiling, which structured features do not reach."""
        values = {"two_nn": two_nn(self.ratios, discard=self.discard), "lid": _average(self.lid)}
        noise = {"two_nn": two_nn(self.noise_ratios, discard=self.discard), "lid": self.noise_lid}
        scores = {}
        for name, value in values.items():
            low, high = jackknife_interval(value, self.replicates.get(name, np.empty(0)))
            low = None if low is None else max(low, 0.0)
            scores[name] = Score(value, low, high, {"noise": noise[name]}, None, control_is="ceiling")
        return scores


def intrinsic_dimension(
    features: Features, *, k: int = 20, discard: float = DISCARD, seed: int = 0
) -> IntrinsicDimension:
    """How many dimensions do the images really fill?

    By Euclidean distances of the features as they are; turning, shifting and scaling change nothing.  Scores:
    - `two_nn`: from the first two neighbours, the largest `discard` of the ratios censored (Facco et al. 2017)
    - `lid`: the average over images of the dimension of their `k` nearest (Levina & Bickel 2004), as the inverse of the
      mean of the inverses (MacKay & Ghahramani)

    Control: Gaussian noise of the same n and d, drawn with `seed`, through the same steps: what d dimensions without
    structure read.  Intervals: delete-group jackknife over ten random groups of images (none below 20).  Images with an
    exact copy are counted and left out of `two_nn`.  ValueError for n <= k and where (nearly) all images are copies.

    Example:
        >>> import numpy as np, sslviz
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 16))  # a plane in 16 dimensions
        >>> round(sslviz.intrinsic_dimension(sslviz.Features.from_array(x)).scores()["lid"].value)
        2

    Caveat: It looks at the nearest images only, so noise on top of few directions counts as many; and many dimensions
    always read as fewer than they are.
    """
    indices, distances = _nearest(features, k)
    noise = _nearest(noise_like(features, seed), k)[1]
    ratios, copies = _ratios(distances)
    if len(ratios) < 3:
        raise ValueError(
            f"{copies} of {len(features)} images have an exact copy, so that no distances between neighbours are left; "
            "look at the spectrum, or choose another checkpoint."
        )
    two_nn(ratios, discard=discard)  # which says why, where there is none
    n = len(features)
    groups = delete_groups(n, seed=seed)
    replicates = (
        [_replicate(indices, distances, groups != g, k, discard) for g in range(groups.max() + 1)]
        if groups.any()
        else []
    )
    return IntrinsicDimension(
        n=n,
        d=features.x.shape[1],
        k=k,
        discard=discard,
        ratios=ratios,
        noise_ratios=_ratios(noise)[0],
        lid=local_dimension(distances[:, :k]),
        noise_lid=_average(local_dimension(noise[:, :k])),
        ids=features.ids,
        duplicates=copies,
        replicates={name: np.array([r[name] for r in replicates]) for name in replicates[0]} if replicates else {},
    )


def _nearest(features: Features, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest images of each, more than k, and their distances in float64; nearest first.

    The graph's own distances are exact to 1e-4 of the features' spread, but first neighbours can be nearer than that.
    """
    if k < 2:
        raise ValueError(f"A neighbourhood of {k} has no growth to read a dimension from; use k = 2 or more.")
    graph = with_spare(features, k, metric="euclidean")
    step = max(1, BLOCK // (graph.k * features.x.shape[1]))
    distances = np.empty(graph.indices.shape)
    for start in range(0, len(features), step):
        rows = slice(start, start + step)
        apart = features.x[rows, None].astype(np.float64) - features.x[graph.indices[rows]]
        distances[rows] = np.sqrt(np.einsum("nkd,nkd->nk", apart, apart))
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(graph.indices, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _ratios(distances: np.ndarray) -> tuple[np.ndarray, int]:
    """Second by first distance, ascending, for rows whose first is not 0; and how many rows that leaves out."""
    unique = distances[:, 0] > 0
    return np.sort(distances[unique, 1] / distances[unique, 0]), int((~unique).sum())


def _replicate(
    indices: np.ndarray, distances: np.ndarray, kept: np.ndarray, k: int, discard: float
) -> dict[str, float]:
    """The scores of the images `kept` (n,) only."""
    left = first_true(kept[indices[kept]], k)
    near = np.sort(np.where(left, distances[kept], np.nan), axis=1)[:, :k]  # NaN is sorted last
    near = near[np.isfinite(near[:, 1])]
    try:
        dimension = two_nn(_ratios(near)[0], discard=discard)
    except ValueError:  # too few without a copy are left: no interval
        dimension = np.nan
    return {"two_nn": dimension, "lid": _average(local_dimension(near))}


def _average(lid: np.ndarray) -> float:
    """The inverse of the mean of the inverses, over the images that have one; 0 where none has."""
    known = lid[np.isfinite(lid)]
    return float(1 / (1 / known).mean()) if len(known) else 0.0
