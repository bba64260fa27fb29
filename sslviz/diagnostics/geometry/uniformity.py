"""How evenly do the features fill the sphere?  Beside a uniform distribution on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval

BINS = 80  # of distances, for the figure
DRAWN = 1000  # images whose distances the figure shows
BLOCK = 2**22  # pairs at a time
MAX_T = 100  # beyond it exp(-4t), of the farthest pairs, comes near the smallest numbers there are


@dataclass(frozen=True, eq=False)
class Uniformity:
    """The uniformity of `n` images in `d` dimensions, and the distances between them.

    - images: `Features.images`
    - t: of the kernel exp(-t distance^2)
    - sample: how many of the images were looked at
    - value: the score
    - sphere: what points spread evenly over the sphere read
    - edges: of the bins of distance, (81,) in [0, 2]
    - shares: share of pairs in each bin (80,)
    - sphere_shares: the same of points spread evenly over the sphere
    - replicates: {"uniformity": (10,)}, the score without one tenth of the images at a time
    """

    images: str
    n: int
    d: int
    t: float
    sample: int
    value: float
    sphere: float
    edges: np.ndarray
    shares: np.ndarray
    sphere_shares: np.ndarray
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`uniformity` beside that of the sphere, a ceiling which structured spaces are not expected to reach."""
        low, high = jackknife_interval(self.value, self.replicates["uniformity"])
        high = None if high is None else min(high, 0.0)
        return {"uniformity": Score(self.value, low, high, {"uniform on the sphere": self.sphere}, False, "ceiling")}


def uniformity(features: Features, *, t: float = 2.0, sample: int = 8000, seed: int = 0) -> Uniformity:
    """How evenly do the features fill the sphere?

    Score: `uniformity` (arXiv 2005.10242), log of the mean over pairs of different images of exp(-`t` distance^2), at
    length one.  It is 0 if all lie in one point, and the lower the more evenly they lie.  Of more than `sample` images as
    many are drawn with `seed`.  Control: points spread uniformly over the sphere, -2t + log 0F1(d / 2; t^2), the lowest
    there is.  Interval: delete-group jackknife over ten random groups of images.  ValueError for fewer than two images, a
    `sample` below two, and a `t` that is not positive.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(200, 16))
        >>> for rows in (x, x + 5):  # spread around, and all on one side
        ...     print(sslviz.uniformity(sslviz.Features.from_array(rows)).scores()["uniformity"].value_text)
        -3.51
        -0.15

    Caveat: Evenly spread need not mean well arranged: noise is spread most evenly of all.
    """
    n, d = features.x.shape
    if n < 2 or sample < 2 or not 0 < t <= MAX_T:
        raise ValueError(
            f"Uniformity needs at least 2 images, a sample of at least 2 and 0 < t <= {MAX_T}; got {n}, {sample} and "
            f"t={t:g}. The paper's t is 2."
        )
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:sample])
    x = unit_rows(features.x[rows].astype(np.float64)).astype(np.float32)
    group = delete_groups(n, seed=seed)[rows]
    edges = np.linspace(0, 2, BINS + 1)
    distances = np.sqrt(np.maximum(_squared(x[:DRAWN], x[:DRAWN]), 0))[np.triu_indices(min(DRAWN, len(x)), 1)]
    value, *replicates = _mean_logs(x, group, t)
    return Uniformity(
        images=features.images,
        n=n,
        d=d,
        t=float(t),
        sample=len(rows),
        value=value,
        sphere=sphere_uniformity(d, t),
        edges=edges,
        shares=np.histogram(np.minimum(distances, 2), edges)[0] / len(distances),
        sphere_shares=_sphere_shares(d, edges),
        replicates={"uniformity": np.array(replicates)},
    )


def sphere_uniformity(d: int, t: float = 2.0) -> float:
    """The uniformity of infinitely many points on the sphere in d dimensions: -2t + log 0F1(; d / 2; t^2)."""
    from scipy.special import hyp0f1

    return float(-2 * t + np.log(hyp0f1(d / 2, t**2)))


def _sphere_shares(d: int, edges: np.ndarray) -> np.ndarray:
    """Share of pairs on the sphere in each bin: a quarter of the squared distance has a beta distribution."""
    from scipy.special import betainc

    half = (d - 1) / 2
    below = betainc(half, half, edges**2 / 4) if d > 1 else np.where(edges < 2, 0.5, 1.0) * (edges > 0)
    return np.diff(below)


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T


def _mean_logs(x: np.ndarray, group: np.ndarray, t: float) -> list[float]:
    """The score of all rows, then without each group if there is more than one; from sums over every two groups."""
    order = np.argsort(group, kind="stable")
    x, sizes = x[order], np.bincount(group)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    sums = np.zeros((len(sizes), len(sizes)))
    step = max(1, BLOCK // len(x))
    for g, (first, size) in enumerate(zip(starts, sizes, strict=True)):
        for start in range(first, first + size, step):
            stop = min(start + step, first + size)
            squared = np.maximum(_squared(x[start:stop], x), 0)
            kernel = np.exp(-t * (squared if t < 20 else squared.astype(np.float64)))  # exp(-80) fits into float32
            kernel[np.arange(stop - start), np.arange(start, stop)] = 0
            sums[g] += np.add.reduceat(kernel.sum(axis=0, dtype=np.float64), starts)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    means = [_log_mean(sums, pairs)]
    for g in range(len(sizes)) if len(sizes) > 1 else ():
        others = np.arange(len(sizes)) != g
        means.append(_log_mean(sums[np.ix_(others, others)], pairs[np.ix_(others, others)]))
    return means


def _log_mean(sums: np.ndarray, pairs: np.ndarray) -> float:
    return float(np.log(sums.sum() / pairs.sum()))
