"""Who else draws from the global random generators?  Libraries; what they leave behind is put right here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Python's and numpy's global generators are afterwards as they were before, whatever is drawn or seeded in here."""
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (the global one is what is kept)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)  # noqa: NPY002  (as above)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """How do weights depend on `seed` alone?  Draw them in here; the global random state is then as it was before."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's only: weights are drawn there
        yield
