"""What does the map show, and what does it invent?  UMAP and PCA, each beside maps in which there is nothing to see.

Rows are at length one, where Euclidean order is cosine order.  What maps of the same features have in common is cached:
neighbours, edges, the null space and its layouts, the PCA and its scores.  So a second map with another seed or min_dist
costs a fraction of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors
from sslviz.diagnostics.projection.layout_methods import (
    EPOCHS,
    JOBS,
    PACKAGES,
    LayoutMethod,
    check_settings,
    control_seeds,
)
from sslviz.diagnostics.projection.quality import align, quality_controls, seed_agreement, start_like
from sslviz.diagnostics.projection.space import Space, matched_noise
from sslviz.diagnostics.projection.umap_layout import layouts
from sslviz.features import Features
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval


@dataclass(frozen=True, eq=False)
class Projection:
    """Positions of images on a map, and how far each of them can be believed.

    - xy: positions float32 (n, 2) in the order of `ids`
    - ids: the images (n,)
    - method: "umap", "umap-learn", "torchdr" or "pca"
    - k: neighbours by which the map is scored
    - params: metric, seeds and settings
    - versions: of the packages that laid out
    - trustworthiness: whether an image's neighbours on the map are true ones, (n,) in [0, 1]
    - continuity: whether its true neighbours are near it on the map, (n,) in [0, 1]
    - preservation: share of its k nearest that are its k nearest on the map, (n,) in [0, 1]
    - stability: share of its map neighbours that it has under another seed too, (n,); None for a single seed or a PCA
    - spread: how far seeds move it once aligned, in units of the map's radius, (n,); None as `stability`
    - null_xy: the map of Gaussian noise with the same mean and covariance, (n, 2)
    - control_values: {score: {control: value}}
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
        points = {"trustworthiness": self.trustworthiness, "continuity": self.continuity}
        points |= {"knn_preservation": self.preservation}
        return points if self.stability is None else points | {"seed_stability": self.stability}

    @property
    def reliable(self) -> np.ndarray:
        """The images that keep more neighbours than chance would leave them, at its 95 % point: bool (n,).

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
    method: LayoutMethod = "umap",
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

    `method`:
    - "umap" (arXiv 1802.03426): our exact cosine neighbours, PCA start, `epochs` rounds, `min_dist` in the last quarter
    - "umap-learn": the reference package, from the same neighbours, start and seeds, `min_dist` in all rounds
    - "torchdr": by TorchDR (an extra), on the GPU if there is one, `min_dist` in all rounds; at most 20,000 images
    - "pca": of the rows at length one

    `like` is another projection of (some of) the same images: the map is turned, mirrored and scaled onto it.  A UMAP like
    a UMAP starts from its positions, halfway through its rounds, so that points do not jump for no reason.  `graph` is
    `neighbors(features, k)` with k >= n_neighbors, where that was computed before.  TorchDR, which finds its own, is only
    scored by it.

    Scores, means over images with k = n_neighbors: `trustworthiness`, `continuity` (Venna & Kaski 2001; exact),
    `knn_preservation`, and for any UMAP `seed_stability` over three seeds.  Controls: "chance" (a random map, closed
    form), "PCA", and the "null map": Gaussian noise with the same mean and covariance through the same steps, scored
    against its own space.

    `seed` draws the map, `control_seed` the noise and the two layouts that the map is compared with.  Maps of the same
    features and control seed share them.  Layouts are the same for the same seeds and versions on the same kind of
    machine.  ValueError for features without two different directions, n <= 2 n_neighbors, and more than 99,999 images.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(100, 8)) + 5 * np.eye(8)[np.arange(100) % 2]
        >>> score = sslviz.projection(sslviz.Features.from_array(x), "pca").scores()["trustworthiness"]
        >>> score.value > score.controls["chance"]
        True

    Caveat: Sizes of clusters and distances between them mean nothing on a UMAP, which draws clusters in noise too:
    compare the null map.
    """
    check_settings(features, method, n_neighbors, min_dist, epochs)
    space = Space.of(features, n_neighbors, graph)
    null = Space.of(matched_noise(features, control_seed), n_neighbors)
    settings: dict[str, Any] = {}
    if method == "pca":
        xys = iter([space.pca, null.pca])
    else:
        settings = {"n_neighbors": n_neighbors, "min_dist": min_dist, "epochs": epochs}
        job = JOBS[method]
        jobs = [job(space, seed=s, **settings) for s in (seed, *control_seeds(control_seed))]
        if like is not None:
            start = start_like(space.pca, features.ids, like.xy, like.ids)
            jobs = [replace(each, start=start, name=None, warm=like.method != "pca") for each in jobs]
        null_jobs = [job(null, seed=s, **settings) for s in control_seeds(control_seed)]
        xys = layouts([jobs[0], null_jobs[0], *jobs[1:], *null_jobs[1:]])
    xy, null_xy = next(xys), next(xys)  # scored while those of other seeds are still being made
    quality = space.quality({"": xy} if method == "pca" else {"": xy, "PCA": space.pca})
    null_key = ("null map", method, *settings.values())
    quality["null map"] = null.quality({null_key: null_xy})[null_key]
    other_seeds = list(xys)
    stability, spread = seed_agreement([xy, *other_seeds[:2]], n_neighbors)
    null_stability, _ = seed_agreement([null_xy, *other_seeds[2:]], n_neighbors)
    return scored_projection(
        features.ids,
        method,
        n_neighbors,
        quality[""],
        quality_controls(len(features), n_neighbors, quality, null_stability),
        xy=xy if like is None else align(xy, features.ids, like.xy, like.ids),
        params={"seed": seed, "control_seed": control_seed, "aligned": like is not None} | settings,
        stability=stability,
        spread=spread,
        null_xy=null_xy,
    )


def aligned_projections(
    features: Mapping[str, Features],
    method: LayoutMethod = "umap",
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

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(100, 8))
        >>> turned = {"before": sslviz.Features.from_array(x), "after": sslviz.Features.from_array(x[:, ::-1])}
        >>> maps = sslviz.aligned_projections(turned, "pca")
        >>> np.allclose(maps["before"].xy, maps["after"].xy, atol=1e-4)
        True

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
    for name, space in features.items():
        before = maps[name] = projection(
            space,
            method,
            like=before,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            epochs=epochs,
            seed=seed,
            control_seed=control_seed,
        )
    return maps


def scored_projection(
    ids: np.ndarray,
    method: str,
    k: int,
    quality: dict[str, np.ndarray],
    control_values: dict[str, dict[str, float]],
    *,
    params: dict[str, Any],
    **arrays: Any,
) -> Projection:
    """The result of a layout, with its `quality` as `map_quality` gives it."""
    return Projection(
        ids=ids,
        method=method,
        k=k,
        params={"metric": "cosine"} | params,
        versions={name: version(name) for name in ("numpy", *PACKAGES.get(method, ()))},
        trustworthiness=quality["trustworthiness"],
        continuity=quality["continuity"],
        preservation=quality["knn_preservation"],
        control_values=control_values,
        **arrays,
    )
