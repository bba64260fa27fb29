"""Sums of the singular values of x^T y, which the Procrustes distance is: as is, without each tenth, shuffled."""

from __future__ import annotations

from functools import partial

import numpy as np

from sslviz.diagnostics.similarity.cross_moments import CrossMoments
from sslviz.diagnostics.similarity.measures import nuclear_norm, polar
from sslviz.runtime.threads import side_by_side

MAX_SHUFFLES = 5  # their mean varies far less than the interval is wide
NULL_ERROR = 0.01  # standard error of that mean, at most: the last digit that is shown
# From here on groups are left out to first order only.  The second, summed over many well measured directions, is nearly
# the same for each.  In spaces with anything in common intervals are .94 to 1.04 times as wide as from a decomposition of
# each group; of unrelated ones .86 to 1.31 times, where all of it is a tenth of the distance from what would be alike.
FIRST_ORDER_WIDTH = 512  # directions of the narrower space
FIRST_ORDER_IMAGES = 4  # for each of them


def nuclear_norms(
    moments: CrossMoments, x: np.ndarray, y: np.ndarray, orders: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """One for each of the `groups` of the moments of x and y, and one for each order in which the rows of y may come."""
    narrow = min(x.shape[1], y.shape[1])
    if narrow >= FIRST_ORDER_WIDTH and len(x) >= FIRST_ORDER_IMAGES * narrow:
        tasks = [partial(_first_order, moments)]
    else:
        tasks = [partial(_exact, moments, g) for g in moments.groups]
    a, b = x.astype(np.float32).T, y.astype(np.float32)
    shuffles = [partial(_shuffled, a, b, order) for order in orders]
    found = side_by_side(lambda task: task(), [*tasks, *shuffles])
    return np.concatenate(found[: len(tasks)]), np.concatenate(found[len(tasks) :])


def shuffles_needed(n: int, squares_x: float, squares_y: float) -> int:
    """How many shuffles of n rows give `procrustes` of unrelated images to NULL_ERROR.

    `squares` are the squared Frobenius norms of x^T x and y^T y, of `scaled` spaces.  Shuffled, the entries of x^T y have
    the covariance x^T x (x) y^T y / (n - 1).  A sum of singular values changes along Q, orthonormal.  Its variance is
    therefore at most tr(x^T x Q y^T y Q^T) / (n - 1) (Poincare).  That is at most sqrt(squares_x squares_y) / (n - 1).
    """
    variance = 4 * np.sqrt(squares_x * squares_y) / (n - 1)
    return int(np.clip(np.ceil(variance / NULL_ERROR**2), 1, MAX_SHUFFLES))


def _exact(moments: CrossMoments, g: int | None) -> np.ndarray:
    return np.array([nuclear_norm(moments.without(g))])


def _first_order(moments: CrossMoments) -> np.ndarray:
    norm, direction = polar(moments.without(None))
    along = moments.along(direction)
    return norm + along - along[0]


def _shuffled(a: np.ndarray, b: np.ndarray, order: np.ndarray) -> np.ndarray:
    """With the product in float32, which is twice as fast.

    Rounding turns it a little, every way alike, and moves the sum of its singular values by 1e-8.
    """
    return np.array([nuclear_norm((a @ b[order]).astype(np.float64))])
