"""Maps by umap-learn itself: our loop's maps are as good, and both stand beside the same controls."""

import random
import sys

import numpy as np
import pytest

from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.projection.projection import aligned_projections, projection
from sslviz.diagnostics.projection.space import Space
from sslviz.diagnostics.projection.umap_layout import stretched
from sslviz.diagnostics.projection.umap_learn_layout import UmapLearnJob
from sslviz.features import Features

N, D, K, SEEDS = 600, 16, 15, 6
pytestmark = pytest.mark.slow  # umap-learn is imported and compiled: 15 seconds


def clusters(rng):
    return rng.normal(size=(N, D)) + 4 * np.eye(5, D)[np.arange(N) % 5]


def noise(rng):
    return rng.normal(size=(N, D))


def band(rng):
    """A strip along a circle, with noise in all directions."""
    angle = rng.uniform(0, 2 * np.pi, N)
    x = 0.1 * rng.normal(size=(N, D))
    x[:, :3] += np.stack([np.cos(angle), np.sin(angle), rng.normal(size=N)], axis=1)
    return x


@pytest.fixture(scope="module")
def features():
    return Features.from_array(clusters(np.random.default_rng(0)))


@pytest.fixture(scope="module")
def made(features):
    return projection(features, "umap-learn")


def job(features, **changes):
    space = Space.of(features, K)
    given = {"graph": space.graph, "start": space.pca, "min_dist": 0.1, "epochs": 40, "seed": 0}
    return UmapLearnJob(**given | changes)


@pytest.mark.parametrize("shape", [clusters, noise, band])
def test_our_loop_is_as_good_as_the_reference_within_the_spread_over_seeds(shape):
    """The contract by which "umap" stays our own loop.  Means of six seeds each, apart by less than twice what seeds differ."""
    space = Space.of(Features.from_array(shape(np.random.default_rng(0))), K)
    maps = {
        f"{make.__name__} {seed}": make(space, K, 0.1, 200, seed).layout()
        for make in (Space.umap_job, Space.umap_learn_job)
        for seed in range(SEEDS)
    }
    quality = list(space.quality(maps).values())
    for score in ("trustworthiness", "continuity", "knn_preservation"):
        ours, theirs = np.split(np.array([points[score].mean() for points in quality]), 2)
        spread = max(ours.std(ddof=1), theirs.std(ddof=1))
        print(f"{shape.__name__}: {score} ours {ours.mean():.4f}, umap-learn {theirs.mean():.4f}, seeds {spread:.4f}")
        assert abs(ours.mean() - theirs.mean()) < 2 * spread, score


def test_it_stands_beside_the_same_controls(features, made):
    ours = projection(features)
    assert made.method == "umap-learn" and {"umap-learn", "numba"} <= set(made.versions)
    for name, score in made.scores().items():
        other = ours.scores()[name]
        assert set(score.controls) == set(other.controls)
        for shared in {"chance", "PCA"} & set(score.controls):
            assert score.controls[shared] == other.controls[shared]
        near = 0.15 if name == "seed_stability" else 0.05  # the first is of two layouts only
        assert score.controls["null map"] == pytest.approx(other.controls["null map"], abs=near)
    assert made.null_xy.shape == (N, 2) and made.stability is not None


def test_it_starts_from_our_start(features):
    """umap-learn brings a start to [0, 10] on each axis, as `stretched` has done already."""
    start = stretched(Space.of(features, K).pca, warm=False)
    still = job(features, min_dist=0.5, epochs=1).layout()
    assert np.corrcoef(start[:, 0], still[:, 0])[0, 1] > 0.9


def test_the_same_seed_gives_the_same_map_and_another_another(features):
    first, again, other = (job(features, seed=s).layout() for s in (0, 0, (0, 1)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 and first.dtype == np.float32


def test_generators_stay_as_they_were(features):
    before = random.getstate(), np.random.get_state()[1].copy()
    job(features).layout()
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_repeated_images_and_a_flat_start_are_laid_out(features):
    x = np.concatenate([features.x[:300], features.x[:20], np.zeros((2, D))])
    assert np.isfinite(projection(Features.from_array(x), "umap-learn", epochs=40).xy).all()
    flat = job(features, start=np.stack([np.arange(N), np.zeros(N)], axis=1).astype(np.float32)).layout()
    assert np.isfinite(flat).all() and flat[:, 1].std() > 0.1


def test_a_map_like_another_starts_from_it(features):
    moved = Features.from_array(features.x + 0.1 * np.random.default_rng(1).standard_normal(features.x.shape))
    maps = aligned_projections({"a": features, "b": moved}, "umap-learn")
    radius = np.sqrt(maps["a"].xy.var(axis=0).sum())
    apart = np.linalg.norm(maps["a"].xy - maps["b"].xy, axis=1)
    assert np.median(apart) < 0.2 * radius


def test_a_graph_that_is_given_is_used(features):
    given = neighbors(features, 40)
    np.testing.assert_array_equal(job(features, graph=given.nearest(K)).layout(), job(features).layout())


def test_the_package_is_imported_only_where_it_lays_out():
    import subprocess

    code = "import sys, numpy as np, sslviz\nf = sslviz.Features.from_array(np.random.default_rng(0).normal(size=(50, 4)))\n"
    code += "sslviz.projection(f), sslviz.projection(f, 'pca')\nassert 'umap' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
