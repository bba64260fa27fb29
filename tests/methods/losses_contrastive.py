"""What other libraries say the contrastive losses of random projections are: tests/fixtures/make_losses_contrastive.py."""

from pathlib import Path

import numpy as np
import torch

STORED = np.load(Path(__file__).parents[1] / "fixtures" / "losses_contrastive.npz", allow_pickle=False)


def stored(name):
    """What the libraries were given ("p", "z", "queue", "labels"), or what they made of it."""
    return torch.tensor(STORED[name])


def assert_is_stored(value, name):
    torch.testing.assert_close(value, stored(name), rtol=1e-5, atol=1e-5, msg=name)


def with_small_views(batch, n=3):
    """The batch with small views besides, of noise."""
    shape = (n, *batch.views[0].shape[1:3], 16, 16)
    batch.views.append(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
    return batch
