import warnings
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest

from sslviz.diagnostics.geometry.moments import Moments, noise_spectra
from sslviz.diagnostics.geometry.spectrum import (
    Spectrum,
    effective_rank,
    participation_ratio,
    power_law,
    spectrum,
    stable_rank,
)
from sslviz.features import Features
from sslviz.statistics import delete_groups

RANKS = ("rankme", "effective_rank", "stable_rank", "participation_ratio")


def of(x, **keywords) -> Spectrum:
    return spectrum(Features.from_array(x), **keywords)


def values(result: Spectrum) -> dict[str, float]:
    return {name: score.value for name, score in result.scores().items()}


def orthonormal(n, d, rng, *, centred=True):
    """Columns of length one at right angles to each other (and to the constant)."""
    x = rng.normal(size=(n, d))
    return np.linalg.qr(x - x.mean(axis=0) * centred)[0]


def power_law_rows(rng, n, d, alpha):
    """Gaussian rows whose covariance has the eigenvalues rank^-alpha, in random directions."""
    return rng.normal(size=(n, d)) * np.arange(1, d + 1.0) ** (-alpha / 2) @ orthonormal(d, d, rng, centred=False)


def entropy_rank(sizes):
    p = sizes / sizes.sum()
    return float(np.prod(p**-p))


class TestClosedForms:
    def test_equal_directions_are_all_counted(self):
        read = values(of(7.0 * orthonormal(300, 24, np.random.default_rng(0))))
        assert [read[name] for name in RANKS] == pytest.approx([24] * 4, rel=1e-4)

    def test_one_direction_is_one(self):
        rng = np.random.default_rng(0)
        read = values(of(np.outer(rng.normal(size=300), rng.normal(size=24))))
        assert [read[name] for name in RANKS] == pytest.approx([1] * 4, abs=1e-4)

    def test_a_geometric_spectrum_has_the_rank_of_the_series(self):
        q = 0.9
        rank = np.exp(-np.log(1 - q) - q * np.log(q) / (1 - q))  # of sizes q^k, k = 0, 1, ...
        assert effective_rank(q ** np.arange(256)) == pytest.approx(rank, rel=1e-9)
        x = orthonormal(1024, 256, np.random.default_rng(0)) * q ** np.arange(256)
        read = values(of(x))
        assert read["effective_rank"] == pytest.approx(rank, rel=1e-4)
        # eps adds -d eps ln(eps) to the entropy of the directions that hold nothing, and no more
        assert rank < read["rankme"] < rank * (1 - 256 * 1e-7 * np.log(1e-7)) + 0.005

    def test_planted_eigenvalues_give_the_numbers_they_define(self):
        eigenvalues = np.array([9.0, 4, 4, 1, 1, 1, 0.25])
        rng = np.random.default_rng(1)
        x = orthonormal(400, 7, rng) * np.sqrt(eigenvalues * 399) @ orthonormal(7, 7, rng, centred=False)
        result = of(x + 3)
        np.testing.assert_allclose(result.eigenvalues, eigenvalues, rtol=1e-5)
        read = values(result)
        assert read["stable_rank"] == pytest.approx(eigenvalues.sum() / 9, rel=1e-5)
        assert read["participation_ratio"] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-5)
        assert read["effective_rank"] == pytest.approx(entropy_rank(np.sqrt(eigenvalues)), rel=1e-5)
        assert result.directions_in_use == round(entropy_rank(np.sqrt(eigenvalues)))

    @pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
    def test_a_power_law_is_found_again(self, alpha):
        exact = power_law(3.0 * np.arange(1, 257.0) ** -alpha)
        assert (exact["alpha"], exact["r2"]) == pytest.approx((alpha, 1.0))
        assert (exact["first"], exact["last"]) == (6, 100)
        x = np.random.default_rng(0).normal(size=(5000, 256)) * np.arange(1, 257.0) ** (-alpha / 2)
        assert values(of(x))["alpha"] == pytest.approx(alpha, abs=0.05)

    def test_no_line_is_fitted_to_a_handful_of_ranks(self):
        assert np.isnan(power_law(np.arange(16.0, 0, -1))["alpha"])
        assert "alpha" not in of(np.random.default_rng(0).normal(size=(50, 8))).scores()

    def test_isotropic_rows_spread_by_one_over_root_d(self):
        for n, d in ((4000, 16), (4000, 200)):
            result = of(np.random.default_rng(0).normal(size=(n, d)))
            assert result.std == pytest.approx(1 / np.sqrt(d), rel=0.01)
            assert result.noise_std == pytest.approx(1 / np.sqrt(d))

    def test_nothing_is_nothing(self):
        assert effective_rank(np.zeros(5)) == stable_rank(np.zeros(5)) == participation_ratio(np.zeros(5)) == 0


class TestAgainstDecompositions:
    @pytest.mark.parametrize(("n", "d"), [(500, 60), (40, 90)])
    def test_equal_those_of_a_singular_value_decomposition(self, n, d):
        x = (np.random.default_rng(0).normal(size=(n, d)) * np.geomspace(1, 0.01, d) + 0.5).astype(np.float32)
        raw = np.linalg.svd(x.astype(float), compute_uv=False)
        centred = np.linalg.svd(x - x.astype(float).mean(axis=0), compute_uv=False)
        result = of(x)
        np.testing.assert_allclose(result.singular_values, raw, rtol=1e-6)
        kept = min(n - 1, d)
        np.testing.assert_allclose(result.eigenvalues[:kept] * (n - 1), centred[:kept] ** 2, rtol=1e-6)
        p = raw / raw.sum() + 1e-7  # RankMe as published
        assert values(result)["rankme"] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)

    def test_the_mean_moves_rankme_and_nothing_centred(self):
        x = np.random.default_rng(0).normal(size=(500, 40))
        here, there = values(of(x)), values(of(x + 5))
        assert there["rankme"] < 0.8 * here["rankme"]
        for name in RANKS[1:]:
            assert there[name] == pytest.approx(here[name], rel=1e-4)

    def test_rotation_and_scale_change_no_rank(self):
        rng = np.random.default_rng(0)
        x = power_law_rows(rng, 300, 32, 1.0)
        here, there = values(of(x)), values(of(17 * x @ orthonormal(32, 32, rng, centred=False)))
        for name in (*RANKS, "alpha"):
            assert there[name] == pytest.approx(here[name], rel=1e-4)


class TestBesideAnSvd:
    @pytest.mark.parametrize(("n", "d", "mean"), [(3000, 96, 0.0), (3000, 96, 5.0), (50, 96, 1.0)])
    def test_the_values_are_those_of_one_in_float64(self, n, d, mean):
        x = (power_law_rows(np.random.default_rng(0), n, d, 2.0) + mean).astype(np.float32)
        result, x = of(x), x.astype(float)
        sizes = np.linalg.svd(x, compute_uv=False)
        np.testing.assert_allclose(result.singular_values, sizes, rtol=1e-6)
        centred = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[: min(n - 1, d)]
        np.testing.assert_allclose(result.eigenvalues[: len(centred)], centred**2 / (n - 1), rtol=1e-6)
        assert values(result)["effective_rank"] == pytest.approx(entropy_rank(centred), rel=1e-6)


class TestMoments:
    def test_any_parts_in_any_order_equal_the_whole(self):
        rng = np.random.default_rng(0)
        x = (rng.normal(size=(400, 12)) * 0.01 + 100).astype(np.float32)  # a mean that drowns a sum of squares
        whole = Moments.of(x)
        parts = [Moments.of(x[a:b]) for a, b in pairwise([0, 1, 30, 31, 200, 400])]
        for order in (range(5), (4, 2, 0, 3, 1)):
            merged = reduce(add, [parts[i] for i in order])
            assert merged.n == 400
            for field in ("mean", "scatter", "unit_mean", "unit_scatter"):
                one, other = getattr(merged, field), getattr(whole, field)
                np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10 * np.abs(other).max())
        for field in ("mean", "scatter", "unit_mean", "unit_scatter"):
            left = getattr(whole - parts[3], field)
            rest = getattr(reduce(add, parts[:3] + parts[4:]), field)
            np.testing.assert_allclose(left, rest, rtol=1e-9, atol=1e-9 * np.abs(rest).max())
        x64 = x.astype(float)
        np.testing.assert_allclose(whole.scatter, np.cov(x64.T) * 399, rtol=1e-9, atol=1e-12)
        unit = x64 / np.linalg.norm(x64, axis=1, keepdims=True)
        assert whole.std == pytest.approx(unit.std(axis=0).mean(), rel=1e-9)

    def test_streams_a_memory_map_longer_than_a_block(self, tmp_path, monkeypatch):
        x = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
        np.save(tmp_path / "x.npy", x)
        at_once = of(x).scores()
        monkeypatch.setattr("sslviz.diagnostics.geometry.moments.ROWS", 64)
        mapped = of(np.load(tmp_path / "x.npy", mmap_mode="r")).scores()
        for name, score in mapped.items():
            expected = at_once[name]
            assert (score.value, score.low, score.high) == pytest.approx(
                (expected.value, expected.low, expected.high), rel=1e-9
            )


class TestNoiseControl:
    @pytest.mark.parametrize(("n", "d"), [(400, 64), (60, 100), (65, 64)])
    def test_reads_what_drawn_noise_reads(self, n, d):
        made, drawn = np.zeros((2, min(n, d))), np.zeros((2, min(n, d)))
        for seed in range(20):
            rng = np.random.default_rng(seed)
            made += noise_spectra(n, d, rng)
            x = rng.normal(size=(n, d))
            drawn[0] += np.linalg.svd(x, compute_uv=False)
            drawn[1] += np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / (n - 1)
        for ours, theirs in zip(made, drawn, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0.08, atol=0.02 * theirs[0])

    def test_is_a_ceiling_of_every_rank_and_not_beaten(self):
        scores = of(power_law_rows(np.random.default_rng(0), 400, 48, 1.0)).scores()
        for name in (*RANKS, "std"):
            assert set(scores[name].controls) == {"noise"} and scores[name].control_is == "ceiling"
            assert scores[name].value < scores[name].control and scores[name].beats_control is None
        assert scores["alpha"].higher_is_better is None

    def test_is_drawn_to_the_same_size(self):
        result = of(5 * np.random.default_rng(0).normal(size=(200, 10)) + 2)
        assert (result.noise_singular_values**2).sum() == pytest.approx((result.singular_values**2).sum())
        assert result.noise_eigenvalues.sum() == pytest.approx(result.eigenvalues.sum())


class TestIntervals:
    @pytest.mark.parametrize(
        ("n", "d", "alpha", "mean"), [(200, 16, 0.5, 0), (200, 16, 1.5, 0), (60, 48, 1.0, 0), (150, 24, 2.0, 0.5)]
    )
    def test_they_hold_the_expected_score_in_19_of_20_samples(self, n, d, alpha, mean):
        """The number estimated is the score's expectation at this n; 100 samples of one population."""
        rng = np.random.default_rng(0)
        scale = np.arange(1, d + 1.0) ** (-alpha / 2)
        samples = [of(rng.normal(size=(n, d)) * scale + mean).scores() for _ in range(100)]
        for name in (*RANKS, "std"):
            expected = np.mean([scores[name].value for scores in samples])
            held = sum(scores[name].low <= expected <= scores[name].high for scores in samples)
            assert held >= 90, f"{name}: {held} of 100"

    def test_what_is_left_without_some_images_is_what_an_svd_of_the_rest_says(self):
        """To first order: the replicates lie as far from their mean as ten decompositions would put them."""
        rng = np.random.default_rng(0)
        x = (power_law_rows(rng, 2000, 24, 1.0) + 0.3).astype(np.float32).astype(float)
        found = of(x).replicates
        group = delete_groups(2000, 10, 0)
        exact = {name: [] for name in RANKS}
        for g in range(10):
            rest = x[group != g]
            sizes = np.linalg.svd(rest - rest.mean(axis=0), compute_uv=False)
            exact["rankme"].append(entropy_rank(np.linalg.svd(rest, compute_uv=False)))
            exact["effective_rank"].append(entropy_rank(sizes))
            exact["stable_rank"].append((sizes**2).sum() / sizes[0] ** 2)
            exact["participation_ratio"].append((sizes**2).sum() ** 2 / (sizes**4).sum())
        for name, values in exact.items():
            theirs, ours = np.array(values), found[name]
            spread = (theirs - theirs.mean()).std()
            np.testing.assert_allclose(ours - ours.mean(), theirs - theirs.mean(), atol=0.1 * spread)
            assert ours.mean() == pytest.approx(theirs.mean(), rel=1e-3)


def test_of_the_same_images_the_same_ones_are_left_out():
    x = power_law_rows(np.random.default_rng(0), 200, 16, 1.0)
    one, other = of(x), of(2 * x)
    np.testing.assert_allclose(one.replicates["effective_rank"], other.replicates["effective_rank"], rtol=1e-5)
    assert (of(x, seed=1).replicates["effective_rank"] != one.replicates["effective_rank"]).any()
    assert one.replicates["rankme"].shape == (10,)


class TestBadInput:
    @pytest.mark.parametrize(("value", "rank"), [(1.0, 1), (0.0, 0), (0.1, 1)])
    def test_constant_features_are_a_collapse_and_no_error(self, value, rank):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = of(np.full((50, 12), value))
            read = values(result)
        assert result.directions_in_use == 0
        assert read["rankme"] == pytest.approx(rank, abs=1e-3)
        assert [read[name] for name in RANKS[1:]] == [0, 0, 0]
        assert read["std"] == pytest.approx(0, abs=1e-12)

    def test_one_row_has_no_spectrum(self):
        with pytest.raises(ValueError, match="at least 2 images.*got 1"):
            of(np.ones((1, 4)))

    def test_few_rows_have_no_interval(self):
        scores = of(np.random.default_rng(0).normal(size=(19, 4))).scores()
        assert scores["rankme"].low is None and np.isfinite(scores["rankme"].value)
        assert of(np.random.default_rng(0).normal(size=(20, 4))).scores()["rankme"].low is not None

    @pytest.mark.parametrize("shape", [(2, 1), (2, 30), (30, 1)])
    def test_the_smallest_shapes_are_read(self, shape):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert of(np.random.default_rng(0).normal(size=shape)).directions_in_use == 1
