"""Maps by TorchDR: the weights are ours, they keep as much as ours, and the process's generators stay as they were."""

import os
import random
import sys

import numpy as np
import pytest
import torch
from torch.backends import cudnn

from sslviz.diagnostics.neighbors.neighbors import neighbors, unit_rows
from sslviz.diagnostics.projection.projection import aligned_projections, projection
from sslviz.diagnostics.projection.torchdr_layout import TorchJob
from sslviz.diagnostics.projection.umap_layout import fuzzy_weights
from sslviz.features import Features

N, K = 600, 10


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return Features.from_array(rng.standard_normal((N, 16)) + 3 * rng.standard_normal((6, 16))[np.arange(N) % 6])


@pytest.fixture(scope="module")
def made(features):
    return projection(features, "torchdr", n_neighbors=K, epochs=100)


def job(features, **changes):
    x = unit_rows(features.x.astype(np.float64))
    start = x[:, :2].astype(np.float32)
    return TorchJob(**{"x": x, "start": start, "n_neighbors": K, "min_dist": 0.1, "epochs": 40, "seed": 0} | changes)


def test_its_weights_are_ours(features):
    from torchdr import UMAPAffinity

    weights, near = UMAPAffinity(n_neighbors=K, backend=None, device="cpu")(
        torch.from_numpy(unit_rows(features.x)), log=False, return_indices=True
    )
    theirs = np.zeros((N, N))
    np.add.at(theirs, (np.arange(N)[:, None], near.numpy()), weights.numpy())  # shorter rows end in zeros
    ours = fuzzy_weights(neighbors(features, K)).toarray()
    np.testing.assert_allclose(theirs, ours, atol=1e-3)


@pytest.mark.parametrize("eps", [1.0, 1e-4])
def test_directions_in_a_narrow_cone_are_told_apart_too(eps):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(16) + eps * (rng.standard_normal((N, 16)) + 3 * np.eye(6, 16)[np.arange(N) % 6])
    made, ours = (
        projection(Features.from_array(x), method, n_neighbors=K, epochs=100) for method in ("torchdr", "umap")
    )
    kept = [each.scores()["knn_preservation"].value for each in (made, ours)]
    assert kept[0] > kept[1] - 0.05


def test_repeated_images_and_a_flat_start_are_laid_out(features):
    x = np.concatenate([features.x[:300], features.x[:20], np.zeros((2, 16))])
    assert np.isfinite(projection(Features.from_array(x), "torchdr", n_neighbors=K, epochs=40).xy).all()
    flat = job(features, start=np.stack([np.arange(N), np.zeros(N)], axis=1).astype(np.float32)).layout()
    assert flat[:, 1].std() > 0.1


def test_more_images_than_its_distances_have_room_for_are_refused():
    with pytest.raises(ValueError, match="at most 20,000 images, but there are 20,001"):
        projection(Features.from_array(np.eye(20_001, 2)), "torchdr")


def test_it_keeps_as_much_as_ours_beside_the_same_controls(features, made):
    ours = projection(features, n_neighbors=K, epochs=100)
    assert set(made.scores()) == set(ours.scores())
    for name, score in made.scores().items():
        assert set(score.controls) == set(ours.scores()[name].controls)
        assert score.value > ours.scores()[name].value - (0.15 if name == "seed_stability" else 0.05)
    assert made.method == "torchdr" and {"torchdr", "torch"} <= set(made.versions)


def test_the_same_seed_gives_the_same_map_and_another_another(features):
    first, again, other = (job(features, seed=s).layout() for s in (0, 0, (0, 1)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 and first.dtype == np.float32


def test_generators_and_environment_stay_as_they_were(features, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    kernels = cudnn.benchmark, cudnn.deterministic
    job(features).layout()
    assert random.getstate() == before[0] and os.environ["PYTHONHASHSEED"] == "7"
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    assert (cudnn.benchmark, cudnn.deterministic) == kernels


def test_a_map_like_another_starts_from_it(features):
    moved = Features.from_array(features.x + 0.1 * np.random.default_rng(1).standard_normal(features.x.shape))
    maps = aligned_projections({"a": features, "b": moved}, "torchdr", n_neighbors=K, epochs=100)
    radius = np.sqrt(maps["a"].xy.var(axis=0).sum())
    apart = np.linalg.norm(maps["a"].xy - maps["b"].xy, axis=1)
    assert np.median(apart) < 0.2 * radius


def test_without_the_package_it_says_what_to_install(features, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchdr", None)
    with pytest.raises(ValueError, match=r'pip install "sslviz\[torchdr\]", or method="umap"'):
        projection(features, "torchdr")
