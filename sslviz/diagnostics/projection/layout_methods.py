"""Who lays out a map, with which packages, and what none of them can lay out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.diagnostics.projection.space import Space
from sslviz.diagnostics.projection.torchdr_layout import check_torchdr
from sslviz.features import Features

LayoutMethod = Literal["umap", "umap-learn", "torchdr", "pca"]

MAX_POINTS = 99_999  # a scatter of more freezes on hover
EPOCHS = 200
JOBS: dict[str, Callable[..., Any]] = {
    "umap": Space.umap_job,
    "umap-learn": Space.umap_learn_job,
    "torchdr": Space.torchdr_job,
}
PACKAGES = {"umap": ("numba",), "umap-learn": ("numba", "umap-learn"), "torchdr": ("torch", "torchdr")}


def control_seeds(control_seed: int) -> list[tuple[int, ...]]:
    """The seeds of the layouts that a map is compared with; never those of a map itself."""
    return [(control_seed, 1), (control_seed, 2)]


def check_settings(features: Features, method: str, n_neighbors: int, min_dist: float, epochs: int) -> None:
    """ValueError where `projection` cannot map these features so."""
    n, d = features.x.shape
    if method not in get_args(LayoutMethod):
        raise ValueError(f"There is no projection {method!r}; there are: {', '.join(get_args(LayoutMethod))}.")
    if n > MAX_POINTS:
        raise ValueError(f"A map shows at most {MAX_POINTS:,} images, but there are {n:,}; draw a sample of them.")
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
