"""What does the map show, and what does it invent?  UMAP and PCA, each beside maps in which there is nothing to see.

All geometry is that of directions: rows at length one, where Euclidean order is cosine order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from sslviz.diagnostics.map_quality import align, map_chance, map_quality, seed_agreement
from sslviz.diagnostics.moments import Moments
from sslviz.diagnostics.neighbors import Neighbors, directions, neighbors
from sslviz.features import Features
from sslviz.scores import Score, bootstrap_balanced_mean, percentile_interval

MOST_POINTS = 99_999  # a scatter of more freezes on hover
SEEDS = 3  # layouts that must agree for a map to be called stable
EPOCHS = 200


@dataclass(frozen=True, eq=False)
class Projection:
    """Where does each image lie on the map, and is it believable there?

    `xy` float32 (n, 2) in the order of `ids`.  Per image, in [0, 1]: `trustworthiness` (its neighbours on the map are
    true ones), `continuity` (its true ones are on the map nearby) and `preservation` (share of its `k` nearest that
    are its `k` nearest on the map).  UMAP only: `stability`, the share of its map neighbours that another seed gives
    it too, and `spread`, how far seeds move it once aligned, in units of the map's radius.  `null_xy` (n, 2) is the
    map of Gaussian noise with the same mean and covariance.  `controls` {score: {control: value}}.
    """

    xy: np.ndarray
    ids: np.ndarray
    method: str
    k: int
    params: dict[str, Any]
    versions: dict[str, str]
    trustworthiness: np.ndarray
    continuity: np.ndarray
    preservation: np.ndarray
    stability: np.ndarray | None
    spread: np.ndarray | None
    null_xy: np.ndarray
    controls: dict[str, dict[str, float]]

    def scores(self) -> dict[str, Score]:
        """Means over the images with bootstrap intervals, beside chance, the null map and (for UMAP) PCA."""
        points = {
            "trustworthiness": self.trustworthiness,
            "continuity": self.continuity,
            "knn_preservation": self.preservation,
        }
        if self.stability is not None:
            points["seed_stability"] = self.stability
        draws = bootstrap_balanced_mean(np.stack(list(points.values())), np.zeros(len(self.ids)), seed=0)
        return {
            name: Score(float(values.mean()), *percentile_interval(draws[:, i]), controls=self.controls[name])
            for i, (name, values) in enumerate(points.items())
        }


def projection(
    features: Features,
    method: Literal["umap", "pca"] = "umap",
    *,
    like: Projection | None = None,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    epochs: int = EPOCHS,
    graph: Neighbors | None = None,
    seed: int = 0,
) -> Projection:
    """What is near what, drawn in two dimensions?

    `method` "umap" (arXiv 1802.03426; our exact cosine neighbours, PCA start, `epochs` rounds) or "pca" (of the rows
    at length one).  `like` is another projection of (some of) the same images: UMAP starts from its positions, and
    the map is turned, mirrored and scaled onto it, so that points do not jump for no reason.  `graph` is
    `neighbors(features, k)` with k >= n_neighbors, where that was computed before.

    Scores, means over images with k = n_neighbors: `trustworthiness`, `continuity` (Venna & Kaski 2001; exact),
    `knn_preservation`, and for UMAP `seed_stability` over three seeds.  Controls: "chance" (a random map, closed
    form), "PCA", and the "null map": Gaussian noise with the same mean and covariance through the same steps, scored
    against its own space.  A UMAP costs five layouts.  Layouts are the same for the same seed and versions on the
    same kind of machine.

    ValueError for features without two different directions, n <= 2 n_neighbors, and more than 99,999 images.

    Caveat: Sizes of clusters and distances between them mean nothing on a UMAP, which draws clusters in noise too:
    compare the null map.
    """
    _check(features, method, n_neighbors)
    if graph is None:
        graph = neighbors(features, n_neighbors)
    elif graph.metric != "cosine" or not np.array_equal(graph.ids, features.ids):
        raise ValueError("This graph is of other images or not by cosine; pass neighbors(features, k).")
    graph = graph.nearest(n_neighbors)
    x = directions(features.x.astype(np.float64))
    null = directions(_same_moments(features.x, seed))
    null_graph = neighbors(Features.from_array(null), n_neighbors)
    pca_xy, null_xy = _pca(x), _pca(null)
    if method == "pca":
        layouts, null_layouts = [pca_xy], [null_xy]
    else:
        start = pca_xy if like is None else _start_like(like, features.ids, pca_xy)
        layouts = _umap(graph, start, min_dist, epochs, range(seed, seed + SEEDS))
        null_layouts = _umap(null_graph, null_xy, min_dist, epochs, range(seed, seed + 2))
    others = {"PCA": pca_xy} if method == "umap" else {}
    quality = map_quality(x, {"": layouts[0]} | others, graph.indices)
    own = quality.pop("")
    quality |= map_quality(null, {"null map": null_layouts[0]}, null_graph.indices)
    stability, spread = seed_agreement(layouts, n_neighbors)
    null_stability, _ = seed_agreement(null_layouts, n_neighbors)
    umap_only = {"n_neighbors": n_neighbors, "min_dist": min_dist, "epochs": epochs} if method == "umap" else {}
    return Projection(
        xy=layouts[0] if like is None else align(layouts[0], features.ids, like.xy, like.ids),
        ids=features.ids,
        method=method,
        k=n_neighbors,
        params={"metric": "cosine", "seed": seed, "aligned": like is not None} | umap_only,
        versions={name: version(name) for name in ("numpy", *(("umap-learn", "numba") if method == "umap" else ()))},
        trustworthiness=own["trustworthiness"],
        continuity=own["continuity"],
        preservation=own["knn_preservation"],
        stability=stability,
        spread=spread,
        null_xy=null_layouts[0],
        controls=_controls(quality, null_stability, len(x), n_neighbors),
    )


def _controls(
    quality: dict[str, dict[str, np.ndarray]], null_stability: np.ndarray | None, n: int, k: int
) -> dict[str, dict[str, float]]:
    """{score: {control: value}}: chance beside the means of the maps that are there to compare with."""
    controls = {
        score: {"chance": chance} | {name: float(points[score].mean()) for name, points in quality.items()}
        for score, chance in map_chance(n, k).items()
    }
    if null_stability is not None:
        controls["seed_stability"] = {"chance": k / (n - 1), "null map": float(null_stability.mean())}
    return controls


def _pca(x: np.ndarray) -> np.ndarray:
    """The two leading principal components of the rows; the largest loading of each is positive."""
    moments = Moments.of(x)
    axes = np.linalg.eigh(moments.scatter)[1][:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return ((x - moments.mean) @ axes).astype(np.float32)


def _same_moments(x: np.ndarray, seed: int) -> np.ndarray:
    """Gaussian noise with the mean and covariance of the rows of `x`: all a spectrum knows, and no clusters."""
    moments = Moments.of(x)
    values, vectors = np.linalg.eigh(moments.scatter / (moments.n - 1))
    noise = np.random.default_rng(seed).standard_normal(x.shape)
    return noise * np.sqrt(np.maximum(values, 0)) @ vectors.T + moments.mean


def _start_like(like: Projection, ids: np.ndarray, pca_xy: np.ndarray) -> np.ndarray:
    """The other map's positions; images that it does not show start where the PCA, laid over it, has them."""
    start = align(pca_xy, ids, like.xy, like.ids)
    _, here, there = np.intersect1d(ids, like.ids, return_indices=True)
    start[here] = like.xy[there]
    return start


def _umap(graph: Neighbors, start: np.ndarray, min_dist: float, epochs: int, seeds: Iterable[int]) -> list[np.ndarray]:
    """One layout (n, 2) per seed, of one fuzzy graph made from our neighbours.

    Takes umap-learn's two steps instead of its class: the class would make the graph again for each seed, and does
    not cut a shared `precomputed_knn` to n_neighbors below 4,096 rows.  Its neighbour lists start with the point
    itself.
    """
    from sklearn.utils import check_random_state
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    n, k = graph.indices.shape
    indices = np.hstack([np.arange(n, dtype=np.int32)[:, None], graph.indices[:, : k - 1]])
    distances = np.hstack([np.zeros((n, 1), np.float32), graph.distances[:, : k - 1]])
    fuzzy, _, _ = fuzzy_simplicial_set(
        start, k, check_random_state(0), "cosine", knn_indices=indices, knn_dists=distances
    )
    a, b = find_ab_params(1.0, min_dist)
    # UMAP stretches each axis of its start to [0, 10]: an axis without any extent must have a little.
    jitter = np.random.default_rng(0).standard_normal((n, 2)) * 1e-4 * np.ptp(start, axis=0).max()
    return [
        simplicial_set_embedding(
            start, fuzzy.copy(), n_components=2, initial_alpha=1.0, a=a, b=b, gamma=1.0, negative_sample_rate=5,
            n_epochs=epochs, init=(start + jitter).astype(np.float32), random_state=check_random_state(seed),
            metric="cosine", metric_kwds={}, densmap=False, densmap_kwds={}, output_dens=False,
        )[0]
        for seed in seeds
    ]  # fmt: skip


def _check(features: Features, method: str, n_neighbors: int) -> None:
    n, d = features.x.shape
    if method not in ("umap", "pca"):
        raise ValueError(f"There is no projection {method!r}; there are: umap, pca.")
    if n > MOST_POINTS:
        raise ValueError(f"A map shows at most {MOST_POINTS:,} images, but there are {n:,}; draw a sample of them.")
    if n_neighbors < 2 or n <= 2 * n_neighbors:
        raise ValueError(
            f"A map with {n_neighbors} neighbours needs n_neighbors >= 2 and more than twice as many images; got {n}. "
            "Lower n_neighbors or add images."
        )
    if d < 2 or np.ptp(directions(features.x), axis=0).max() < 1e-6:
        raise ValueError(
            "All features point the same way (constant features, or a single dimension), so there is nothing to map; "
            "see `spectrum` for whether the encoder has collapsed."
        )
