"""What does the map show, and what does it invent?  UMAP and PCA, each beside maps in which there is nothing to see.

All geometry is that of directions: rows at length one, where Euclidean order is cosine order.  What maps of the same
features have in common (neighbours, edges, the null space and its layouts, the PCA and its scores) is made once and
kept for a while, so that a second map with another seed or min_dist costs a fraction of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors, unit_rows
from sslviz.diagnostics.projection.quality import align, map_chance, seed_agreement
from sslviz.diagnostics.projection.space import Space, matched_noise
from sslviz.diagnostics.projection.torchdr_layout import check_torchdr
from sslviz.diagnostics.projection.umap_layout import layouts
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval

Method = Literal["umap", "umap-learn", "torchdr", "pca"]

MOST_POINTS = 99_999  # a scatter of more freezes on hover
EPOCHS = 200
JOBS: dict[str, Callable[..., Any]] = {  # who lays out
    "umap": Space.umap_job,
    "umap-learn": Space.umap_learn_job,
    "torchdr": Space.torchdr_job,
}
PACKAGES = {"umap": ("numba",), "umap-learn": ("numba", "umap-learn"), "torchdr": ("torch", "torchdr")}


@dataclass(frozen=True, eq=False)
class Projection:
    """Where does each image lie on the map, and is it believable there?

    `xy` float32 (n, 2) in the order of `ids`.  Per image, in [0, 1]: `trustworthiness` (its neighbours on the map are
    true ones), `continuity` (its true ones are on the map nearby) and `preservation` (share of its `k` nearest that
    are its `k` nearest on the map).  Not of a PCA: `stability`, the share of its map neighbours that another seed gives
    it too, and `spread`, how far seeds move it once aligned, in units of the map's radius; None where one seed was
    drawn.  `null_xy` (n, 2) is the map of Gaussian noise with the same mean and covariance.
    `controls` {score: {control: value}}.
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
    control_values: dict[str, dict[str, float]]

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantities whose means are the scores, for each image in the order of `ids`: {score: (n,)}."""
        points = {
            "trustworthiness": self.trustworthiness,
            "continuity": self.continuity,
            "knn_preservation": self.preservation,
        }
        return points if self.stability is None else points | {"seed_stability": self.stability}

    @property
    def reliable(self) -> np.ndarray:
        """Which images keep more neighbours than chance would leave them?  (n,) bool, chance at its 95 % point.

        An image placed at random shares a hypergeometric number of its k neighbours on the map with its k nearest.
        """
        from scipy.stats import hypergeom

        return self.preservation * self.k > hypergeom(len(self.ids) - 1, self.k, self.k).ppf(0.95) + 1e-6

    def scores(self) -> dict[str, Score]:
        """Means over the images with bootstrap intervals, beside chance, the null map and, if it is not one, PCA."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        points = self.per_image()
        draws = bootstrap_balanced_mean(np.stack(list(points.values())), np.zeros(len(self.ids)), seed=0)
        return {
            name: Score(float(values.mean()), *percentile_interval(draws[:, i]), controls=self.control_values[name])
            for i, (name, values) in enumerate(points.items())
        }


def projection(
    features: Features,
    method: Method = "umap",
    *,
    like: Projection | None = None,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    epochs: int = EPOCHS,
    graph: Neighbors | None = None,
    seed: int = 0,
    control_seed: int = 0,
) -> Projection:
    """What is near what, drawn in two dimensions?

    `method` "umap" (arXiv 1802.03426; our exact cosine neighbours, PCA start, `epochs` rounds, `min_dist` from the
    last quarter of them on), "umap-learn" (the reference package, from the same neighbours, start and seeds; `min_dist`
    in all rounds), "torchdr" (the same method by TorchDR, an extra, on the GPU if there is one; `min_dist` in all
    rounds, at most 20,000 images) or "pca" (of the rows at length one).  `like` is another projection of (some of)
    the same images: the map is turned, mirrored and scaled onto it, and a UMAP like a UMAP starts from its positions,
    halfway through its rounds, so that points do not jump for no reason.  `graph` is `neighbors(features, k)` with
    k >= n_neighbors, where that was computed before; TorchDR, which finds its own, is only scored by it.

    Scores, means over images with k = n_neighbors: `trustworthiness`, `continuity` (Venna & Kaski 2001; exact),
    `knn_preservation`, and for any UMAP `seed_stability` over three seeds.  Controls: "chance" (a random map, closed
    form), "PCA", and the "null map": Gaussian noise with the same mean and covariance through the same steps, scored
    against its own space.  `seed` draws the map, `control_seed` the noise and the two layouts that it is compared
    with; with the same control seed, maps of the same features share them.  Layouts are the same for the same seeds
    and versions on the same kind of machine.

    ValueError for features without two different directions, n <= 2 n_neighbors, and more than 99,999 images.

    Caveat: Sizes of clusters and distances between them mean nothing on a UMAP, which draws clusters in noise too:
    compare the null map.
    """
    _check(features, method, n_neighbors, min_dist, epochs)
    space = Space.of(features, n_neighbors, graph)
    null = Space.of(matched_noise(features, control_seed), n_neighbors)
    steps: dict[str, Any] = {}
    if method == "pca":
        coming = iter([space.pca, null.pca])
    else:
        steps = {"n_neighbors": n_neighbors, "min_dist": min_dist, "epochs": epochs}
        job = JOBS[method]
        jobs = [job(space, seed=s, **steps) for s in (seed, *_others(control_seed))]
        if like is not None:
            start = _start_like(like, features.ids, space.pca)
            jobs = [replace(each, start=start, name=None, warm=like.method != "pca") for each in jobs]
        of_noise = [job(null, seed=s, **steps) for s in _others(control_seed)]
        coming = layouts([jobs[0], of_noise[0], *jobs[1:], *of_noise[1:]])
    xy, null_xy = next(coming), next(coming)  # scored while those of other seeds are still being made
    own = space.quality({"": xy} if method == "pca" else {"": xy, "PCA": space.pca})
    key = ("null map", method, *steps.values())
    of_null = null.quality({key: null_xy})[key]
    others = list(coming)
    stability, spread = seed_agreement([xy, *others[:2]], n_neighbors)
    null_stability, _ = seed_agreement([null_xy, *others[2:]], n_neighbors)
    return _result(
        features.ids, method, n_neighbors, own[""], _controls(own | {"null map": of_null}, null_stability, space),
        xy=xy if like is None else align(xy, features.ids, like.xy, like.ids),
        params={"seed": seed, "control_seed": control_seed, "aligned": like is not None} | steps,
        stability=stability, spread=spread, null_xy=null_xy,
    )  # fmt: skip


def aligned_projections(
    features: Mapping[str, Features],
    method: Method = "umap",
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    epochs: int = EPOCHS,
    seed: int = 0,
    control_seed: int = 0,
) -> dict[str, Projection]:
    """What moved?  A map of each of several checkpoints, or of the steps of one run, on which points stay put if they can.

    `features` {name: Features} of the same images in the same order.  The first map is as `projection` makes it; each
    other starts from the one before it and is laid over it.  All are scored, each against its own space and null map.
    ValueError for other images, and whatever `projection` refuses.

    Caveat: A point that stays may have changed all its neighbours, and one that moves none: see `displacement`.
    """
    first = next(iter(features.values()), None)
    if first is None:
        raise ValueError("Aligned maps need features, but the dict is empty; give {checkpoint name: features}.")
    for name, other in features.items():
        if not np.array_equal(other.ids, first.ids):
            raise ValueError(
                f"Aligned maps show the same images in the same order, but those of {name!r} are others; "
                "embed the same images, or `select` the ids that all have."
            )
    maps: dict[str, Projection] = {}
    before: Projection | None = None
    for name, one in features.items():
        before = maps[name] = projection(
            one, method, like=before, n_neighbors=n_neighbors, min_dist=min_dist, epochs=epochs, seed=seed,
            control_seed=control_seed,
        )  # fmt: skip
    return maps


def projection_strip(
    features: Features,
    n_neighbors: Sequence[int] = (5, 15, 50),
    min_dists: Sequence[float] = (0.0, 0.1, 0.5),
    *,
    k: int = 15,
    most: int = 3000,
    epochs: int = EPOCHS,
    seed: int = 0,
    control_seed: int = 0,
) -> dict[tuple[int, float], Projection]:
    """How much of the map is its settings?  UMAPs {(n_neighbors, min_dist): Projection} of the same images.

    All are scored by the same `k` nearest, so that their scores can be compared; beside each stand chance, PCA and its
    own null map.  One seed each, so without `seed_stability`.  Of more than `most` images a random sample (by `seed`)
    is drawn.  ValueError as for `projection`.

    Caveat: The setting with the best score is not the true map; what changes from map to map is not in the features.
    """
    if len(features) > most:
        features = features.rows(np.sort(np.random.default_rng(seed).permutation(len(features))[:most]))
    settings = [(nearest, min_dist) for nearest in n_neighbors for min_dist in min_dists]
    for nearest, min_dist in settings:
        _check(features, "umap", max(nearest, k), min_dist, epochs)
    widest = max(k, *n_neighbors)
    space, null = Space.of(features, widest), Space.of(matched_noise(features, control_seed), widest)
    jobs = [space.umap_job(*setting, epochs, seed) for setting in settings]
    found = list(layouts(jobs + [null.umap_job(*setting, epochs, _others(control_seed)[0]) for setting in settings]))
    space, null = (replace(each, graph=each.graph.nearest(k)) for each in (space, null))
    maps = dict(zip(settings, found, strict=False))
    nulls = {
        ("null map", "umap", *setting, epochs): xy for setting, xy in zip(settings, found[len(settings) :], strict=True)
    }
    own, of_null = space.quality({"PCA": space.pca} | maps), null.quality(nulls)
    return {
        (nearest, min_dist): _result(
            features.ids, "umap", k, own[nearest, min_dist],
            _controls({"PCA": own["PCA"], "null map": of_null[key]}, None, space),
            xy=maps[nearest, min_dist], null_xy=nulls[key], stability=None, spread=None,
            params={"seed": seed, "control_seed": control_seed, "aligned": False, "n_neighbors": nearest,
                    "min_dist": min_dist, "epochs": epochs},
        )
        for (nearest, min_dist), key in zip(settings, nulls, strict=True)
    }  # fmt: skip


def _result(
    ids: np.ndarray, method: str, k: int, points: dict[str, np.ndarray], controls: dict[str, dict[str, float]],
    *, params: dict[str, Any], **rest: Any,
) -> Projection:  # fmt: skip
    used = ("numpy", *PACKAGES.get(method, ()))
    return Projection(
        ids=ids, method=method, k=k, params={"metric": "cosine"} | params,
        versions={name: version(name) for name in used}, trustworthiness=points["trustworthiness"],
        continuity=points["continuity"], preservation=points["knn_preservation"], control_values=controls, **rest,
    )  # fmt: skip


def _others(control_seed: int) -> list[tuple[int, ...]]:
    """The seeds of the layouts that a map is compared with; never those of a map itself."""
    return [(control_seed, 1), (control_seed, 2)]


def _controls(
    quality: Mapping[Any, dict[str, np.ndarray]], null_stability: np.ndarray | None, space: Space
) -> dict[str, dict[str, float]]:
    """{score: {control: value}}: chance beside the means of the maps that are there to compare with."""
    n, k = space.graph.indices.shape
    maps = [name for name in ("PCA", "null map") if name in quality]
    controls = {
        score: {"chance": chance} | {name: float(quality[name][score].mean()) for name in maps}
        for score, chance in map_chance(n, k).items()
    }
    if null_stability is not None:
        controls["seed_stability"] = {"chance": k / (n - 1), "null map": float(null_stability.mean())}
    return controls


def _start_like(like: Projection, ids: np.ndarray, pca_xy: np.ndarray) -> np.ndarray:
    """The other map's positions; images that it does not show start where the PCA, laid over it, has them."""
    start = align(pca_xy, ids, like.xy, like.ids)
    _, here, there = np.intersect1d(ids, like.ids, return_indices=True)
    start[here] = like.xy[there]
    return start


def _check(features: Features, method: str, n_neighbors: int, min_dist: float, epochs: int) -> None:
    n, d = features.x.shape
    if method not in get_args(Method):
        raise ValueError(f"There is no projection {method!r}; there are: {', '.join(get_args(Method))}.")
    if n > MOST_POINTS:
        raise ValueError(f"A map shows at most {MOST_POINTS:,} images, but there are {n:,}; draw a sample of them.")
    if method == "torchdr":
        check_torchdr(n)
    if n_neighbors < 2 or n <= 2 * n_neighbors:
        raise ValueError(
            f"A map with {n_neighbors} neighbours needs n_neighbors >= 2 and more than twice as many images; got {n}. "
            "Lower n_neighbors or add images."
        )
    if not 0 <= min_dist <= 1 or epochs < 10:
        raise ValueError(f"A map needs min_dist in [0, 1] and 10 epochs or more; got {min_dist} and {epochs}.")
    if d < 2 or np.ptp(unit_rows(features.x), axis=0).max() < 1e-6:
        raise ValueError(
            "All features point the same way (constant features, or a single dimension), so there is nothing to map; "
            "see `spectrum` for whether the encoder has collapsed."
        )
