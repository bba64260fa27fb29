"""Maps by TorchDR: the neighbours are ours, they keep as much as ours, and the process's generators stay as they were."""

import os
import random
import sys

import numpy as np
import pytest
import torch

from sslviz.diagnostics.neighbors import directions, neighbors
from sslviz.diagnostics.projection import aligned_projections, projection
from sslviz.diagnostics.torchdr_layout import TorchPlan
from sslviz.features import Features

N, K = 600, 10


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return Features.from_array(rng.standard_normal((N, 16)) + 3 * rng.standard_normal((6, 16))[np.arange(N) % 6])


@pytest.fixture(scope="module")
def made(features):
    return projection(features, "torchdr", n_neighbors=K, epochs=100)


def plan(features, **changes):
    x = directions(features.x.astype(np.float64))
    start = x[:, :2].astype(np.float32)
    return TorchPlan(**{"x": x, "start": start, "n_neighbors": K, "min_dist": 0.1, "epochs": 40, "seed": 0} | changes)


def test_its_neighbours_are_ours(features):
    from torchdr import UMAPAffinity

    _, near = UMAPAffinity(n_neighbors=K + 1, backend=None, device="cpu")(
        torch.from_numpy(directions(features.x)), return_indices=True
    )
    ours, theirs = neighbors(features, K).indices, near.numpy()
    shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(ours, theirs, strict=True)])
    assert shared > 0.999


def test_it_keeps_as_much_as_ours_beside_the_same_controls(features, made):
    ours = projection(features, n_neighbors=K, epochs=100)
    assert set(made.scores()) == set(ours.scores())
    for name, score in made.scores().items():
        assert set(score.controls) == set(ours.scores()[name].controls)
        assert score.value > ours.scores()[name].value - (0.15 if name == "seed_stability" else 0.05)
    assert made.method == "torchdr" and {"torchdr", "torch"} <= set(made.versions)


def test_the_same_seed_gives_the_same_map_and_another_another(features):
    first, again, other = (plan(features, seed=s).layout() for s in (0, 0, (0, 1)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 and first.dtype == np.float32


def test_generators_and_environment_stay_as_they_were(features, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    plan(features).layout()
    assert random.getstate() == before[0] and os.environ["PYTHONHASHSEED"] == "7"
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_map_like_another_starts_from_it(features):
    moved = Features.from_array(features.x + 0.1 * np.random.default_rng(1).standard_normal(features.x.shape))
    maps = aligned_projections({"a": features, "b": moved}, "torchdr", n_neighbors=K, epochs=100)
    radius = np.sqrt(maps["a"].xy.var(axis=0).sum())
    apart = np.linalg.norm(maps["a"].xy - maps["b"].xy, axis=1)
    assert np.median(apart) < 0.2 * radius


def test_without_the_package_it_says_what_to_install(features, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchdr", None)
    with pytest.raises(ValueError, match=r'pip install "sslviz\[torchdr\]", or method="umap"'):
        plan(features).layout()
