"""What the steps of one encoder measure: how far they go, whether they tell their amount, and which directions they share."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.robustness.feature_steps import Steps

FOLDS = 5
RIDGE = 1e-2  # of the mean variance of a direction: what keeps a readout of a few pictures from learning them by heart
DIRECTIONS = 3  # that stand for an augmentation
MIN_AMOUNTS = 3  # different ones, for an amount to be read back


class StepMeasures:
    """What one encoder's steps measure: the arrays of `Invariance`, of views and then factors."""

    def __init__(self, views: Steps, factors: Steps | None, seed: int) -> None:
        factors_moved = {} if factors is None else factors.moved
        self.moved = np.stack([*views.moved.values(), *factors_moved.values()])
        self.spread = views.spread
        self.amounts = np.stack(list(views.amounts.values()))
        self.read = np.stack([_read(step, views.amounts[name], seed) for name, step in views.steps.items()])
        half = np.random.default_rng(seed).permutation(len(views.ids)) % 2 == 0
        own = {} if factors is None else {name: step[~half] for name, step in factors.steps.items()}
        axes = [_main_directions(step[half]) for step in views.steps.values()]
        self.spans = np.array([[_share(step, a) for a in axes] for step in own.values()]).reshape(len(own), len(axes))
        to_another = _main_directions(np.roll(views.plain[half], 1, axis=0) - views.plain[half])
        self.spans_any = np.array([_share(step, to_another) for step in own.values()])


def _read(step: np.ndarray, amount: np.ndarray, seed: int) -> np.ndarray:
    """The amount that ridge regression reads from the steps of pictures it was not fitted on, (n,); NaN without amounts."""
    n = len(amount)
    if not np.isfinite(amount).all() or len(np.unique(amount)) < MIN_AMOUNTS:
        return np.full(n, np.nan)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    read = np.empty(n)
    for k in range(FOLDS):
        fit = fold != k
        center, mean = step[fit].mean(axis=0), amount[fit].mean()
        x = step[fit] - center
        ridge = RIDGE * (x**2).sum() / min(x.shape) or 1.0  # of steps that are all alike nothing can be read
        y = amount[fit] - mean
        if x.shape[1] <= len(x):
            weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
        else:  # the same, by pictures instead of dimensions
            weights = x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)
        read[~fit] = (step[~fit] - center) @ weights + mean
    return read


def r_squared(amount: np.ndarray, read: np.ndarray, times: np.ndarray) -> np.ndarray:
    """R^2 of the amounts read (n,) in samples that hold each picture so many times, (b, n) -> (b,); NaN without amounts."""
    total = times.sum(axis=1)
    mean = times @ amount / total
    variance = times @ amount**2 / total - mean**2
    return 1 - times @ (amount - read) ** 2 / total / np.maximum(variance, 1e-12)


def _main_directions(step: np.ndarray) -> np.ndarray:
    """The main directions of some steps, (d, DIRECTIONS or fewer); none where nothing moved."""
    _, sizes, axes = np.linalg.svd(step, full_matrices=False)
    return axes[:DIRECTIONS][sizes[:DIRECTIONS] > 1e-9 * max(sizes[0], 1e-30)].T


def _share(step: np.ndarray, axes: np.ndarray) -> float:
    """The share of the steps' squared length in these directions; 0 where nothing moved."""
    total = (step**2).sum()
    return float(((step @ axes) ** 2).sum() / total) if total > 0 else 0.0
