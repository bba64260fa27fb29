"""Distance, entropy, likeness, rollout and outliers against closed forms and plain loops."""

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from sslviz.explanations.attention.heads import head_measures, patch_distances, rollout_step, uniform_distance
from sslviz.explanations.attention.registers import as_many_at_random, emergence, stand_out


def uniform(n, heads=2, b=1):
    return torch.full((b, heads, n, n), 1 / n)


def random_weights(b, heads, n, seed=0, sharp=2.0):
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(b, heads, n, n, generator=generator)).softmax(-1)


@pytest.mark.parametrize(
    ("side", "patch", "pixels"), [(4, 1, 2.0080), (8, 1, 4.1365), (8, 8, 33.092), (14, 16, 116.492), (16, 14, 116.565)]
)
def test_uniform_attention_reaches_the_mean_distance_of_the_grid(side, patch, pixels):
    assert uniform_distance(side, side) * patch == pytest.approx(pixels, abs=5e-4 * patch)
    measured = head_measures(uniform(side**2), (side, side))["distance"]
    np.testing.assert_allclose(measured * patch, pixels, atol=5e-4 * patch)


def test_distances_count_patches():
    between = patch_distances(3, 4)
    assert between[0, 1] == 1 and between[0, 4] == 1 and between[0, 11] == pytest.approx(np.hypot(2, 3))
    np.testing.assert_array_equal(between, between.T)


@pytest.mark.parametrize("side", [8, 14])
def test_uniform_attention_has_the_entropy_of_its_patches(side):
    found = head_measures(uniform(side**2), (side, side))
    expected = {64: 4.1589, 196: 5.2781}[side**2]
    np.testing.assert_allclose(found["entropy"], expected, atol=1e-4)
    np.testing.assert_allclose(found["nmi"], 0, atol=1e-4)
    np.testing.assert_allclose(found["homogeneity"], 1, atol=1e-5)
    np.testing.assert_allclose(found["redundancy"], 1, atol=1e-5)


def test_attention_to_oneself():
    found = head_measures(torch.eye(16).expand(1, 2, 16, 16), (4, 4))
    expected = {"distance": 0, "entropy": 0, "nmi": 1, "homogeneity": 0, "redundancy": 1}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def test_any_permutation_shares_all_information_and_nothing_is_alike():
    one, other = torch.eye(16)[torch.arange(16).roll(1)], torch.eye(16)[torch.arange(16).roll(2)]
    found = head_measures(torch.stack([one, other])[None], (4, 4))
    np.testing.assert_allclose(found["nmi"], 1, atol=1e-6)
    np.testing.assert_allclose(found["entropy"], 0, atol=1e-6)
    np.testing.assert_allclose(found["homogeneity"], 0, atol=1e-6)
    np.testing.assert_allclose(found["redundancy"], 0, atol=1e-6)


def test_queries_that_attend_alike_share_no_information():
    row = random_weights(1, 2, 9)[:, :, :1]
    found = head_measures(row.expand(1, 2, 9, 9), (3, 3))
    np.testing.assert_allclose(found["nmi"], 0, atol=1e-5)
    np.testing.assert_allclose(found["homogeneity"], 1, atol=1e-5)
    one_key = torch.zeros(1, 1, 9, 9)
    one_key[..., 4] = 1
    assert head_measures(one_key, (3, 3))["nmi"].item() == 0  # the key never varies: nothing to share


def test_mutual_information_is_that_of_scikit_learn():
    counts = np.random.default_rng(0).integers(0, 8, (9, 9)) ** 2
    counts[:, 0] += 300 - counts.sum(1)  # every query equally often
    queries, keys = (np.repeat(np.indices((9, 9))[axis].ravel(), counts.ravel()) for axis in (0, 1))
    expected = normalized_mutual_info_score(queries, keys, average_method="geometric")
    weights = torch.from_numpy(counts / 300)[None, None]
    assert head_measures(weights, (3, 3))["nmi"].item() == pytest.approx(expected, abs=1e-5)


def test_plain_loops_agree():
    prefix, side = 2, 3
    weights = random_weights(2, 3, prefix + 9)
    found = head_measures(weights, (side, side), prefix)
    for b in range(2):
        heads = []
        for h in range(3):
            a = weights[b, h, prefix:, prefix:].double().numpy()
            a = a / a.sum(1, keepdims=True)
            heads.append(a.ravel())
            far = [a[q, k] * np.hypot(q // side - k // side, q % side - k % side) for q in range(9) for k in range(9)]
            cosines = [
                a[q] @ a[k] / np.linalg.norm(a[q]) / np.linalg.norm(a[k]) for q in range(9) for k in range(9) if q != k
            ]
            assert found["distance"][b, h].item() == pytest.approx(sum(far) / 9, rel=1e-5)
            assert found["entropy"][b, h].item() == pytest.approx(-(a * np.log(a)).sum() / 9, rel=1e-5)
            assert found["homogeneity"][b, h].item() == pytest.approx(np.mean(cosines), rel=1e-5)
        unit = [head / np.linalg.norm(head) for head in heads]
        alike = [unit[i] @ unit[j] for i in range(3) for j in range(3) if i != j]
        assert found["redundancy"][b].item() == pytest.approx(np.mean(alike), rel=1e-5)


def test_what_goes_to_the_class_token_does_not_look_local():
    """Nine tenths of every row on the class token, the rest alike on all patches: as far as uniform attention."""
    weights = torch.full((1, 1, 17, 17), 0.1 / 16)
    weights[..., 0] = 0.9
    found = head_measures(weights, (4, 4), 1)
    assert found["distance"].item() == pytest.approx(uniform_distance(4, 4), rel=1e-5)
    assert found["entropy"].item() == pytest.approx(np.log(16), rel=1e-5)


def test_edges():
    assert torch.isnan(head_measures(uniform(4, heads=1), (2, 2))["redundancy"]).all()
    nothing = torch.zeros(1, 2, 5, 5)
    nothing[..., 0] = 1  # no patch attends to any patch
    found = head_measures(nothing.half(), (2, 2), 1)
    assert all(torch.isfinite(value).all() for value in found.values())


class TestRollout:
    def through(self, layers):
        passed = None
        for weights in layers:
            passed = rollout_step(passed, weights)
        return passed

    def test_attention_to_oneself_passes_nothing_on(self):
        identity = torch.eye(5).expand(2, 3, 5, 5)
        torch.testing.assert_close(self.through([identity] * 4), torch.eye(5).expand(2, 5, 5))

    @pytest.mark.parametrize("layers", [1, 2, 6])
    def test_uniform_layers(self, layers):
        n = 7
        expected = 0.5**layers * torch.eye(n) + (1 - 0.5**layers) / n
        torch.testing.assert_close(self.through([uniform(n)] * layers)[0], expected)

    def test_rows_sum_to_one_and_batches_do_not_mix(self):
        layers = [random_weights(3, 2, 6, seed) for seed in range(5)]
        together = self.through(layers)
        torch.testing.assert_close(together.sum(-1), torch.ones(3, 6))
        for b in range(3):
            torch.testing.assert_close(together[b], self.through([weights[b : b + 1] for weights in layers])[0])

    def test_later_layers_stand_on_the_left(self):
        first, second = random_weights(1, 2, 4, 0), random_weights(1, 2, 4, 1)
        half = [(weights[0].mean(0) + torch.eye(4)) / 2 for weights in (first, second)]
        torch.testing.assert_close(self.through([first, second])[0], half[1] @ half[0])


class TestOutliers:
    @pytest.mark.parametrize("planted", [1, 5, 40])
    def test_patches_ten_times_as_long_are_found_exactly(self, planted):
        rng = np.random.default_rng(planted)
        norms = rng.normal(20, 1, (30, 64))
        which = np.zeros(norms.size, bool)
        which[rng.permutation(norms.size)[:planted]] = True
        norms[which.reshape(norms.shape)] *= 10
        np.testing.assert_array_equal(stand_out(norms), which.reshape(norms.shape))

    def test_normal_norms_stand_out_as_rarely_as_the_closed_form_says(self):
        from sslviz.explanations.attention.registers import normal_outliers

        share = np.mean([stand_out(np.random.default_rng(s).normal(20, 2, 100_000)).mean() for s in range(40)])
        assert normal_outliers() == pytest.approx(2.59e-5, rel=0.01)
        assert share == pytest.approx(normal_outliers(), rel=0.3)  # about 100 of four million

    def test_equal_norms_have_no_outliers(self):
        norms = np.full((4, 9), 3.0, np.float32)
        assert not stand_out(norms).any()
        assert not stand_out(norms * (1 + 1e-7)).any()

    def test_the_block_in_which_they_emerge(self):
        norms = np.random.default_rng(0).normal(10, 1, (20, 5, 16))
        outliers = np.zeros((20, 16), bool)
        outliers[:, 3] = True
        norms[:, 3:, 3] *= 10
        norms[0, 1, 3] *= 10  # a single one earlier is not yet the half
        share, emerges = emergence(norms, stand_out(norms[:, -1]))
        np.testing.assert_allclose(share, [0, 1 / 320, 0, 1 / 16, 1 / 16])
        assert emerges == 3
        assert emergence(np.ones((2, 4, 9)), np.zeros((2, 9), bool))[1] == 3

    def test_random_patches_are_as_many_and_others(self):
        chosen = np.random.default_rng(0).random((50, 16)) < 0.2
        drawn = as_many_at_random(chosen, seed=0)
        np.testing.assert_array_equal(drawn.sum(1), chosen.sum(1))
        assert not (drawn & chosen).any()
        assert (drawn != as_many_at_random(chosen, seed=1)).any()
        most = np.ones((1, 4), bool)
        most[0, 0] = False  # only one other is left
        np.testing.assert_array_equal(as_many_at_random(most, 0), ~most)
