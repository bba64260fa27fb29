"""Numbers of an accuracy matrix: R[i, j], the accuracy on task j after training on task i (arXiv 1706.08840).

Every function takes R (..., T, T) of T tasks, two at least, and returns (...,).  What was not measured, such as a task whose
head does not exist yet, is NaN; only what a number asks for has to be there.
"""

from __future__ import annotations

import numpy as np


def average_accuracy(r: np.ndarray) -> np.ndarray:
    """ACC: the mean accuracy over all tasks after the last one, 0 to 1."""
    return _table(r)[..., -1, :].mean(axis=-1)


def backward_transfer(r: np.ndarray) -> np.ndarray:
    """BWT: how much accuracy the earlier tasks gained (lost: below 0) since each was learnt, -1 to 1.

    The mean over the T - 1 tasks before the last, as the paper says; its code divides by T.
    """
    r = _table(r)
    return (r[..., -1, :-1] - np.diagonal(r, axis1=-2, axis2=-1)[..., :-1]).mean(axis=-1)


def forward_transfer(r: np.ndarray, before: np.ndarray) -> np.ndarray:
    """FWT: how much better each task is done just before it is learnt than before any, -1 to 1.

    `before` (..., T) is the accuracy before any task was learnt.  The mean over the T - 1 tasks after the first.
    """
    r = _table(r)
    return (np.diagonal(r, offset=1, axis1=-2, axis2=-1) - np.asarray(before)[..., 1:]).mean(axis=-1)


def forgetting(r: np.ndarray) -> np.ndarray:
    """How much accuracy the earlier tasks lost since they were done best, 0 to 1 (below 0: they still improve).

    max over i < T of R[i, j], less R[T, j]; the mean over the T - 1 tasks before the last (arXiv 1801.10112).
    """
    r = _table(r)
    best = np.take_along_axis(r[..., :-1], best_before_last(r)[..., None, :], axis=-2)[..., 0, :]
    return (best - r[..., -1, :-1]).mean(axis=-1)


def best_before_last(r: np.ndarray) -> np.ndarray:
    """After which task each one but the last was done best, the last training aside: (..., T - 1) indices."""
    return np.nanargmax(_table(r)[..., :-1, :-1], axis=-2)


def _table(r: np.ndarray) -> np.ndarray:
    r = np.asarray(r, dtype=float)
    if r.ndim < 2 or r.shape[-1] != r.shape[-2] or r.shape[-1] < 2:
        raise ValueError(f"An accuracy matrix is (T, T) of two tasks or more; got an array of shape {r.shape}.")
    return r
