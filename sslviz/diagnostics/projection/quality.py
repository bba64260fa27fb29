"""The quality of a map: its neighbours against the true ones, its seeds against each other, each beside chance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import neighbor_ranks, overlap


def map_quality(x: np.ndarray, maps: Mapping[Any, np.ndarray], near: np.ndarray) -> dict[Any, dict[str, np.ndarray]]:
    """The quality of each point of these maps: {map: {score: (n,)}} in [0, 1]; the means are the scores.

    `x` (n, d) is the space drawn, `maps` {name: xy (n, 2)}, `near` (n, k) the k nearest rows of each row of `x`.
    `trustworthiness` falls with the true rank of the k nearest on the map, `continuity` with the rank on the map of
    the k nearest (Venna & Kaski 2001).  `knn_preservation` is the share that both have.  Exact; memory for a block of
    rows.  All three look at the k nearest only: a map can score well and still place whole groups anywhere.
    """
    n, k = near.shape
    if not maps:
        return {}
    on_map = {name: _nearest_on_map(xy, k) for name, xy in maps.items()}
    ranks = np.split(neighbor_ranks(x, np.hstack(list(on_map.values()))), len(maps), axis=1)  # one sort serves all
    return {
        name: {
            "trustworthiness": _rank_score(rank, n),
            "continuity": _rank_score(_ranks_on_map(xy, near), n),
            "knn_preservation": overlap(near, on_map[name]),
        }
        for rank, (name, xy) in zip(ranks, maps.items(), strict=True)
    }


def _rank_score(ranks: np.ndarray, n: int) -> np.ndarray:
    """1 where all k are among the k nearest, 0 where they are the k farthest; (n,)."""
    k = ranks.shape[1]
    return 1 - 2 / (k * (2 * n - 3 * k - 1)) * np.maximum(ranks - k, 0).sum(axis=1)


def map_chance(n: int, k: int) -> dict[str, float]:
    """The mean scores of a random map, on which each of the k neighbours has any of the n - 1 ranks."""
    random = 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))
    return {"trustworthiness": random, "continuity": random, "knn_preservation": k / (n - 1)}


def quality_controls(
    n: int, k: int, quality: Mapping[Any, dict[str, np.ndarray]], null_stability: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """{score: {control: value}}: chance, and the means of the maps called "PCA" and "null map" in `quality`."""
    maps = [name for name in ("PCA", "null map") if name in quality]
    values = {
        score: {"chance": chance} | {name: float(quality[name][score].mean()) for name in maps}
        for score, chance in map_chance(n, k).items()
    }
    if null_stability is not None:
        values["seed_stability"] = {"chance": k / (n - 1), "null map": float(null_stability.mean())}
    return values


def _nearest_on_map(xy: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other points of each, (n, k)."""
    from scipy.spatial import cKDTree

    _, near = cKDTree(xy).query(xy, k + 1)
    self_column = near == np.arange(len(xy))[:, None]
    self_column[~self_column.any(axis=1), -1] = True  # pushed out by k + 1 others at the same place
    return near[~self_column].reshape(len(xy), k)


def _ranks_on_map(xy: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`neighbor_ranks` in two dimensions: counted rather than sorted, in a seventh of the time."""
    from sslviz.diagnostics.projection.umap_loops import count_closer

    xy, members = np.ascontiguousarray(xy, dtype=np.float64), np.ascontiguousarray(members)
    closer = np.empty(members.shape, dtype=np.int64)
    bounds = np.linspace(0, len(xy), 17).astype(int)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda part: count_closer(xy, members, *part, closer), pairwise(bounds)))
    return np.maximum(closer, 1)  # the point itself is among the closer ones, unless the member lies on it


def align(xy: np.ndarray, ids: np.ndarray, reference_xy: np.ndarray, reference_ids: np.ndarray) -> np.ndarray:
    """The points (n, 2) of a map laid over a reference: turned, mirrored, shifted and scaled.

    Orthogonal Procrustes on the images that both maps show, brought to the same radius; neighbours on the map stay what
    they were.  Unrelated maps, too, look a little alike then.  ValueError for fewer than three common images.
    """
    _, rows, reference_rows = np.intersect1d(ids, reference_ids, return_indices=True)
    if len(rows) < 3:
        raise ValueError(f"Two maps can be aligned by 3 common images or more; these share {len(rows)}.")
    points, reference = xy[rows].astype(np.float64), reference_xy[reference_rows].astype(np.float64)
    center, reference_center = points.mean(axis=0), reference.mean(axis=0)
    points, reference = points - center, reference - reference_center
    u, _, vt = np.linalg.svd(points.T @ reference)
    # To equal radius, not by least squares: that would shrink a map to a dot where the two have nothing in common.
    scale = np.sqrt((reference**2).sum() / max((points**2).sum(), np.finfo(float).tiny))
    return ((xy - center) @ (u @ vt) * scale + reference_center).astype(np.float32)


def start_like(xy: np.ndarray, ids: np.ndarray, reference_xy: np.ndarray, reference_ids: np.ndarray) -> np.ndarray:
    """The positions (n, 2) of a reference; images that it does not show lie where `xy`, laid over it, has them."""
    start = align(xy, ids, reference_xy, reference_ids)
    _, rows, reference_rows = np.intersect1d(ids, reference_ids, return_indices=True)
    start[rows] = reference_xy[reference_rows]
    return start


def seed_agreement(layouts: list[np.ndarray], k: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Per point: the share of map neighbours that two seeds agree on, and the spread over seeds, in map radii.

    None for a single layout.
    """
    if len(layouts) < 2:
        return None, None
    near = [_nearest_on_map(xy, k) for xy in layouts]
    agreement = np.mean([overlap(a, b) for a, b in combinations(near, 2)], axis=0)
    ids = np.arange(len(layouts[0]))
    aligned = np.stack([align(xy, ids, layouts[0], ids) for xy in layouts])  # (seeds, n, 2)
    radius = np.sqrt(layouts[0].var(axis=0).sum())
    return agreement, np.sqrt(aligned.var(axis=0).sum(axis=1)) / radius
