"""How alike are two spaces of the same images?  Four answers, each beside what unrelated images read.

CKA, Procrustes and RSA only depend on the distances between the rows of each space, so that rotating, scaling and
shifting a space changes nothing.  Mutual-kNN is by cosine, so that shifting does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sslviz.diagnostics.similarity.changed import UNRELATED, clipped, neighborhoods, paired
from sslviz.diagnostics.similarity.cross_moments import CrossMoments, squared_lengths
from sslviz.diagnostics.similarity.measures import debiased_cka, distance_ranks, scaled
from sslviz.diagnostics.similarity.nuclear_norms import nuclear_norms, shuffles_needed
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache
from sslviz.statistics import Score, delete_groups, jackknife_interval

RANGES = {"cka": (-1, 1), "procrustes": (0, 2), "mutual_knn": (0, 1), "rsa": (-1, 1)}
MAX_RANKED = 1000  # images whose distances are ranked: half a million pairs
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
    RSA, k / (n - 1) for mutual_knn, and the mean of one to five shuffles for Procrustes, as many as give it to 0.01.
    Intervals: delete-group jackknife over ten random groups of images; for Procrustes to first order, at 512 dimensions
    and more with four images for each.  ValueError where the ids differ, for fewer than 20 images, constant features, and `k`
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
    # one after the other, so that the second works in the memory of the first: new pages cost nearly as much as products
    space_a, space_b = _space(a, x, groups, drawn, seed), _space(b, y, groups, drawn, seed)
    orders = [rng.permutation(len(a)) for _ in range(shuffles_needed(len(a), space_a.squares[0], space_b.squares[0]))]
    cka, procrustes, shuffled = _linear(x, y, groups, space_a, space_b, orders)
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
            "procrustes": shuffled,
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
        squares = tuple(CrossMoments(x, x, groups).squares())
        ranks = distance_ranks(x[drawn])
        sums = np.stack([_block_sums(values, groups[drawn]) for values in (ranks, ranks**2)])
        return _Space(squares, tuple(squared_lengths(x, groups)), ranks.astype(np.float32), sums)

    return cache.get(("similarity", features.digest, seed), make)


def _linear(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, space_x: _Space, space_y: _Space, orders: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Debiased CKA and squared Procrustes distance of all rows, then without each group of them; (1 + groups,) each.

    Last, the mean Procrustes distance with the rows of y in each of the `orders`.
    """
    moments = CrossMoments(x, y, groups)
    norms, shuffled = nuclear_norms(moments, x, y, orders)
    cka, procrustes = [], []
    for squares, norm, xx, yy, u, v in zip(
        moments.squares(),
        norms,
        *(space_x.squares, space_y.squares, space_x.lengths, space_y.lengths),
        strict=True,
    ):
        enough = min(u.sum(), v.sum()) > ROUNDING
        cka.append(debiased_cka((squares, xx, yy), u, v) if enough else np.nan)
        procrustes.append(max(0.0, 2 - 2 * norm / np.sqrt(u.sum() * v.sum())) if enough else np.nan)
    return np.array(cka), np.array(procrustes), 2 - 2 * float(shuffled.mean())


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


def _block_sums(matrix: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The sum of a symmetric matrix (n, n) over all pairs, then over those outside each group; (1 + groups,)."""
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(matrix.dtype)  # (n, g)
    sums = member.T @ (matrix @ member)
    if len(sums) == 1:
        return sums[0]
    return np.append(sums.sum(), sums.sum() - 2 * sums.sum(axis=1) + sums.diagonal())
