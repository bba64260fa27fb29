"""The encoder with a head for each task, and the one loop that trains both on one task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.features.embed import embed_pixels, preprocess
from sslviz.transfer.continual.heads import Head, Space
from sslviz.transfer.continual.tasks import Lesson

BATCH = 64  # small, so that a hundred steps are seconds and still see most pictures of a task
RATE = 1e-3  # AdamW's usual one, falling to 0 over each task

Penalty = Callable[[Tensor, Tensor], Tensor]  # (pictures, their features) -> what is added to the loss


class Learner(nn.Module):
    """An encoder and a linear head for each task, on features brought to one scale.

    Evaluation mode throughout: batch statistics stay those of the checkpoint, so that only weights can forget.

    - center, scale: (d,), of the features that the heads read: those of the first task before any training
    """

    center: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, center: np.ndarray, scale: np.ndarray, tasks: list[list[str]]) -> None:
        super().__init__()
        self.encoder = encoder
        device = next(encoder.parameters()).device
        self.heads: Any = nn.ModuleList(nn.Linear(encoder.dim, len(task)) for task in tasks).to(device)
        self.register_buffer("center", torch.tensor(center, dtype=torch.float32, device=device))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32, device=device))
        self.eval()

    def features(self, x: Tensor) -> Tensor:
        """(b, 3, s, s) -> (b, d), on the scale of the heads."""
        return (self.encoder(x) - self.center) / self.scale

    def inputs(self, pixels: np.ndarray) -> Tensor:
        """uint8 (b, h, w, 3) as the encoder expects them, on its device."""
        return preprocess(torch.from_numpy(np.array(pixels)).to(self.center.device), self.encoder)

    def space(self, fit: Lesson, scored: Lesson) -> Space:
        """The features of both, as the encoder is now."""
        center, scale = self.center.cpu().numpy(), self.scale.cpu().numpy()
        return Space(*((embed_pixels(self.encoder, one.images.pixels) - center) / scale for one in (fit, scored)))

    def set_head(self, task: int, head: Head) -> None:
        """Puts the head of a task where this fitted one is."""
        with torch.no_grad():
            self.heads[task].weight.copy_(torch.from_numpy(head.weights))
            self.heads[task].bias.copy_(torch.from_numpy(head.bias))

    def head(self, task: int) -> Head:
        """The head of a task as it is now."""
        linear = self.heads[task]
        return Head(linear.weight.detach().cpu().numpy().copy(), linear.bias.detach().cpu().numpy().copy())

    def loss(self, z: Tensor, task: np.ndarray, code: np.ndarray) -> Tensor:
        """The mean cross-entropy of features (b, d), each read by the head of its task (b,)."""
        parts = []
        for t in np.unique(task):
            rows = np.flatnonzero(task == t)
            target = torch.as_tensor(code[rows], device=z.device)
            parts.append(F.cross_entropy(self.heads[t](z[rows]), target, reduction="sum"))
        return torch.stack(parts).sum() / len(task)


def learn(
    learner: Learner,
    lesson: Lesson,
    rows: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    *,
    replayed: np.ndarray | None = None,
    penalties: tuple[Penalty, ...] = (),
    advance: Callable[..., None] = lambda: None,
) -> None:
    """Trains encoder and heads on some rows of a lesson for `steps` steps, every class drawn equally often.

    - replayed: rows of earlier tasks that make up half of every batch
    - penalties: what is added to the cross-entropy
    """
    optimizer = torch.optim.AdamW(learner.parameters(), lr=RATE, weight_decay=0)  # decay would pull old heads to 0
    sources = [rows] if replayed is None or not len(replayed) else [rows, replayed]
    chances = [_balanced(lesson, source) for source in sources]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        size = BATCH // len(sources)
        drawn = np.concatenate([rng.choice(s, size, p=p) for s, p in zip(sources, chances, strict=True)])
        x = learner.inputs(lesson.images.pixels[drawn])
        z = learner.features(x)
        loss = learner.loss(z, lesson.task[drawn], lesson.code[drawn])
        for penalty in penalties:
            loss = loss + penalty(x, z)
        optimizer.zero_grad()  # heads of other tasks get no gradient, so that they stay as they are
        loss.backward()
        optimizer.step()
        advance()


def _balanced(lesson: Lesson, rows: np.ndarray) -> np.ndarray:
    """The chance of each row to be drawn, (m,): every class of every task as often as any other."""
    _, member, counts = np.unique(
        np.stack([lesson.task[rows], lesson.code[rows]]), axis=1, return_inverse=True, return_counts=True
    )
    share = 1 / counts[member.ravel()]
    return share / share.sum()
