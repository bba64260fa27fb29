"""What is measured of two domains in one space: readouts of both, and three distances, each beside its null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.features import Features
from sslviz.features.columns import one_of_each
from sslviz.statistics import balanced_mean, permutation_p
from sslviz.transfer.distances import domain_accuracy, frechet, mmd, proxy_a
from sslviz.transfer.two_domains import Space, TwoDomains, fitted_head, folds_of, random_halves

PERMUTATIONS = 200  # p is 0.005 at the least
MOST = 1_000  # images of each domain in the distances: a test of more finds what no readout minds
FRECHET_MOST, SPLITS = 500, 3  # images of each side, and draws whose mean is taken


@dataclass(frozen=True, eq=False)
class Readings:
    """What is read in one space.

    - source_truth, source_correct: the class of each image of the source, and whether the head fitted there reads it, (s,)
    - truth, correct, ceiling_correct: the same of the target, and whether a head fitted on its other half does, (n,)
    """

    source_truth: np.ndarray
    source_correct: np.ndarray
    truth: np.ndarray
    correct: np.ndarray
    ceiling_correct: np.ndarray

    def values(self) -> dict[str, float]:
        """Those of a control."""
        here, there = balanced_mean(self.source_correct, self.source_truth), balanced_mean(self.correct, self.truth)
        ceiling = balanced_mean(self.ceiling_correct, self.truth)
        levels = {"source": here, "accuracy": there, "ceiling": ceiling}
        return levels | {"drop": here - there, "recoverable": ceiling - there}


@dataclass(frozen=True, eq=False)
class Apart:
    """How far apart two domains lie in one space; fields as in `Shift`."""

    domain: np.ndarray
    domain_correct: np.ndarray
    mmd: float
    mmd_null: np.ndarray
    frechet: float

    def values(self) -> dict[str, float]:
        """Those of a control."""
        p = permutation_p(self.mmd, self.mmd_null)
        told = proxy_a(self.domain_correct, self.domain)
        return {"proxy_a": told, "mmd": self.mmd, "mmd_p": p, "frechet": self.frechet}


def readings(two: TwoDomains, space: Space, seed: int) -> Readings:
    """Fits a head on the source and one on half of the target, and reads with both."""
    here, there = (fitted_head(fit, two.label, seed) for fit in (space.fitted, space.target_fitted))
    source_truth, truth = two.codes(space.scored), two.codes(space.target_scored)
    return Readings(
        source_truth,
        here.correct(space.scored.x, source_truth, two.classes),
        truth,
        here.correct(space.target_scored.x, truth, two.classes),
        there.correct(space.target_scored.x, truth, two.classes),
    )


def apart(two: TwoDomains, space: Space, seed: int) -> Apart:
    """The distances of the source's scored images and all of the target's, at most 1,000 of each.

    One of each of what belongs together: shuffled copies would lie closer than two domains ever do.
    """
    source, *parts = (
        one.rows(one_of_each(one, seed=seed)) for one in (space.scored, space.target_scored, space.target_fitted)
    )
    target, target_ids = np.concatenate([one.x for one in parts]), np.concatenate([*map(_names, parts)])
    target_codes = np.concatenate([*map(two.codes, parts)])
    rng = np.random.default_rng(seed)
    s, t = (rng.permutation(n)[:MOST] for n in (len(source), len(target)))
    codes = two.codes(source)[s], target_codes[t]
    return between((_names(source)[s], target_ids[t]), (source.x[s], target[t]), codes, source.x, seed)


def _names(features: Features) -> np.ndarray:
    """What is looked at in one domain only: ids, or what images share with those they belong with, (n,)."""
    return features.unit_names.astype(str) if features.group else features.ids


Both = tuple[np.ndarray, np.ndarray]  # of the source and of the target


def between(ids: Both, x: Both, codes: Both, source: np.ndarray, seed: int) -> Apart:
    """The distances of two samples with these ids and classes; `source` (s, d) says what two halves of the one read."""
    folds = folds_of(ids, codes, seed)
    told = domain_accuracy(*x, *folds)
    # A picture and its twin in the other domain are no independent rows: each id is looked at in one domain only.
    here = (folds[0] == 0) | ~np.isin(ids[0], ids[1])
    there = (folds[1] == 1) | ~np.isin(ids[1], ids[0])
    strata = np.concatenate([codes[0][here], codes[1][there]])
    found = mmd(x[0][here], x[1][there], permutations=PERMUTATIONS, strata=strata, seed=seed)
    return Apart(np.repeat([0, 1], [*map(len, x)]), told, *found, _excess(source, x[0][here], x[1][there], seed))


def of_halves(two: TwoDomains, space: Space, found: Readings, seed: int) -> dict[str, float]:
    """The numbers of two halves of the source's scored images, as if one of them were the target."""
    source, truth = space.scored, found.source_truth
    half = random_halves(truth, seed, source.units)
    there = fitted_head(source.rows(half), two.label, seed)
    ceiling = balanced_mean(there.correct(source.x[~half], truth[~half], two.classes), truth[~half])
    first, second = (balanced_mean(found.source_correct[rows], truth[rows]) for rows in (half, ~half))
    single = one_of_each(source, seed=seed)
    one, other = (np.flatnonzero(rows & single)[:MOST] for rows in (half, ~half))
    ids, x, codes = ((of[one], of[other]) for of in (source.ids, source.x, truth))
    distances = between(ids, x, codes, source.x[single], seed)
    return {"drop": first - second, "recoverable": ceiling - second} | distances.values()


def _excess(source: np.ndarray, x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The Frechet distance of `x` and `y` less that of two halves of the source, all of as many rows; mean of some draws.

    In units of the source's variance, the sum over its columns.
    """
    m = min(len(source) // 2, len(x), len(y), FRECHET_MOST)
    unit = source.var(axis=0, dtype=np.float64).sum() or 1.0
    rng, found = np.random.default_rng(seed), []
    for _ in range(SPLITS):
        halves = rng.permutation(len(source))[: 2 * m]
        null = frechet(source[halves[:m]], source[halves[m:]])
        found.append(frechet(x[rng.permutation(len(x))[:m]], y[rng.permutation(len(y))[:m]]) - null)
    return float(np.mean(found) / unit)
