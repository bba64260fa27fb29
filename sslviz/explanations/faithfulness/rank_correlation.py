"""Rank correlations between maps, of the same image and of different ones."""

from __future__ import annotations

import numpy as np


def rank_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman (n, m) of every map of a (n, h, w) with every map of b (m, h, w); 0 with a constant map."""
    return _standard_ranks(a) @ _standard_ranks(b).T


def _standard_ranks(maps: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length > 0, length, 1)


def off_diagonal(square: np.ndarray) -> np.ndarray:
    """The entries of a square matrix that relate different images."""
    return square[~np.eye(len(square), dtype=bool)]
