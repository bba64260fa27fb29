"""UMAPs of the same images under several settings, to see how much of a map is its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sslviz.diagnostics.projection.layout_methods import EPOCHS, check_settings, control_seeds
from sslviz.diagnostics.projection.projection import Projection, scored_projection
from sslviz.diagnostics.projection.quality import quality_controls
from sslviz.diagnostics.projection.space import Space, matched_noise
from sslviz.diagnostics.projection.umap_layout import layouts
from sslviz.features import Features


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
    """UMAPs {(n_neighbors, min_dist): Projection} of the same images.

    All are scored by the same `k` nearest, so that their scores can be compared; beside each stand chance, PCA and its
    own null map.  One seed each, so without `seed_stability`.  Of more than `most` images a random sample (by `seed`)
    is drawn.  ValueError as for `projection`.

    Caveat: The setting with the best score is not the true map; what changes from map to map is not in the features.
    """
    if len(features) > most:
        features = features.rows(np.sort(np.random.default_rng(seed).permutation(len(features))[:most]))
    settings = [(nearest, min_dist) for nearest in n_neighbors for min_dist in min_dists]
    for nearest, min_dist in settings:
        check_settings(features, "umap", max(nearest, k), min_dist, epochs)
    widest = max(k, *n_neighbors)
    space, null = Space.of(features, widest), Space.of(matched_noise(features, control_seed), widest)
    jobs = [space.umap_job(*setting, epochs, seed) for setting in settings]
    null_jobs = [null.umap_job(*setting, epochs, control_seeds(control_seed)[0]) for setting in settings]
    xys = list(layouts([*jobs, *null_jobs]))
    space, null = (replace(each, graph=each.graph.nearest(k)) for each in (space, null))
    maps = dict(zip(settings, xys[: len(settings)], strict=True))
    null_keys = [("null map", "umap", *setting, epochs) for setting in settings]
    nulls = dict(zip(null_keys, xys[len(settings) :], strict=True))
    quality, null_quality = space.quality({"PCA": space.pca} | maps), null.quality(nulls)
    params = {"seed": seed, "control_seed": control_seed, "aligned": False, "epochs": epochs}
    return {
        (nearest, min_dist): scored_projection(
            features.ids,
            "umap",
            k,
            quality[nearest, min_dist],
            quality_controls(len(features), k, {"PCA": quality["PCA"], "null map": null_quality[key]}, None),
            xy=maps[nearest, min_dist],
            null_xy=nulls[key],
            stability=None,
            spread=None,
            params=params | {"n_neighbors": nearest, "min_dist": min_dist},
        )
        for (nearest, min_dist), key in zip(settings, null_keys, strict=True)
    }
