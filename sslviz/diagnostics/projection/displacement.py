"""Which points of a map moved for a reason?  Movement on the map beside change of neighbours in all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.quality import align
from sslviz.statistics import Score, bootstrap_balanced_mean, delete_groups, jackknife_interval, percentile_interval

RANDOM_PAIRS = "images paired at random"
OTHER_SEED = "another seed of the same map"
CHANGED = 0.5  # share of other neighbours from which on an image counts as changed


@dataclass(frozen=True, eq=False)
class Displacement:
    """How far each image moved between two maps, and how much its neighbourhood changed.

    Distances are in radii of the first map: the root mean square distance from its centre.

    - ids: the images (n,)
    - moved: distance (n,) between the two maps once the second is laid over the first
    - change: share of neighbours in all dimensions that are others, (n,) in [0, 1]
    - by_seed: how far another seed alone would move a point; None for maps of one seed
    - at_random: how far images paired at random lie apart
    """

    ids: np.ndarray
    moved: np.ndarray
    change: np.ndarray
    by_seed: float | None
    at_random: float

    @property
    def line(self) -> float:
        """The distance from which on a point counts as moved: that by another seed, or else half of that at random."""
        return self.at_random / 2 if self.by_seed is None else self.by_seed

    @property
    def quadrants(self) -> dict[str, float]:
        """The share of images that {moved, stayed} and whose neighbours {changed, are the same}: four, adding up to 1."""
        moved, changed = self.moved > self.line, self.change >= CHANGED
        return {
            "moved, same neighbours": float((moved & ~changed).mean()),
            "moved, other neighbours": float((moved & changed).mean()),
            "stayed, same neighbours": float((~moved & ~changed).mean()),
            "stayed, other neighbours": float((~moved & changed).mean()),
        }

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean is a score, for each image: {score: (n,)}."""
        return {"displacement": self.moved}

    def scores(self) -> dict[str, Score]:
        """`displacement`, the mean in radii, beside another seed and random pairs; `map_tells_change`, a correlation."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = len(self.ids)
        interval = percentile_interval(bootstrap_balanced_mean(self.moved, np.zeros(n)))
        controls = {RANDOM_PAIRS: self.at_random} | ({} if self.by_seed is None else {OTHER_SEED: self.by_seed})
        groups = delete_groups(n)
        correlation = _rank_correlation(self.moved, self.change)
        kept = [groups != g for g in range(groups.max() + 1)]
        replicates = [_rank_correlation(self.moved[rows], self.change[rows]) for rows in kept]
        low, high = jackknife_interval(correlation, np.array(replicates))
        if low is not None and high is not None:
            low, high = max(-1.0, low), min(1.0, high)
        return {
            "displacement": Score(float(self.moved.mean()), *interval, controls, None),
            "map_tells_change": Score(correlation, low, high, {"a map that knows nothing": 0.0}),
        }


def displacement(a: Projection, b: Projection, change: np.ndarray, *, seed: int = 0) -> Displacement:
    """Which points moved for a reason?

    `a` and `b` are maps of the same images, in any order; b is laid over a, and rows come in the order of `a`.  `change`
    (n,) in that order is the share of neighbours that each image changed: `changed(...).change`.  An image that moved
    with its neighbours is an artefact of the layout.  One that stayed among others is a change that the map hides.

    Scores:
    - `displacement`: the mean in radii of the map; controls: random pairs by `seed`, and another seed of the maps;
      interval: bootstrap over images
    - `map_tells_change` in [-1, 1]: Spearman's correlation of both; control: 0, a map that knows nothing; interval:
      delete-group jackknife

    ValueError for other images, or another number of changes.

    Example:
        >>> import numpy as np, sslviz
        >>> a, b = (sslviz.Features.from_array(np.random.default_rng(seed).normal(size=(60, 8))) for seed in (0, 1))
        >>> maps = sslviz.aligned_projections({"a": a, "b": b}, "pca")
        >>> result = sslviz.displacement(maps["a"], maps["b"], sslviz.changed(a, b).change)
        >>> round(sum(result.quadrants.values()), 6)
        1.0

    Caveat: A map can only be turned and scaled as a whole: where a few points fly far, all others seem to shift.
    """
    order = np.argsort(b.ids)
    if len(a.ids) != len(b.ids) or not np.array_equal(np.sort(a.ids), b.ids[order]):
        raise ValueError("A displacement needs two maps of the same images, but these show others; project the same.")
    change = np.asarray(change, dtype=np.float64)
    if change.shape != (len(a.ids),) or not ((change >= 0) & (change <= 1)).all():
        raise ValueError(
            f"Each of the {len(a.ids)} images of the map needs its share of changed neighbours, in [0, 1]; got an "
            f"array of shape {change.shape}. Pass `changed(...).change` of the same images."
        )
    rows = order[np.searchsorted(b.ids[order], a.ids)]
    before, after = a.xy.astype(np.float64), align(b.xy, b.ids, a.xy, a.ids)[rows].astype(np.float64)
    radius = max(float(np.sqrt(before.var(axis=0).sum())), np.finfo(float).tiny)
    shuffled = np.random.default_rng(seed).permutation(len(before))
    return Displacement(
        a.ids,
        np.linalg.norm(after - before, axis=1) / radius,
        change,
        _seed_distance(a, b),
        float(np.linalg.norm(after[shuffled] - before, axis=1).mean() / radius),
    )


def _seed_distance(a: Projection, b: Projection) -> float | None:
    """The root mean square distance of a point between maps of two seeds, from the spread over three seeds.

    The spread divides by 3, so the variance of one seed is 3/2 of its square; two seeds differ by both their variances.
    """
    if a.spread is None or b.spread is None:
        return None
    return float(np.sqrt(1.5 * (np.mean(a.spread**2) + np.mean(b.spread**2))))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rho; 0 where one of them does not vary."""
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0
