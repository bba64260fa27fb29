"""Remedies against forgetting: a memory of old pictures, weights held where they mattered, features held where they were."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from sslviz.transfer.continual.learner import Learner, Penalty

MEMORY = 100  # pictures kept of all tasks together: few enough that old pictures stay scarce
FISHER_PICTURES = 128  # of each task, one at a time: the diagonal is then known to about a tenth
# Chosen on `shapes`, two tasks of 60 steps from a SimCLR checkpoint: of .098 that the plain sequence forgets they leave
# .017 and .024, and the accuracy over both tasks rises from .62 to .66 and .65.
EWC_STRENGTH = 100.0
DISTILLATION_STRENGTH = 1.0


class Reservoir:
    """A memory of at most `size` rows, in which each row of the stream stays with the same chance (Vitter 1985)."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng, self.seen = size, rng, 0
        self.rows = np.zeros(0, int)

    def add(self, rows: np.ndarray) -> None:
        """Meets these rows, one after another: the i-th of the stream is kept with the chance size / i."""
        for row in rows:
            self.seen += 1
            if len(self.rows) < self.size:
                self.rows = np.append(self.rows, row)
            elif (place := self.rng.integers(self.seen)) < self.size:
                self.rows[place] = row


def fisher_diagonal(
    logits: Callable[[Tensor], Tensor], weights: Mapping[str, Tensor], x: Tensor, rng: np.random.Generator
) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of `weights`: the mean squared gradient of log p(y | x) over pictures x (n, ...).

    y is drawn from the model's own p.  Each picture has its own backward pass: the square of a batch's mean gradient is
    smaller by the size of the batch.
    """
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for one in x:
        log_p = logits(one[None]).log_softmax(dim=1)[0]
        p = log_p.detach().double().exp().cpu().numpy()
        y = int(rng.choice(len(p), p=p / p.sum()))
        gradients = torch.autograd.grad(log_p[y], list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                total[name] += gradient.detach() ** 2
    return {name: value / len(x) for name, value in total.items()}


def held_weights(weights: Mapping[str, Tensor], importance: Mapping[str, Tensor], strength: float) -> Penalty:
    """EWC (arXiv 1612.00796): strength / 2 * sum of importance * (w - w*)^2, with w* the weights as they are now."""
    anchors = {name: weight.detach().clone() for name, weight in weights.items()}

    def penalty(x: Tensor, z: Tensor) -> Tensor:
        parts = [(importance[name] * (weight - anchors[name]) ** 2).sum() for name, weight in weights.items()]
        return strength / 2 * torch.stack(parts).sum()

    return penalty


def held_features(learner: Learner, strength: float) -> Penalty:
    """Learning without forgetting (arXiv 1606.09282), on features: their mean squared distance from those of now."""
    before = copy.deepcopy(learner).requires_grad_(False)

    def penalty(x: Tensor, z: Tensor) -> Tensor:
        with torch.no_grad():
            target = before.features(x)
        return strength * ((z - target) ** 2).mean()

    return penalty
