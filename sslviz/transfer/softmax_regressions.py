"""Many small penalised logistic regressions at once: L-BFGS on a stack of problems of one size.

An answer about few labels takes thousands of fits to ten or a hundred images.  One at a time, most of the time would go
into calling a solver; stacked, each of its steps is a few products of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MEMORY = 10  # steps whose curvature is remembered, as scikit-learn's solver does
MAX_STEPS = 1000  # as in `linear_probe`; some hundred are needed where classes are far apart and the penalty is weak


@dataclass(frozen=True, eq=False)
class SoftmaxRegressions:
    """b fits: the logits of rows x are x @ weights + bias.

    - weights: (b, d, classes)
    - bias: (b, classes)
    """

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Those of the rows of `x` (b, n, d), or (n, d) for all fits alike: (b, n, classes)."""
        return x @ self.weights + self.bias[:, None, :]


def softmax_regressions(
    x: np.ndarray,
    codes: np.ndarray,
    classes: int,
    penalty: float,
    *,
    weight: np.ndarray | None = None,
    tol: float = 1e-4,
    start: SoftmaxRegressions | None = None,
) -> SoftmaxRegressions:
    """Fits that minimise C * sum of cross-entropies + sum of squared weights / 2, C the `penalty`; the bias is free.

    - x: rows to fit on, (b, n, d)
    - codes: their classes, (b, n)
    - weight: of each row, (b, n); None: all alike
    - tol: the largest entry of the gradient of the mean that is left, as in scikit-learn; less under a strong penalty
    - start: fits to begin with, as those of a penalty nearby

    For three classes or more this is scikit-learn's LogisticRegression(C=penalty).  Of two, it fits one set of weights and
    penalises it twice as much.
    """
    b, n, d = x.shape
    ones = np.ones((b, n, 1))
    x = np.concatenate([x, ones], axis=2).astype(float)
    target = np.eye(classes)[codes]
    weight = np.ones((b, n)) if weight is None else weight
    problem = _Problem(x, target, weight / n, 1 / (penalty * n))
    w = np.zeros((b, d + 1, classes))
    if start is not None:
        w = np.concatenate([start.weights, start.bias[:, None]], axis=1)
    # Under a strong penalty logits are as small as it is, and the bias, which is free, has to be as exact as they are.
    w = _minimised(problem, w, tol * min(1.0, penalty * n))
    return SoftmaxRegressions(w[:, :-1], w[:, -1])


@dataclass(frozen=True, eq=False)
class _Problem:
    """Stacked problems, the bias being the last weight, which is not penalised.

    - x: (b, n, d); target: (b, n, classes); weight: (b, n), which says what each row adds to the loss
    - ridge: what the sum of squared weights is multiplied by, halved
    """

    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    ridge: float

    def rows(self, keep: np.ndarray) -> _Problem:
        return _Problem(self.x[keep], self.target[keep], self.weight[keep], self.ridge)

    def loss(self, w: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of each problem (b,), and the probabilities (b, n, classes)."""
        shifted = logits - logits.max(axis=2, keepdims=True)
        exp = np.exp(shifted)
        total = exp.sum(axis=2)
        entropy = np.log(total) - (shifted * self.target).sum(axis=2)
        loss = (self.weight * entropy).sum(axis=1) + self.ridge / 2 * (w[:, :-1] ** 2).sum(axis=(1, 2))
        return loss, exp / total[:, :, None]

    def gradient(self, w: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        found = self.x.transpose(0, 2, 1) @ (self.weight[:, :, None] * (probabilities - self.target))
        found[:, :-1] += self.ridge * w[:, :-1]
        return found


def _minimised(problem: _Problem, w: np.ndarray, tol: float) -> np.ndarray:
    """L-BFGS of every problem from `w` on; those that have converged drop out of the stack."""
    result, left = w.copy(), np.arange(len(w))
    logits = problem.x @ w
    loss, probabilities = problem.loss(w, logits)
    gradient = problem.gradient(w, probabilities)
    memory: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(MAX_STEPS):
        going = np.abs(gradient).max(axis=(1, 2)) > tol
        if not going.all():
            result[left[~going]] = w[~going]
            if not going.any():
                return result
            left, problem = left[going], problem.rows(going)
            w, logits, loss, gradient = w[going], logits[going], loss[going], gradient[going]
            memory = [(s[going], y[going]) for s, y in memory]
        direction = -_curved(gradient, memory)
        step, logits, loss, probabilities = _searched(problem, w, logits, loss, gradient, direction)
        moved = step[:, None, None] * direction
        w = w + moved
        before, gradient = gradient, problem.gradient(w, probabilities)
        memory = [*memory[-MEMORY + 1 :], (moved, gradient - before)]
        if not step.any():  # as near as rounding lets it come
            break
    result[left] = w
    return result


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The inner product of each problem, (b, 1, 1)."""
    return np.einsum("bdk,bdk->b", a, b)[:, None, None]


def _curved(gradient: np.ndarray, memory: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The gradient times the inverse curvature as remembered (Nocedal and Wright, algorithm 7.4)."""
    if not memory:
        return gradient / np.maximum(1, np.sqrt(_dot(gradient, gradient)))  # the first step is no longer than 1
    q, kept = gradient, []
    for s, y in reversed(memory):
        curvature = _dot(s, y)
        rho = np.divide(1, curvature, out=np.zeros_like(curvature), where=curvature > 0)
        a = rho * _dot(s, q)
        q = q - a * y
        kept.append((s, y, rho, a))
    s, y = memory[-1]
    square = _dot(y, y)
    q = q * np.divide(_dot(s, y), square, out=np.ones_like(square), where=square > 0)
    for s, y, rho, a in reversed(kept):
        q = q + s * (a - rho * _dot(y, q))
    return q


def _searched(
    problem: _Problem, w: np.ndarray, logits: np.ndarray, loss: np.ndarray, gradient: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The step of each problem (b,) that lowers its loss enough, halved until it does; logits, loss, probabilities there.

    Logits change in proportion to the step, so that trying another costs no product of arrays.
    """
    change, slope = problem.x @ direction, _dot(gradient, direction)[:, 0, 0]
    step = np.ones(len(w))
    for halving in range(40):
        scale = step[:, None, None]
        there = logits + scale * change
        found, probabilities = problem.loss(w + scale * direction, there)
        short = found > loss + 1e-4 * step * slope + 1e-14  # and rounding
        if not short.any():
            break
        step = np.where(short, step / 2 if halving < 38 else 0.0, step)
    return step, there, found, probabilities
