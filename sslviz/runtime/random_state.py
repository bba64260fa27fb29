"""The global random state (RNG) of Python, numpy and torch: preserved while other libraries draw from it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Restores the global generators of Python, numpy and torch (CPU and GPUs), whatever is drawn or seeded in here.

    torch's only if torch was loaded before.
    """
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # the global one is what is kept
    of_torch, of_gpus = _torch_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)  # noqa: NPY002  # as above
        if of_torch is not None:
            import torch

            torch.set_rng_state(of_torch)
            torch.cuda.set_rng_state_all(of_gpus)


def _torch_state() -> tuple[Any, list[Any]]:
    """The states of torch's CPU generator (None: not loaded) and of each GPU's (none: no GPU was used yet)."""
    if "torch" not in sys.modules:
        return None, []
    import torch  # waits, where another thread is still importing it

    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What torch draws in here, weights above all, depends on `seed` alone; afterwards the global state is restored."""
    with global_state_kept():
        seed_torch(seed)
        yield


def seed_torch(seed: int) -> None:
    """Seeds torch's generators, the CPU's and those of GPUs that are in use.

    `torch.manual_seed` also keeps the seed for GPUs that are used only later, each time with the text of the whole stack.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
