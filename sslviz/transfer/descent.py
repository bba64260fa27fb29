"""One fit: an encoder and a linear head go down the loss of a few labelled images, by a recipe that all arms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from sslviz.training.devices import choose_precision
from sslviz.training.schedule import Schedule
from sslviz.transfer.layer_decay import parameter_groups, set_rate, thaw

BATCH = 32  # images of a step: a small network takes 300 steps of it in ten seconds of one core
WEIGHT_DECAY = 0.05  # as ViTs are fine-tuned (arXiv 2111.06377)

Inputs = Callable[[Tensor, float, Generator], Tensor]  # (row numbers, share of the steps done, randomness) -> input
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    - steps: of the optimiser (AdamW); the rate warms up for a twentieth of them and falls to zero as a cosine
    - layer_decay: factor of the learning rate from each layer to the one before it
    - pull: strength of the pull back to the weights at the start, a of a/2 |w - w0|² (L2-SP, arXiv 1802.01483)
    - moving_statistics: whether batch normalisation uses its batch and follows it; False keeps the encoder's own
    - gradual: whether the head moves alone first, and one layer more in each phase
    """

    steps: int
    layer_decay: float = 1.0
    pull: float = 0.0
    moving_statistics: bool = False
    gradual: bool = False


class Classifier(nn.Module):
    """An encoder and a linear head on its features, which are standardised by fixed numbers.

    - encoder: (b, 3, s, s) -> (b, d)
    - head: weights (c, d) and biases (c,) on standardised features
    - center, scale: (d,), what a feature is standardised with
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self, encoder: Any, weight: Tensor, bias: Tensor, center: Tensor | None = None, scale: Tensor | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])  # draws nothing
        self.head.load_state_dict({"weight": weight, "bias": bias})
        self.register_buffer("center", torch.zeros(weight.shape[1]) if center is None else center)
        self.register_buffer("scale", torch.ones(weight.shape[1]) if scale is None else scale)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (b, c)."""
        return self.head((self.encoder(x) - self.center) / self.scale)


def descend(
    network: Classifier,
    inputs: Inputs,
    targets: Tensor,
    recipe: Recipe,
    rate: float,
    seed: int,
    *,
    batch: int = BATCH,
    loss: Loss = F.cross_entropy,
    precision: str = "",
    advance: Callable[[], object] = lambda: None,
) -> torch.optim.Optimizer:
    """Trains the network in place on the rows of `targets` (n,), and returns the optimiser as it ended.

    - inputs: makes the network's input of some rows
    - rate: learning rate of the head at its peak
    - precision: "bf16-mixed" or "32-true"; empty: what the hardware is faster at
    - advance: called after every step
    """
    device = targets.device
    half = (precision or choose_precision()) == "bf16-mixed"
    optimizer = _optimizer(network, recipe)
    start = [p.detach().clone() for p in network.encoder.parameters()] if recipe.pull else []
    schedule = Schedule(1, recipe.steps, rate)
    generator = Generator().manual_seed(seed)
    network.train(recipe.moving_statistics)
    for step, rows in enumerate(_batches(len(targets), batch, recipe.steps, generator)):
        progress = schedule.progress(step)
        if recipe.gradual:
            thaw(optimizer, progress)
        set_rate(optimizer, schedule.learning_rate(step))
        x = inputs(rows, progress, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(x)
        value = loss(logits.float(), targets[rows.to(device)])
        if recipe.pull:
            value = value + recipe.pull / 2 * squared_distance(network.encoder, start)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        advance()
    network.requires_grad_(True).eval()
    return optimizer


def squared_distance(encoder: nn.Module, start: list[Tensor]) -> Tensor:
    """The squared distance of the weights from where they started, ()."""
    return torch.stack([((p - p0) ** 2).sum() for p, p0 in zip(encoder.parameters(), start, strict=True)]).sum()


def _optimizer(network: Classifier, recipe: Recipe) -> torch.optim.Optimizer:
    decay = 0.0 if recipe.pull else WEIGHT_DECAY  # the pull to the start takes the place of the one to zero
    groups = parameter_groups(
        network.encoder,
        network.head,
        layer_decay=recipe.layer_decay,
        encoder_decay=decay,
        head_decay=WEIGHT_DECAY,
        layered=recipe.gradual,
    )
    return torch.optim.AdamW(groups, fused=True)


def _batches(n: int, batch: int, steps: int, generator: Generator) -> Iterator[Tensor]:
    """Row numbers of each step: epochs in random order, of which the rows that fill no batch are left out."""
    batches: tuple[Tensor, ...] = ()
    for _ in range(steps):
        if not batches:
            batches = torch.randperm(n, generator=generator)[: n - n % min(batch, n)].split(batch)
        yield batches[0]
        batches = batches[1:]
