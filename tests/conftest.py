import os

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for the network


@pytest.fixture(autouse=True)
def the_global_random_state_stays_as_it_is():
    """Every random choice takes a seed: no test of ours may find numpy's or torch's global state moved."""
    import sys

    before = np.random.get_state()[1].copy()
    torch = sys.modules.get("torch")
    torch_before = torch.get_rng_state() if torch else None
    yield
    assert (np.random.get_state()[1] == before).all(), "numpy's global random state was touched"
    if torch_before is not None:
        assert (torch.get_rng_state() == torch_before).all(), "torch's global random state was touched"
