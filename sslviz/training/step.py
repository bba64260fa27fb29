"""One step of a training: the random numbers that it draws, and the way down the loss."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from sslviz.methods import Batch
from sslviz.runtime.random_state import seed_torch


def descend(
    fabric: Fabric, ddp: Any, optimizer: torch.optim.Optimizer, batch: Batch, learning_rate: float
) -> dict[str, Tensor]:
    """One step down the loss: {loss, and loss_<term> of each of its terms: ()}."""
    with fabric.autocast():  # on a single device Fabric does not see to it for methods other than forward
        loss = ddp.loss(batch)  # () or {term: ()}
    terms = loss if isinstance(loss, dict) else {}
    loss = reduce(torch.add, terms.values()) if terms else loss
    fabric.backward(loss)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {"loss": loss.detach(), **{f"loss_{term}": x.detach() for term, x in terms.items()}}


def step_generator(fabric: Fabric, seed: int, step: int, rank: int | None = None) -> torch.Generator:
    """All randomness of one step on this device: the views', and through the global one (forked here) the method's."""
    mixed = np.random.SeedSequence([seed, step, fabric.global_rank if rank is None else rank]).generate_state(
        2, np.uint64
    )
    seed_torch(int(mixed[0] >> np.uint64(1)))
    return torch.Generator(fabric.device).manual_seed(int(mixed[1] >> np.uint64(1)))
