"""Measures of maps: known values on constant, random, perfect and signed maps, and on encoders whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import nn

from sslviz.data import Images
from sslviz.encoders.preprocessing import Preprocessing
from sslviz.explanations.control_maps import model_free_maps, resized
from sslviz.explanations.faithfulness import localization, perturbation
from sslviz.explanations.faithfulness.encoder_measures import area
from sslviz.explanations.faithfulness.faithfulness import Faithfulness, faithfulness
from sslviz.explanations.faithfulness.localization import (
    localization_auc,
    pointing_game,
    relevance_mass,
    relevance_rank,
)
from sslviz.explanations.faithfulness.perturbation import Perturbed, block_masks, counts, order, square_blocks
from sslviz.explanations.faithfulness.randomization import PartlyRandomized, cascade, layers_of, reassigned
from sslviz.explanations.faithfulness.rank_correlation import rank_correlations
from sslviz.explanations.faithfulness.tag_contrast import tag_contrast
from sslviz.explanations.targets import targets
from sslviz.runs import Checkpoint

SIDE = 16
MEASURES = list(localization.MEASURES.values())
NANO = Checkpoint("nano", 0, {"name": "conv_nano", "image_size": 32}, None)


def some_masks(n=40, size=SIDE, seed=0):
    """Rectangles of different sizes and places."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, size, size), bool)
    for mask in masks:
        top, left = rng.integers(0, size // 2, 2)
        height, width = rng.integers(2, size // 2, 2)
        mask[top : top + height, left : left + width] = True
    return masks


def some_images(n=12, size=SIDE, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, size, size, 3)).astype(np.uint8)
    return Images(pixels, np.arange(n).astype(str), pd.DataFrame({"label": ["a"] * n}))


class Linear(nn.Module):
    """f(x) = (sum of w x over all pixels, 1): an additive score, whose true map is w x."""

    name, image_size, mean, std = "linear", SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    preprocessing = Preprocessing(mean, std, SIDE)

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(torch.randn(3, SIDE, SIDE, generator=generator))

    def forward(self, x):
        return (x * self.w).sum((1, 2, 3))[:, None]


def first(z, whole):
    return z[:, 0]


def removal_curves(model, x, maps, *, insert=False, steps=perturbation.STEPS, seed=0, **asked):
    return perturbation.removal_curves(Perturbed(model, x, **asked), maps, insert=insert, steps=steps, seed=seed)


def infidelity(model, x, maps, *, scaled=True, **asked):
    """Of 16-pixel pictures, with all their blocks."""
    seen, blocks = Perturbed(model, x, **asked), square_blocks(len(x), SIDE)
    losses = seen.whole[:, None] - seen.values(torch.from_numpy(block_masks(blocks, SIDE)))
    return perturbation.infidelity(maps, blocks, losses.double().numpy(), size=SIDE, scaled=scaled)


def linear_world(n=6, seed=0):
    """A linear encoder, images as it takes them, and the true loss of each pixel (n, h, w) when it is filled."""
    model = Linear()
    x = torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        truth = ((x - perturbation.filled(x, "mean")) * model.w).sum(1).numpy()
    return model, x, truth


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.0, 0.3, -2.0, 0.0])
def test_a_constant_map_reads_chance_on_every_measure(value):
    masks = some_masks()
    constant = np.full(masks.shape, value)
    share = masks.mean((1, 2))
    for measure in (pointing_game, relevance_mass, relevance_rank):
        np.testing.assert_allclose(measure(constant, masks), share, rtol=1e-12)
    np.testing.assert_allclose(localization_auc(constant, masks), 0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_mask_itself_reads_one_and_its_inverse_nothing(measure):
    masks = some_masks()
    np.testing.assert_allclose(measure(masks.astype(float), masks), 1)
    outside = measure(1.0 - masks, masks)
    assert np.allclose(outside[masks.mean((1, 2)) < 0.5], 0)


def test_random_maps_read_chance_on_average():
    masks = np.repeat(some_masks(1), 4000, axis=0)
    share = masks[0].mean()
    maps = np.random.default_rng(0).random(masks.shape)
    for measure, chance in zip(MEASURES, (share, share, share, 0.5), strict=True):
        values = measure(maps, masks)
        assert abs(values.mean() - chance) < 4 * values.std() / np.sqrt(len(values)), measure.__name__


def test_signed_relevance_does_not_leave_the_unit_interval():
    """[1, 1, -1.9] with mask [1, 1, 0] is 20 where signs may cancel; all its positive relevance is on the mask."""
    a, mask = np.array([[[1, 1, -1.9]]]), np.array([[[True, True, False]]])
    assert relevance_mass(a, mask) == 1
    assert relevance_mass(-a, mask) == 0
    for measure in MEASURES:
        assert 0 <= measure(np.random.default_rng(0).normal(size=(1, 1, 3)), mask) <= 1


def test_ties_do_not_favour_a_corner():
    """A stable sort would fill the top left: two masks that mirror each other read the same."""
    a = np.zeros((2, 8, 8))
    a[:, 3:5, 3:5] = 1
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4, :4] = masks[1, 4:, 4:] = True
    for measure in MEASURES:
        one, two = measure(a, masks)
        assert one == pytest.approx(two), measure.__name__
    # of 16 places four go to the block, one of which is on the mask; the 12 others are shared among 60, 15 on the mask
    assert relevance_rank(a, masks)[0] == pytest.approx((1 + 12 * 15 / 60) / 16)
    assert pointing_game(a, masks)[0] == 1 / 4


def test_ties_are_what_breaking_them_at_random_gives_on_average():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, (1, SIDE, SIDE)).astype(float)
    mask = some_masks(1)
    broken = a + 1e-6 * rng.random((4000, SIDE, SIDE))
    many = np.repeat(mask, 4000, axis=0)
    for measure in (pointing_game, relevance_rank, localization_auc):
        values = measure(broken, many)
        assert abs(values.mean() - measure(a, mask)[0]) < 4 * values.std() / np.sqrt(4000) + 1e-9


def test_auc_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    masks = some_masks()
    maps = rng.integers(0, 9, masks.shape).astype(float)
    expected = [roc_auc_score(m.ravel(), a.ravel()) for m, a in zip(masks, maps, strict=True)]
    np.testing.assert_allclose(localization_auc(maps, masks), expected, rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_empty_masks_are_skipped(measure):
    masks = some_masks(3)
    masks[1] = False
    values = measure(np.random.default_rng(0).random(masks.shape), masks)
    assert np.isnan(values).tolist() == [False, True, False]


def test_a_full_mask_has_no_auc():
    assert np.isnan(localization_auc(np.ones((1, 2, 2)), np.ones((1, 2, 2), bool)))


@pytest.mark.parametrize(
    ("maps", "masks"),
    [
        (np.ones((3, 4, 4)), np.ones((2, 4, 4), bool)),
        (np.ones((3, 4, 4)), np.ones((3, 4, 4))),
        (np.ones((3, 16)), np.ones((3, 4, 4), bool)),
        (np.full((3, 4, 4), np.nan), np.ones((3, 4, 4), bool)),
    ],
)
def test_maps_that_do_not_go_with_the_masks_are_refused(maps, masks):
    with pytest.raises(ValueError, match="[Mm]aps"):
        pointing_game(maps, masks)


# --- grids and model-free maps ----------------------------------------------------------------------------------------


def test_enlarging_repeats_and_shrinking_averages():
    a = np.random.default_rng(0).random((2, 4, 6)).astype(np.float32)
    large = resized(a, (12, 12))
    np.testing.assert_array_equal(large, np.repeat(np.repeat(a, 3, 1), 2, 2))
    np.testing.assert_allclose(resized(large, (4, 6)), a, rtol=1e-6)
    uneven = resized(a, (3, 5))
    np.testing.assert_allclose(uneven.mean((1, 2)), a.mean((1, 2)), rtol=1e-5)
    assert (resized(np.ones((1, 7, 7)), (4, 4)) == 1).all()


def test_control_maps_are_what_they_are_called():
    pixels = np.full((1, 32, 32, 3), 100, np.uint8)
    pixels[0, :, 16:] = (200, 100, 50)
    drawn = model_free_maps(Images(pixels, np.array(["a"]), pd.DataFrame(index=[0])))
    assert set(drawn) == {"random", "centre", "edge", "luminance", "saturation"}
    assert all(m.shape == (1, 32, 32) and m.dtype == np.float32 and (m >= 0).all() for m in drawn.values())
    np.testing.assert_allclose(drawn["saturation"][0, 0], [0] * 16 + [150 / 255] * 16, rtol=1e-6)
    grey = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    np.testing.assert_allclose(drawn["luminance"][0, 0], [100 / 255] * 16 + [grey] * 16, rtol=1e-5)
    assert (np.flatnonzero(drawn["edge"][0, 5]) == [15, 16]).all()
    assert set(np.flatnonzero(drawn["centre"][0] == drawn["centre"].max())) == {
        15 * 33,
        15 * 33 + 1,
        16 * 32 + 15,
        16 * 33,
    }
    again = model_free_maps(some_images(), seed=3)["random"]
    assert np.array_equal(again, model_free_maps(some_images(), seed=3)["random"])


# --- deletion and insertion -------------------------------------------------------------------------------------------


def test_orders_fall_and_ties_are_drawn():
    a = np.random.default_rng(0).integers(0, 4, (3, 8, 8)).astype(float)
    ranks = order(a)
    for one, rank in zip(a.reshape(3, -1), ranks.reshape(3, -1), strict=True):
        assert sorted(rank) == list(range(64)) and (np.diff(one[np.argsort(rank)]) <= 0).all()
    flat = np.zeros((2000, 2, 2))
    first_cell = order(flat).reshape(2000, 4).argmin(axis=1)
    assert stats.chisquare(np.bincount(first_cell, minlength=4)).pvalue > 1e-3


def test_steps_run_from_nothing_to_everything():
    assert counts(1024, 32).tolist() == list(range(0, 1025, 32))
    assert counts(4, 32).tolist() == [0, 1, 2, 3, 4]
    assert counts(7, 3).tolist() == [0, 2, 5, 7]


def test_of_an_additive_score_every_step_is_the_sum_of_what_went():
    model, x, truth = linear_world()
    fractions = counts(SIDE**2) / SIDE**2
    deletion = removal_curves(model, x, truth, similarity=first)
    insertion = removal_curves(model, x, truth, similarity=first, insert=True)
    ends = np.stack([s.detach().numpy()[:, 0] for s in (model(x), model(perturbation.filled(x, "mean").contiguous()))])
    falling = -np.sort(-truth.reshape(len(x), -1), axis=1)
    gone = np.concatenate([np.zeros((len(x), 1)), falling.cumsum(axis=1)], axis=1)[:, counts(SIDE**2)]
    np.testing.assert_allclose(deletion, ends[0][:, None] - gone, atol=1e-3)
    np.testing.assert_allclose(insertion, ends[1][:, None] + gone, atol=1e-3)
    # no order removes more sooner, or shows more sooner
    best, most = area(deletion, fractions), area(insertion, fractions)
    for seed in range(20):
        other = np.random.default_rng(seed).normal(size=truth.shape)
        assert (area(removal_curves(model, x, other, similarity=first), fractions) > best).all()
        assert (area(removal_curves(model, x, other, similarity=first, insert=True), fractions) < most).all()


def test_random_order_of_an_additive_score_gives_the_mean_of_the_ends():
    model, x, _ = linear_world(1)
    fractions = counts(SIDE**2) / SIDE**2
    maps = np.random.default_rng(0).random((400, SIDE, SIDE))
    curves = removal_curves(model, x.expand(400, -1, -1, -1), maps, similarity=first)
    values = area(curves, fractions)
    middle = (curves[:, 0].mean() + curves[:, -1].mean()) / 2
    assert abs(values.mean() - middle) < 4 * values.std() / np.sqrt(400)
    # a constant map has no order either
    flat = area(
        removal_curves(model, x.expand(400, -1, -1, -1), np.ones((400, SIDE, SIDE)), similarity=first), fractions
    )
    assert abs(flat.mean() - middle) < 4 * flat.std() / np.sqrt(400)


def test_batches_and_grids_do_not_change_curves():
    model, x, truth = linear_world(3)
    whole = removal_curves(model, x, truth, similarity=first)
    np.testing.assert_allclose(removal_curves(model, x, truth, similarity=first, batch=7), whole, atol=1e-4)
    coarse = resized(truth, (4, 4))
    curve = removal_curves(model, x, coarse, similarity=first)
    assert curve.shape == (3, 17)
    np.testing.assert_allclose(curve[:, [0, -1]], whole[:, [0, -1]], atol=1e-4)
    top = coarse.reshape(3, -1).argmax(axis=1)
    lost = [truth[i].reshape(4, 4, 4, 4).sum((1, 3)).ravel()[cell] for i, cell in enumerate(top)]
    np.testing.assert_allclose(curve[:, 0] - curve[:, 1], lost, atol=1e-3)


def test_blur_fills_with_the_neighbourhood():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1
    blurred = perturbation.filled(x, "blur")
    assert (blurred[0, 0, 0].diff() >= 0).all() and 0 < blurred[0, 0, 0, 7] < 0.5 < blurred[0, 0, 0, 8] < 1
    assert torch.allclose(perturbation.filled(torch.ones(1, 3, 8, 8), "blur"), torch.ones(1, 3, 8, 8))


def test_references_of_a_target_go_with_their_image():
    model, x, truth = linear_world(4)
    reference = torch.arange(4.0)[:, None]
    curves = removal_curves(model, x, truth, similarity=lambda z, r: z[:, 0] * r[:, 0], references=[reference], batch=5)
    plain = removal_curves(model, x, truth, similarity=first)
    np.testing.assert_allclose(curves, plain * reference.numpy(), atol=1e-3)


# --- infidelity -------------------------------------------------------------------------------------------------------


def test_the_true_map_of_a_linear_score_has_no_infidelity():
    model, x, truth = linear_world()
    for scaled in (True, False):
        np.testing.assert_allclose(infidelity(model, x, truth, similarity=first, scaled=scaled), 0, atol=1e-4)
    np.testing.assert_allclose(infidelity(model, x, 7 * truth, similarity=first), 0, atol=1e-4)
    np.testing.assert_allclose(infidelity(model, x, -truth, similarity=first), 1, atol=1e-9)
    assert (infidelity(model, x, 7 * truth, similarity=first, scaled=False) > 1).all()


def test_a_map_that_has_nothing_to_do_with_the_score_explains_next_to_nothing():
    model, x, _ = linear_world(40)
    noise = np.random.default_rng(1).normal(size=(40, SIDE, SIDE))
    assert infidelity(model, x, noise, similarity=first).mean() > 0.9


def test_infidelity_is_captums_for_the_same_blocks():
    from captum.metrics import infidelity as captum_infidelity

    model, x, truth = linear_world(3)
    maps = np.random.default_rng(0).normal(size=truth.shape).astype(np.float32)
    blank = perturbation.filled(x, "mean")
    ours = infidelity(model, x, maps, similarity=first, scaled=False)
    for i in range(3):
        blocks = torch.from_numpy(block_masks(square_blocks(3, SIDE), SIDE)[i]).float()[:, None]  # (m, 1, h, w)
        drawn = iter(blocks)

        def remove(inputs, baselines, drawn=drawn):
            block = next(drawn).expand(1, 3, -1, -1)
            # captum multiplies the map by what the first of these says was taken away, here whole pixels
            return block, torch.where(block > 0, baselines, inputs)

        shared = torch.from_numpy(maps[i]).expand(1, 3, -1, -1) / 3  # among the channels, all of which go together
        one = captum_infidelity(
            lambda inputs: model(inputs)[:, 0],
            remove,
            x[i : i + 1],
            shared,
            blank[i : i + 1],
            n_perturb_samples=len(blocks),
            max_examples_per_batch=1,
        )
        assert ours[i] == pytest.approx(one.item(), rel=1e-3)


# --- all of it on an encoder ------------------------------------------------------------------------------------------


def linear_checkpoint():
    return SimpleNamespace(encoder=lambda: Linear().eval(), run="linear")


def true_maps(images):
    model = Linear()
    x = torch.from_numpy(images.pixels).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    return ((x - perturbation.filled(x, "mean")) * model.w).sum(1).detach().numpy()


def test_the_truth_beats_every_control_and_a_blob_does_not():
    images = some_images(24)
    masks = some_masks(24)
    true = faithfulness(true_maps(images), linear_checkpoint(), images, masks, target=first, progress=False)
    assert {"deletion", "insertion", "infidelity", *localization.MEASURES} == set(true.scores())
    assert all(true.beats(m) for m in ("deletion", "insertion", "infidelity"))
    assert true.verdict.startswith("beats its best control (insertion ")
    assert true.scores()["infidelity"].value == pytest.approx(0, abs=1e-4)
    assert true.scores()["insertion"].beats_control and true.scores()["deletion"].beats_control
    blob = faithfulness(model_free_maps(images)["centre"], linear_checkpoint(), images, target=first, progress=False)
    assert blob.beats("insertion") is False and blob.verdict.startswith("no better than ")
    assert all(len(s.controls) == 5 for s in blob.scores().values())
    score = blob.scores()["insertion"]
    assert score.value <= score.control


def test_a_unit_and_a_probe_are_measured_as_the_numbers_that_they_are():
    """Of an encoder with one feature, unit 0 is the feature, and a probe of weight 2 twice that."""
    images = some_images(8)
    measured = [
        faithfulness(true_maps(images), linear_checkpoint(), images, target=target, steps=8, progress=False)
        for target in (first, targets.unit(0), targets.probe(np.array([2.0])))
    ]
    for curve in ("deletion", "insertion"):
        want, as_unit, as_probe = (result.curves[curve] for result in measured)
        np.testing.assert_allclose(as_unit, want, rtol=1e-6)
        np.testing.assert_allclose(as_probe, 2 * want, rtol=1e-6)
    assert measured[1].target == "unit 0" and "logit" in measured[2].target


def test_controls_can_be_given_and_the_best_one_counts():
    images = some_images(24)
    maps = true_maps(images)
    result = faithfulness(
        maps, linear_checkpoint(), images, control_maps={"untrained": maps}, target=first, progress=False
    )
    assert result.names[-1] == "untrained" and not result.beats("insertion")
    assert "no better than the untrained encoder's map" in result.verdict
    score = result.scores()["insertion"]
    assert score.value == pytest.approx(score.control, abs=1e-6)


def test_maps_that_are_no_better_rarely_beat_their_controls():
    """One control: 2.5 % of seeds on this side; five: fewer, as all of them have to be beaten."""
    fired = {1: 0, 5: 0}
    for controls in fired:
        for seed in range(200):
            values = np.random.default_rng((controls, seed)).normal(size=(1 + controls, 30))
            names = ["map", *map(str, range(controls))]
            null = Faithfulness(np.arange(30), names, np.array([0, 1]), {}, {"insertion": values}, seed=seed)
            fired[controls] += bool(null.beats("insertion"))
    assert 1 <= fired[1] <= 14 and fired[5] <= 3


def test_the_random_control_on_masks_is_exact():
    images, masks = some_images(12), some_masks(12)
    result = faithfulness(true_maps(images), linear_checkpoint(), images, masks, target=first, progress=False)
    assert result.scores()["pointing_game"].controls["random"] == pytest.approx(masks.mean())
    assert result.scores()["localization_auc"].controls["random"] == pytest.approx(0.5)


def test_several_masks_are_told_apart_and_empty_ones_left_out():
    images = some_images(12)
    masks = {"left": np.zeros((12, 16, 16), bool), "none": np.zeros((12, 16, 16), bool)}
    masks["left"][:10, :, :8] = True
    result = faithfulness(true_maps(images), linear_checkpoint(), images, masks, target=first, progress=False)
    assert {"left pointing_game", "left relevance_mass"} <= set(result.scores())
    assert not any(name.startswith("none") for name in result.scores())
    assert np.isnan(result.values["left pointing_game"][:, 10:]).all()
    assert result.scores()["left pointing_game"].controls["random"] == 0.5


def test_few_images_have_no_interval_and_no_verdict():
    images = some_images(3)
    result = faithfulness(true_maps(images), linear_checkpoint(), images, target=first, progress=False)
    assert result.scores()["insertion"].low is None and result.beats("insertion") is None
    assert result.verdict.startswith("too few images to say")


def test_results_of_maps_are_taken_by_their_ids():
    images = some_images(8)
    given = SimpleNamespace(maps=true_maps(images), ids=images.ids, method="truth")
    assert faithfulness(given, linear_checkpoint(), images, target=first, progress=False).name == "truth"
    given.ids = images.ids[::-1]
    with pytest.raises(ValueError, match="in another order"):
        faithfulness(given, linear_checkpoint(), images)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"maps": np.ones((7, 4, 4))}, "need the shape"),
        ({"maps": np.full((8, 4, 4), np.inf)}, "must be finite"),
        ({"target": "nearest"}, "target is one of cosine, dot"),
        ({"masks": "object"}, "no mask 'object'; the images have: none"),
        ({"masks": np.ones((8, 4), bool)}, "boolean masks"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, said):
    given = {"maps": np.ones((8, 4, 4)), "checkpoint": linear_checkpoint(), "images": some_images(8), "progress": False}
    with pytest.raises(ValueError, match=said):
        faithfulness(**given | change)


def test_a_real_encoder_is_measured_on_coarse_maps_and_left_as_it_was():
    images = some_images(8, size=32)
    result = faithfulness(np.random.default_rng(0).random((8, 4, 4)), NANO, images, steps=8, progress=False)
    assert result.curves["deletion"].shape == (6, 8, 9)
    np.testing.assert_allclose(result.curves["deletion"][..., 0], 1, atol=1e-5)
    np.testing.assert_allclose(result.curves["insertion"][..., -1], 1, atol=1e-5)
    np.testing.assert_allclose(result.curves["insertion"][..., 0], result.curves["deletion"][..., -1], atol=1e-4)


def test_results_can_be_stored(tmp_path):
    from sslviz.runs import load_result, save_result

    images = some_images(8)
    result = faithfulness(true_maps(images), linear_checkpoint(), images, some_masks(8), target=first, progress=False)
    save_result(tmp_path / "r.npz", result)
    again = load_result(tmp_path / "r.npz", type(result))
    assert again.scores() == result.scores() and again.verdict == result.verdict


# --- rank correlations ------------------------------------------------------------------------------------------------


def test_rank_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (2, 4, 6, 6)).astype(float)
    for i in range(4):
        for j in range(4):
            expected = stats.spearmanr(a[i].ravel(), b[j].ravel()).statistic
            assert rank_correlations(a, b)[i, j] == pytest.approx(expected)
    assert (rank_correlations(np.ones((2, 3, 3)), a[:2, :3, :3]) == 0).all()


# --- the cascade ------------------------------------------------------------------------------------------------------


def smooth_maps(seed, n=30, size=32, sigma=4):
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(n, size, size))
    return np.stack([gaussian_filter(one, sigma) for one in noise])


def test_smooth_maps_correlate_by_chance_as_widely_as_known():
    """Unrelated maps smoothed with sigma 4 on 32x32 have a Spearman sd of .26, iid ones of 1 / sqrt(1023) = .031."""
    smooth = rank_correlations(smooth_maps(0, 60), smooth_maps(1, 60))
    assert 0.22 < smooth.std() < 0.30 and abs(smooth.mean()) < 0.02
    plain = rank_correlations(*np.random.default_rng(0).random((2, 60, 32, 32)))
    assert plain.std() == pytest.approx(1 / np.sqrt(1023), rel=0.05)


def test_the_null_of_the_cascade_keeps_its_level():
    """Where maps have nothing to do with each other, p falls below 5 % in about 5 % of seeds."""
    below = 0
    for seed in range(200):
        square = np.abs(rank_correlations(smooth_maps((0, seed), 12, 16, 2), smooth_maps((1, seed), 12, 16, 2)))
        null = reassigned(square, draws=199, seed=seed)
        below += (1 + (null >= square.diagonal().mean()).sum()) / 200 < 0.05
    assert 2 <= below <= 20


def stages_of(checkpoint):
    """The number of fresh layers and their seed, whatever kind of checkpoint it is."""
    return len(getattr(checkpoint, "fresh", ())), getattr(checkpoint, "fresh_seed", 0)


def test_edges_survive_every_re_initialisation_and_learned_maps_do_not():
    images = some_images(12, size=32)
    layers = layers_of(NANO)

    def learned(checkpoint, some):
        fresh, seed = stages_of(checkpoint)
        return smooth_maps((fresh, seed if fresh else 0), len(some))

    kept = cascade(lambda c, i: model_free_maps(i)["edge"], NANO, images, seeds=1, progress=False)
    assert kept.layers == ["none", *layers[::-1]]
    assert (kept.correlations > 0.999).all() and kept.p[-1] < 0.01
    assert "needs no training" in kept.verdict and kept.scores()["cascade"].low > kept.scores()["cascade"].control
    gone = cascade(learned, NANO, images, seeds=3, progress=False)
    assert gone.correlations[0].min() > 0.999 and gone.p[0] < 0.01
    assert gone.p[-1] > 0.05 and gone.null_low[-1] < gone.correlations[-1].mean() < gone.null_high[-1]
    assert gone.verdict.startswith("the map depends on what was learned")


def test_what_all_maps_share_is_in_the_null():
    """A centre blob in every map lifts the correlation with untrained maps, and the null with it."""
    images = some_images(12, size=32)
    blob = model_free_maps(images)["centre"]

    def centred(checkpoint, some):
        fresh, seed = stages_of(checkpoint)
        return 5 * blob + smooth_maps((fresh, seed if fresh else 0), len(some)) / 0.07

    result = cascade(centred, NANO, images, seeds=1, progress=False)
    assert result.correlations[-1].mean() > 0.2 and result.p[-1] > 0.05


def test_layers_are_re_initialised_from_the_top_and_nothing_else_changes():
    layers = layers_of(NANO)
    assert layers == ["stem", "stages.0", "stages.1", "stages.2"]
    own, other = NANO.encoder().state_dict(), Checkpoint("", 0, NANO.config, None, 5).encoder().state_dict()
    partly = PartlyRandomized(NANO.run, NANO.step, NANO.config, None, fresh=("stages.2",), fresh_seed=5)
    for name, value in partly.encoder().state_dict().items():
        expected = other if name.startswith("model.stages.2.") else own
        assert torch.equal(value, expected[name]), name
    assert partly.digest != NANO.digest and partly.key != NANO.key
    vit = layers_of(Checkpoint("", 0, {"name": "vit_nano", "image_size": 32}, None))
    assert vit[-2:] == ["blocks.5", "norm"] and "patch_embed" in vit


def test_a_cascade_of_few_images_is_refused():
    with pytest.raises(ValueError, match="at least 8 images"):
        cascade(lambda c, i: model_free_maps(i)["edge"], NANO, some_images(3, size=32))


# --- the contrast between tags ----------------------------------------------------------------------------------------


def tagged(n=40):
    masks = {name: np.zeros((n, 16, 16), bool) for name in ("tag", "distractor")}
    masks["tag"][:, 1:4, 1:4] = masks["distractor"][:, 11:14, 11:14] = True
    return masks


def test_a_map_of_the_tag_has_the_whole_contrast_and_one_of_both_none():
    masks = tagged()
    only = tag_contrast(masks["tag"].astype(float), masks)
    assert only.scores()["tag_contrast"].value == 1
    assert tag_contrast(-1.0 * masks["tag"], masks).scores()["tag_contrast"].value == 0
    both = tag_contrast((masks["tag"] | masks["distractor"]).astype(float), masks).scores()["tag_contrast"]
    assert both.value == 0 and both.control == 0 and not both.beats_control
    assert tag_contrast(1.0 * masks["distractor"], masks).scores()["tag_contrast"].value == -1
    by_area = tag_contrast(masks["tag"].astype(float), masks, per="area")
    assert by_area.scores()["tag_contrast"].value == pytest.approx(256 / 9)


def test_the_contrast_of_noise_fires_as_rarely_as_it_says():
    masks = tagged(40)
    fired = 0
    for seed in range(200):
        score = tag_contrast(np.random.default_rng(seed).random((40, 16, 16)), masks).scores()["tag_contrast"]
        fired += bool(score.low > 0)
    assert fired <= 14  # 2.5 % on this side expected


def test_contrasts_need_both_masks():
    with pytest.raises(ValueError, match="needs masks 'tag' and 'distractor'"):
        tag_contrast(np.ones((3, 4, 4)), {"tag": np.ones((3, 4, 4), bool)})
