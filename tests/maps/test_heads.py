"""Attention, rollout, relevance, norms and grids against closed forms, and the whole of `attention` on small encoders."""

import numpy as np
import pytest
import torch

import sslviz
from sslviz.encoders import create_encoder
from sslviz.maps.activation import energy, first_component, receptive_field, receptive_radius
from sslviz.maps.attention import attention, attention_maps, normal_outliers, query_maps
from sslviz.maps.heads import head_measures, rollout_step, uniform_distance
from sslviz.maps.registers import as_many_at_random, stand_out
from sslviz.maps.relevance import gradient_attention, relevance_rollout
from sslviz.runs import Checkpoint


def checkpoint(name="vit_nano", seed=0, **options):
    return Checkpoint("one", 0, create_encoder(name, **options).spec, None, seed)


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(12, seed=0)


class TestHeads:
    @pytest.mark.parametrize(
        ("side", "pixels", "expected"), [(4, 1, 2.0080), (8, 1, 4.1365), (14, 16, 116.492), (16, 14, 116.565)]
    )
    def test_uniform_attention_reaches_as_far_as_two_patches_lie_apart(self, side, pixels, expected):
        patches = side * side
        uniform = torch.full((1, 2, patches, patches), 1 / patches)
        measured = head_measures(uniform, (side, side))
        assert measured["distance"][0, 0].item() * pixels == pytest.approx(expected, rel=1e-4)
        assert uniform_distance(side, side) * pixels == pytest.approx(expected, rel=1e-4)
        assert measured["entropy"][0, 1].item() == pytest.approx(np.log(patches), rel=1e-5)
        assert measured["nmi"].abs().max() < 1e-3 and measured["homogeneity"].min() > 0.999
        assert measured["redundancy"].item() == pytest.approx(1, abs=1e-4)

    def test_attention_to_oneself_reaches_nowhere_and_a_permutation_tells_its_query(self):
        eye = torch.eye(16)[None, None]
        own = head_measures(eye, (4, 4))
        assert own["distance"].item() == 0 and own["entropy"].item() == pytest.approx(0, abs=1e-6)
        turned = head_measures(eye[..., torch.randperm(16, generator=torch.Generator().manual_seed(0)), :], (4, 4))
        for measured in (own, turned):
            assert measured["nmi"].item() == pytest.approx(1, abs=1e-5)
            assert measured["homogeneity"].item() == pytest.approx(0, abs=1e-6)
        assert turned["distance"].item() > 1 and torch.isnan(own["redundancy"]).all()

    def test_what_goes_to_other_tokens_does_not_count(self):
        patches = torch.softmax(torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)), -1)
        prefixed = torch.zeros(2, 3, 11, 11)
        prefixed[..., :2] = 0.4
        prefixed[..., 2:, 2:] = 0.2 * patches
        for name, values in head_measures(patches, (3, 3)).items():
            torch.testing.assert_close(head_measures(prefixed, (3, 3), prefix=2)[name], values, msg=name)


class TestRollout:
    def test_closed_forms_of_identity_and_uniform_layers(self):
        n, layers = 7, 3
        eye, uniform = torch.eye(n)[None, None], torch.full((1, 2, n, n), 1 / n)
        passed = None
        for _ in range(layers):
            passed = rollout_step(passed, eye)
        torch.testing.assert_close(passed[0], torch.eye(n))
        passed = None
        for _ in range(layers):
            passed = rollout_step(passed, uniform)
        torch.testing.assert_close(passed[0], torch.eye(n) / 2**layers + (1 - 2.0**-layers) / n)

    def test_rows_sum_to_one_for_any_batch(self):
        weights = torch.softmax(torch.randn(3, 4, 10, 10, generator=torch.Generator().manual_seed(0)), -1)
        passed = rollout_step(rollout_step(None, weights), weights.flip(0))
        torch.testing.assert_close(passed.sum(-1), torch.ones(3, 10))

    def test_relevance_without_gradients_is_the_identity_and_with_one_layer_its_positive_part(self):
        weights = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
        gradient = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(relevance_rollout([weights], (None,)), torch.eye(5).expand(2, 5, 5))
        expected = torch.eye(5) + (weights * gradient).clamp(min=0).mean(1)
        torch.testing.assert_close(relevance_rollout([weights], (gradient,)), expected)


class TestNorms:
    def test_planted_norms_are_found_and_no_others(self):
        norms = np.random.default_rng(0).normal(10, 0.5, (6, 64))
        planted = np.zeros_like(norms, dtype=bool)
        planted[[0, 2, 5], [3, 60, 17]] = True
        np.testing.assert_array_equal(stand_out(np.where(planted, 10 * norms, norms)), planted)
        assert not stand_out(np.full((2, 9), 3.0)).any()

    def test_normal_norms_stand_out_as_rarely_as_the_closed_form_says(self):
        norms = np.random.default_rng(0).normal(50, 1, (1000, 1000))
        assert stand_out(norms).mean() == pytest.approx(normal_outliers(), rel=0.5)

    def test_as_many_random_patches_are_drawn_from_the_others(self):
        chosen = np.random.default_rng(0).random((50, 36)) < 0.2
        drawn = as_many_at_random(chosen, seed=1)
        assert not (drawn & chosen).any()
        np.testing.assert_array_equal(drawn.sum(1), chosen.sum(1))


class TestGrids:
    def test_of_rank_one_the_first_component_is_the_map_it_was_made_of(self):
        rng = np.random.default_rng(0)
        map_, channels = rng.random((2, 4, 5)), rng.normal(size=7)
        grid = torch.from_numpy(map_[:, None] * channels[:, None, None])
        found = first_component(grid).numpy()
        np.testing.assert_allclose(found, map_ * np.linalg.norm(channels), rtol=1e-5)
        np.testing.assert_allclose(energy(grid).numpy(), (map_ * np.linalg.norm(channels)) ** 2, rtol=1e-5)

    def test_the_field_of_one_convolution_is_its_kernel(self):
        kernel = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
        x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
        field = receptive_field(
            lambda x: torch.nn.functional.conv2d(x, kernel, padding=1), x, 4, torch.Generator().manual_seed(0)
        )
        expected = kernel[0].square().sum(0).sqrt()
        torch.testing.assert_close(field[:, 3:6, 3:6], expected.expand(2, 3, 3))
        assert field[:, :3].abs().max() == 0

    def test_the_radius_of_a_gaussian_is_its_own(self):
        y, x = np.indices((41, 41))
        field = 3 * np.exp(-((y - 18) ** 2 + (x - 22) ** 2) / (2 * 4.5**2))
        assert receptive_radius(field) == pytest.approx(4.5, rel=1e-3)
        assert receptive_radius(np.zeros((5, 5))) == 0


class TestAttention:
    def test_everything_is_measured_beside_uniform_attention_and_the_encoder_untrained(self, images):
        result = attention(checkpoint(seed=3), images, progress=False)
        assert result.maps.shape == (12, 4, 8, 8) and result.rollout.shape == (12, 8, 8)
        assert result.distance.shape == result.entropy.shape == (12, 6, 4)
        assert result.query == "class token"
        scores = result.scores()
        assert {"distance", "entropy", "homogeneity", "outliers"} <= set(scores)
        for name, score in scores.items():
            assert score.control is not None, name
        assert scores["distance"].controls["uniform attention"] == pytest.approx(
            uniform_distance(8, 8) * 4 / (np.sqrt(2) * 32), rel=1e-6
        )
        assert 0 < scores["entropy"].value <= 1 and result.advice().endswith(".")

    def test_batches_of_any_size_give_the_same_maps(self, images):
        whole, bit_by_bit = (attention(checkpoint(), images, memory=m, progress=False) for m in (2**28, 2**17))
        np.testing.assert_allclose(whole.maps, bit_by_bit.maps, atol=1e-6)
        np.testing.assert_allclose(whole.distance, bit_by_bit.distance, rtol=1e-4)

    def test_maps_of_a_layer_and_of_its_queries_are_shares(self, images):
        result = attention(checkpoint(), images, layer=2, progress=False)
        np.testing.assert_allclose(attention_maps(checkpoint(), images, layer=2), result.maps, atol=1e-6)
        queries = query_maps(checkpoint(), images.rows(np.arange(2)), layer=2)
        assert queries.shape == (2, 4, 64, 8, 8) and (queries.sum((3, 4)) <= 1 + 1e-5).all()

    def test_gradient_attention_is_a_map_and_changes_with_the_score(self, images):
        some = images.rows(np.arange(3))
        own = gradient_attention(checkpoint(), some, progress=False)
        first = gradient_attention(checkpoint(), some, score=lambda z: z[:, 0], progress=False)
        assert own.shape == (3, 8, 8) and (own >= 0).all() and not np.allclose(own, first)
        with pytest.raises(ValueError, match="one number an image"):
            gradient_attention(checkpoint(), some, score=lambda z: z, progress=False)

    def test_a_convolutional_encoder_is_refused_by_name(self, images):
        with pytest.raises(ValueError, match="ByobNet holds no attention.*eigen_cam"):
            attention(checkpoint("conv_nano"), images, progress=False)
