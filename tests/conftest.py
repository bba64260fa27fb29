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


@pytest.fixture(scope="session")
def planted_evidence():
    """`planted_evidence(n=240, d=24, seed=0)`: all that a diagnostic may be given of a checkpoint, with three classes planted.

    `label` is one of three directions, `coin` has nothing to do with anything; the projector keeps half of the
    dimensions, and of 40 objects there are five views each."""
    from sslviz.evidence import Evidence
    from sslviz.features import Features

    def make(n=240, d=24, seed=0, shift=3.0):
        rng = np.random.default_rng(seed)
        label = np.arange(n) % 3
        table = {"label": np.array(["a", "b", "c"])[label], "coin": np.array(["heads", "tails"])[rng.integers(0, 2, n)]}
        x = rng.normal(size=(n, d)) + shift * np.eye(3, d)[label]
        features = Features.from_array(x, table=table, name="planted")
        noise = Features.from_array(rng.normal(size=(n, d)), table=table, ids=features.ids, name="noise")
        projector = Features.from_array(x[:, : d // 2], table=table, ids=features.ids, name="planted")
        objects, views = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
        seen = Features.from_array(
            x[objects] + 0.3 * rng.normal(size=(200, d)), table={"object": objects.astype(str), "view": views}
        )
        return Evidence(features, None, {"untrained": (noise, None)}, projector, seen)

    return make
