"""Does a point that moved on the map stand for an image that changed?  Maps beside what is true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.quality import align
from sslviz.statistics import Score, bootstrap_balanced_mean, delete_groups, jackknife_interval, percentile_interval

PAIRED = "images paired at random"
SEEDS = "another seed of the same map"
CHANGED = 0.5  # half of its neighbours are others: an image that changed


@dataclass(frozen=True, eq=False)
class Displacement:
    """How far did each image move on the map, and did its neighbourhood change?

    For the images `ids` (n,): `moved` (n,) is the distance between the two maps once the second is laid over the
    first, in radii of the first (the root mean square distance from its centre); `change` (n,) in [0, 1] the share of
    neighbours in all dimensions that are others.  `by_seed` is how far another seed alone would move a point (None
    for maps of one seed), `at_random` how far images paired at random lie apart.
    """

    ids: np.ndarray
    moved: np.ndarray
    change: np.ndarray
    by_seed: float | None
    at_random: float

    @property
    def line(self) -> float:
        """From where on a point counts as moved: what another seed does, or else half of what random pairs are apart."""
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
        controls = {PAIRED: self.at_random} | ({} if self.by_seed is None else {SEEDS: self.by_seed})
        groups = delete_groups(n)
        told = _rank_correlation(self.moved, self.change)
        without = [
            _rank_correlation(self.moved[groups != g], self.change[groups != g]) for g in range(groups.max() + 1)
        ]
        low, high = jackknife_interval(told, np.array(without))
        if low is not None and high is not None:
            low, high = max(-1.0, low), min(1.0, high)
        return {
            "displacement": Score(float(self.moved.mean()), *interval, controls, None),
            "map_tells_change": Score(told, low, high, {"a map that knows nothing": 0.0}),
        }


def displacement(a: Projection, b: Projection, change: np.ndarray, *, seed: int = 0) -> Displacement:
    """Which points moved for a reason?

    `a` and `b` are maps of the same images (in any order; rows come in the order of `a`), b is laid over a.  `change`
    (n,) in the order of `a` says which share of its neighbours each image changed: `changed(...).change`.  An image
    that moved with its neighbours is an artefact of the layout; one that stayed among others is a change that the map
    hides.  Scores: the mean `displacement` in radii of the map (controls: random pairs by `seed`, and what another
    seed of the maps does), and `map_tells_change`, Spearman's correlation of both (0 for a map that knows nothing;
    interval: delete-group jackknife).  ValueError for other images, or another number of changes.

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
    there = align(b.xy, b.ids, a.xy, a.ids)[rows].astype(np.float64)
    here = a.xy.astype(np.float64)
    radius = max(float(np.sqrt(here.var(axis=0).sum())), np.finfo(float).tiny)
    shuffled = np.random.default_rng(seed).permutation(len(here))
    return Displacement(
        a.ids,
        np.linalg.norm(there - here, axis=1) / radius,
        change,
        _between_seeds(a, b),
        float(np.linalg.norm(there[shuffled] - here, axis=1).mean() / radius),
    )


def _between_seeds(a: Projection, b: Projection) -> float | None:
    """The root mean square distance of a point in a map and in one of another seed, from their spread over three seeds.

    The spread divides by 3; the variance of one seed is 3/2 of its square, and two seeds differ by both their variances.
    """
    if a.spread is None or b.spread is None:
        return None
    return float(np.sqrt(1.5 * (np.mean(a.spread**2) + np.mean(b.spread**2))))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rho; 0 where one of them does not vary."""
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0
