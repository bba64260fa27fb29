"""How many directions tell objects apart, by more than their views differ?  Beside the same rows with objects shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from sslviz.diagnostics.geometry.spectrum import effective_rank
from sslviz.features import Features
from sslviz.statistics import Score, delete_groups, jackknife_interval

COLUMN = "object"
NOTHING_LEFT = 1e-6  # of delta: with less variance than this, the variance within objects plays no part


@dataclass(frozen=True, eq=False)
class Lidar:
    """The variances between objects in units of the variance within them.

    - images: `Features.images`
    - n, d, objects: how many rows, dimensions and objects
    - eps: added to each share, as in the paper
    - eigenvalues: variances between objects, (k,) with k = min(d, objects - 1), descending
    - shuffled_eigenvalues: the same with objects shuffled over the rows
    - replicates: {"lidar": (10,)}, the score without one tenth of the objects at a time
    """

    images: str
    n: int
    d: int
    objects: int
    eps: float
    eigenvalues: np.ndarray
    shuffled_eigenvalues: np.ndarray
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`lidar` beside what it reads where the views of an object have nothing in common, a ceiling."""
        value = effective_rank(self.eigenvalues, eps=self.eps)
        low, high = jackknife_interval(value, self.replicates["lidar"])
        control = effective_rank(self.shuffled_eigenvalues, eps=self.eps)
        return {"lidar": Score(value, low, high, {"objects shuffled": control}, True, "ceiling")}


def lidar(features: Features, *, delta: float = 1e-4, eps: float = 1e-7, seed: int = 0) -> Lidar:
    """How many directions tell objects apart, by more than their views differ?

    `features` hold at least two views of each object, in any order; the table's column `object` says whose.  Score:
    `lidar` (arXiv 2312.04000), the effective rank of the variance between the means of objects, in units of that within
    them.  It lies in [1, min(d, objects - 1)], and is 0 if all objects are alike.  The variance within is pooled over
    objects, plus `delta`; `eps` is added to each share.

    Control: the same rows with objects shuffled, what the score reads where views say nothing of their object; a high
    number.  Interval: delete-group jackknife over ten groups of objects.  ValueError without that column, for fewer than
    two objects, for an object with one view, and for features too small beside `delta`.

    Example:
        >>> import numpy as np, sslviz
        >>> rng, objects = np.random.default_rng(0), np.arange(200) % 50
        >>> x = (rng.normal(size=(50, 8)) * [9, 9, 0, 0, 0, 0, 0, 0])[objects] + rng.normal(size=(200, 8))
        >>> result = sslviz.lidar(sslviz.Features.from_array(x, table={"object": objects}))
        >>> result.scores()["lidar"].value < 3 < result.scores()["lidar"].control
        True

    Caveat: It says over how many directions objects differ, not how well: views that have nothing in common read the
    highest.  `delta` makes it depend on the scale of the features.
    """
    if not delta > 0:
        raise ValueError(f"LiDAR needs delta > 0, so that directions in which no view differs count; got {delta:g}.")
    codes = _objects(features)
    objects = int(codes.max()) + 1
    group = delete_groups(objects, seed=seed)
    means, within = _parts(features.x, codes, group)
    _check_delta(features.x, delta)
    replicates = []
    for g in range(len(within)) if len(within) > 1 else ():
        kept = _eigenvalues(means[group != g], within[:g] + within[g + 1 :], delta)
        replicates.append(effective_rank(kept, eps=eps))
    shuffled = _parts(features.x, np.random.default_rng(seed).permutation(codes), np.zeros(objects, dtype=int))
    return Lidar(
        images=features.images,
        n=len(features),
        d=features.x.shape[1],
        objects=objects,
        eps=eps,
        eigenvalues=_eigenvalues(means, within, delta),
        shuffled_eigenvalues=_eigenvalues(*shuffled, delta),
        replicates={"lidar": np.array(replicates)},
    )


def _check_delta(x: np.ndarray, delta: float) -> None:
    """ValueError where features vary so little that only `delta` would be seen."""
    variance = float(x.var(axis=0, dtype=np.float64).mean())
    if 0 < variance < NOTHING_LEFT * delta:
        raise ValueError(
            f"These features vary by {variance:.0e} along a dimension, which is lost beside LiDAR's delta of {delta:g}; "
            "multiply them by a constant, or give a smaller delta."
        )


def _objects(features: Features) -> np.ndarray:
    """The number of each row's object, (n,)."""
    if COLUMN not in features.table:
        raise ValueError(
            f"LiDAR needs several views of each object and a column {COLUMN!r} in the table that says whose each row is; "
            f"the columns are: {', '.join(map(str, features.table.columns)) or 'none'}."
        )
    codes = features.table[COLUMN].factorize()[0]
    counts = np.bincount(codes[codes >= 0])
    if (codes < 0).any() or len(counts) < 2 or counts.min() < 2:
        raise ValueError(
            f"LiDAR needs at least two objects with at least two views each, named in the column {COLUMN!r}; got "
            f"{len(counts)} objects, {(counts < 2).sum()} of them with a single view, and {(codes < 0).sum()} rows "
            "without one."
        )
    return codes


Within = tuple[np.ndarray, int]  # sum of outer products about the objects' means, (d, d), and of how many rows


def _parts(x: np.ndarray, codes: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, list[Within]]:
    """The mean of each object (objects, d), and the scatter within the objects of each group."""
    order = np.argsort(codes, kind="stable")
    x, counts = x[order].astype(np.float64), np.bincount(codes)
    x -= x.mean(axis=0)
    means = np.add.reduceat(x, np.cumsum(counts) - counts, axis=0) / counts[:, None]
    x -= np.repeat(means, counts, axis=0)
    of_row = np.repeat(group, counts)
    members = (x[of_row == g] for g in range(group.max() + 1))
    return means, [(rows.T @ rows, len(rows)) for rows in members]


def _eigenvalues(means: np.ndarray, within: list[Within], delta: float) -> np.ndarray:
    """Eigenvalues of the covariance of the means once that within objects is whitened, descending.

    Whitened by Cholesky instead of the inverse root, and taken from the smaller product: the eigenvalues are the same.
    """
    from scipy.linalg import solve_triangular

    objects, d = means.shape
    pooled = reduce(add, (scatter for scatter, _ in within)) / sum(rows for _, rows in within)
    pooled[np.diag_indices(d)] += delta
    apart = (means - means.mean(axis=0)) / np.sqrt(objects)
    white = solve_triangular(np.linalg.cholesky(pooled), apart.T, lower=True)  # (d, objects)
    found = np.linalg.eigvalsh(white @ white.T if d <= objects else white.T @ white)[::-1]
    found = found[: min(d, objects - 1)]
    return np.where(found > found[0] * d * np.finfo(float).eps, found, 0.0)
