"""What lightly and solo-learn say of random projections: see tests/fixtures/make_losses_distill.py."""

from pathlib import Path

import numpy as np
import torch

DISTILL = np.load(Path(__file__).parents[1] / "fixtures" / "losses_distill.npz", allow_pickle=False)


def stored(name):
    """A tensor that the libraries were given, or what a loss of theirs made of it."""
    return torch.tensor(DISTILL[name])


def assert_is_stored(value, name):
    torch.testing.assert_close(value, stored(name), rtol=1e-5, atol=1e-5, msg=lambda m: f"{name}: {m}")
