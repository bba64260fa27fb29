"""Which patches of one picture are an object, by their tokens alone: TokenCut and LOST, and a patch drawn at random."""

from __future__ import annotations

import numpy as np

SIMILAR = 0.2  # cosine from which two patches are joined (arXiv 2202.11539)
WEAK = 1e-5  # weight of all other pairs, so that the graph hangs together (as above)
EXPANDED, SHARE = (
    100,
    0.15,
)  # patches that LOST may expand its seed by: 100 (arXiv 2109.14279), as its pictures of 700 had


def affinity(tokens: np.ndarray) -> np.ndarray:
    """TokenCut's graph of patches: tokens (N, d) -> (N, N), 1 where the cosine is above SIMILAR, else WEAK."""
    unit = tokens / np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
    return np.where(unit @ unit.T > SIMILAR, 1.0, WEAK)


def tokencut(graph: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The object by a normalised cut of a graph of patches (N, N): bool (rows, columns).

    The eigenvector of (D - A, D) with the second smallest eigenvalue is split at its mean.  The object is on the side of
    the largest entry, and hangs together with it.
    """
    from scipy.linalg import eigh

    root = np.sqrt(graph.sum(1))
    laplacian = np.eye(len(graph)) - graph / root[:, None] / root
    vector = eigh(laplacian, subset_by_index=[1, 1])[1][:, 0] / root
    seed = int(np.abs(vector).argmax())
    side = vector > vector.mean()
    return component(side if side[seed] else ~side, seed, grid)


def lost(products: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The object by a seed that is like few others and its expansion, of inner products of tokens (N, N).

    The degree of a patch is the number of patches with a positive product; the seed has the least.  Of the patches with
    the least degrees, those with a positive product with the seed say by their sum what else is object.
    """
    degree = (products > 0).sum(1)
    order = np.argsort(degree, kind="stable")
    seed = int(order[0])
    few = order[: min(EXPANDED, max(1, round(SHARE * len(order))))]
    alike = few[products[seed, few] > 0]
    return component(products[np.union1d(alike, [seed])].sum(0) > 0, seed, grid)


def component(member: np.ndarray, seed: int, grid: tuple[int, int]) -> np.ndarray:
    """The patches that hang together with the seed, side by side: bool (rows, columns); the seed alone if it is none."""
    from scipy.ndimage import label

    mask = member.reshape(grid).copy()
    at = np.unravel_index(seed, grid)
    mask[at] = True
    regions = label(mask)[0]
    return regions == regions[at]


def box_of(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box x0 y0 x1 y1 around patches, in pixels of a picture of this height and width."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    down, right = size[0] / mask.shape[0], size[1] / mask.shape[1]
    return np.array([columns[0] * right, rows[0] * down, (columns[-1] + 1) * right, (rows[-1] + 1) * down])
