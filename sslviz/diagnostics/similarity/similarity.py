"""How alike are two spaces of the same images?  Four answers, each beside what unrelated images read.

CKA, Procrustes and RSA only depend on the distances between the rows of each space, so that rotating, scaling and
shifting a space changes nothing.  Mutual-kNN is by cosine, so that shifting does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sslviz.diagnostics.similarity.changed import UNRELATED, clipped, neighborhoods, paired
from sslviz.diagnostics.similarity.measures import debiased_cka, distance_ranks, nuclear_norm, scaled
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache
from sslviz.runtime.threads import side_by_side
from sslviz.statistics import Score, delete_groups, jackknife_interval

RANGES = {"cka": (-1, 1), "procrustes": (0, 2), "mutual_knn": (0, 1), "rsa": (-1, 1)}
MAX_RANKED = 1000  # images whose distances are ranked: half a million pairs
PERMUTATIONS = 5  # their mean varies far less than the interval is wide
ROUNDING = 1e-9  # of the whole variance: less, once a group of images is left out, may be rounding only


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike two spaces are, a and b, and how alike unrelated ones would be.

    - ids: the images (n,)
    - k: neighbours of each
    - n_ranked: how many images RSA looked at
    - widths: dimensions of a and b
    - values: {score: value}
    - chance: {score: value} of unrelated images
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time.  Results of the same images and
      seed leave out the same ones, so that they can be paired
    - overlap: share of its k neighbours that each image has in both spaces, (n,)
    - duplicates: how many rows repeat an earlier one, in a and in b
    - seed: of the tenths, the images ranked and the shuffles
    """

    ids: np.ndarray
    k: int
    n_ranked: int
    widths: list[int]
    values: dict[str, float]
    chance: dict[str, float]
    replicates: dict[str, np.ndarray]
    overlap: np.ndarray
    duplicates: list[int]
    seed: int

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`cka`, `procrustes`, `mutual_knn` and `rsa`, beside what they read once one space's images are shuffled.

        Without `cka` or `rsa` where a space has too little in it: a single image apart, or all distances equal.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for name, value in self.values.items():
            if not np.isfinite(value):
                continue
            low, high = clipped(*RANGES[name], *jackknife_interval(value, self.replicates[name]))
            scores[name] = Score(value, low, high, {UNRELATED: self.chance[name]}, name != "procrustes")
        return scores


def similarity(a: Features, b: Features, *, k: int = 10, seed: int = 0) -> Similarity:
    """How alike are two spaces?

    `a` (n, p) and `b` (n, q) are features of the same images, in any order.  Scores:
    - `cka`: debiased linear, 1 for the same space (arXiv 1905.00414 with the estimator of Song et al. 2012)
    - `procrustes` in [0, 2]: squared distance after the best rotation, between spaces centred and scaled to length one;
      0 for the same space (arXiv 2108.01661)
    - `mutual_knn` in [0, 1]: the share of the `k` nearest by cosine that both have (arXiv 2405.07987)
    - `rsa` in [-1, 1]: Spearman's correlation of the Euclidean distances between images, at most 1,000 drawn with `seed`

    Control: "unrelated images", what each reads on average once the rows of b are shuffled.  It is exactly 0 for CKA and
    RSA, k / (n - 1) for mutual_knn, and the mean of five shuffles for Procrustes.  Intervals: delete-group jackknife over ten
    random groups of images.  ValueError where the ids differ, for fewer than 20 images, constant features, and `k`
    beyond half of the images.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(100, 8))
        >>> turned = sslviz.Features.from_array(x[:, ::-1] * 3)  # the same space up to rotation and scale
        >>> sslviz.similarity(sslviz.Features.from_array(x), turned).scores()["cka"].value_text
        '1.00'

    Caveat: No one of them says it all: CKA follows the few widest directions and single far images, mutual-kNN only
    the nearest. Spaces can be alike in one and not in another.
    """
    a, b = paired(a, b, k)
    x, y = scaled(a.x), scaled(b.x)
    groups = delete_groups(len(a), seed=seed)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(a))[:MAX_RANKED])
    _, _, shared, means, duplicates = neighborhoods(a, b, k, seed)
    space_a, space_b = _space(a, x, groups, drawn, seed), _space(b, y, groups, drawn, seed)
    cka, procrustes = _linear(x, y, groups, space_a, space_b)
    rsa = _rank_correlations(space_a, space_b, groups[drawn])
    whole = {"cka": cka, "procrustes": procrustes, "mutual_knn": np.append(shared.mean(), means), "rsa": rsa}
    return Similarity(
        ids=a.ids,
        k=k,
        n_ranked=len(drawn),
        widths=[a.x.shape[1], b.x.shape[1]],
        values={name: float(numbers[0]) for name, numbers in whole.items()},
        chance={
            "cka": 0.0,  # permuting rows and columns of a centred matrix averages it away; so with distances' ranks
            "procrustes": _shuffled_procrustes(x, y, rng),
            "mutual_knn": k / (len(a) - 1),
            "rsa": 0.0,
        },
        replicates={name: numbers[1:] for name, numbers in whole.items()},
        overlap=shared,
        duplicates=duplicates,
        seed=seed,
    )


class _Space(NamedTuple):
    """What every comparison needs of a space.  Tuples run over all rows, then those outside each group.

    - squares: squared Frobenius norms of x^T x
    - lengths: squared distances of the rows from their mean
    - ranks: `distance_ranks` of the drawn images, float32
    - sums: of these ranks and of their squares, (2, 1 + groups)
    """

    squares: tuple[float, ...]
    lengths: tuple[np.ndarray, ...]
    ranks: np.ndarray
    sums: np.ndarray


def _space(features: Features, x: np.ndarray, groups: np.ndarray, drawn: np.ndarray, seed: int) -> _Space:
    """Cached: a grid of checkpoints asks for each of them once a pair."""

    def make() -> _Space:
        moments = _CrossMoments(x, x, groups)
        squares = tuple(float((moments.without(g) ** 2).sum()) for g in moments.groups)
        ranks = distance_ranks(x[drawn])
        sums = np.stack([_block_sums(values, groups[drawn]) for values in (ranks, ranks**2)])
        return _Space(squares, tuple(_lengths(x, groups)), ranks.astype(np.float32), sums)

    return cache.get(("similarity", features.digest, seed), make)


def _linear(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, space_x: _Space, space_y: _Space
) -> tuple[np.ndarray, np.ndarray]:
    """Debiased CKA and squared Procrustes distance of all rows, then without each group of them; (1 + groups,) each."""
    moments = _CrossMoments(x, y, groups)

    def measured(g: int | None) -> tuple[float, float]:
        cross = moments.without(g)
        return float((cross**2).sum()), nuclear_norm(cross)

    cka, procrustes = [], []
    for (squares, norm), xx, yy, u, v in zip(
        side_by_side(measured, moments.groups),
        *(space_x.squares, space_y.squares, space_x.lengths, space_y.lengths),
        strict=True,
    ):
        enough = min(u.sum(), v.sum()) > ROUNDING
        cka.append(debiased_cka((squares, xx, yy), u, v) if enough else np.nan)
        procrustes.append(max(0.0, 2 - 2 * norm / np.sqrt(u.sum() * v.sum())) if enough else np.nan)
    return np.array(cka), np.array(procrustes)


def _rank_correlations(space_x: _Space, space_y: _Space, groups: np.ndarray) -> np.ndarray:
    """Spearman correlation of the distances, then of those between images outside each group; (1 + groups,).

    Ranked once: ranks among the pairs that stay are nearly the same up to scale.
    """
    common = _block_sums(space_x.ranks.astype(np.float64) * space_y.ranks, groups)
    pairs = _block_sums(1 - np.eye(len(groups)), groups)
    (a, aa), (b, bb) = space_x.sums, space_y.sums
    spread_a, spread_b = aa - a**2 / pairs, bb - b**2 / pairs
    enough = (spread_a > ROUNDING * spread_a[0]) & (spread_b > ROUNDING * spread_b[0])
    return np.where(enough, common - a * b / pairs, np.nan) / np.sqrt(np.where(enough, spread_a * spread_b, 1))


class _CrossMoments:
    """x^T y (p, q) of all rows, and of those outside each group, about their own means.  Rows are centred already.

    - groups: None for all rows, then each group, where there is more than one
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> None:
        count = int(groups.max()) + 1
        self.groups = [None, *(range(count) if count > 1 else [])]
        self._sizes = np.bincount(groups)
        parts = [x[groups == g] for g in range(count)]  # of x and itself one array, so that BLAS does half the work
        others = parts if y is x else [y[groups == g] for g in range(count)]
        self._blocks = [part.T @ other for part, other in zip(parts, others, strict=True)]
        self._sums = [(p.sum(axis=0), q.sum(axis=0)) for p, q in zip(parts, others, strict=True)]
        self._total = np.sum(self._blocks, axis=0)

    def without(self, g: int | None) -> np.ndarray:
        """The moments of the rows outside group `g`, or of all."""
        if g is None:
            return self._total
        # the rows sum to 0, so those that stay sum to minus the group's
        return self._total - self._blocks[g] - np.outer(*self._sums[g]) / (self._sizes.sum() - self._sizes[g])


def _lengths(x: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances from the mean of all rows, then of those outside each group, from theirs."""
    squared = np.einsum("nd,nd->n", x, x)
    yield squared
    if groups.any():
        member = groups == np.arange(groups.max() + 1)[:, None]  # (g, n)
        means = -(member @ x) / (~member).sum(axis=1, keepdims=True)
        along = x @ means.T
        for g, mean in enumerate(means):
            kept = ~member[g]
            yield squared[kept] - 2 * along[kept, g] + mean @ mean


def _shuffled_procrustes(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """What `procrustes` reads on average once the rows of y are shuffled; the products in float32, which is twice as fast.

    Rounding turns the products a little, every way alike, and moves the sum of their singular values by 1e-8.
    """
    orders = [rng.permutation(len(y)) for _ in range(PERMUTATIONS)]
    a, b = x.astype(np.float32).T, y.astype(np.float32)
    drawn = side_by_side(lambda order: nuclear_norm((a @ b[order]).astype(np.float64)), orders)
    return 2 - 2 * float(np.mean(drawn))


def _block_sums(matrix: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The sum of a symmetric matrix (n, n) over all pairs, then over those outside each group; (1 + groups,)."""
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(matrix.dtype)  # (n, g)
    sums = member.T @ (matrix @ member)
    if len(sums) == 1:
        return sums[0]
    return np.append(sums.sum(), sums.sum() - 2 * sums.sum(axis=1) + sums.diagonal())
