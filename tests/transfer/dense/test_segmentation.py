"""Segmentation: overlaps that a plain loop counts, the numbers that `shapes` allows, and readouts whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score

import sslviz
from sslviz.data import Images
from sslviz.data.worlds import SHAPES
from sslviz.runs import Checkpoint, load_result, save_result
from sslviz.transfer.dense import segmentation as module
from sslviz.transfer.dense.confusion import confusions, mean_overlap, overlap_draws, overlaps
from sslviz.transfer.dense.label_maps import VOID, enlarged, label_maps, patch_shares
from sslviz.transfer.dense.patch_readouts import fit_readout, matching, softmax_regression
from sslviz.transfer.dense.patch_tokens import TokenReader
from sslviz.transfer.dense.pixel_classes import at_pixels, place_prior, shown_rows
from sslviz.transfer.dense.segmentation import segmentation
from sslviz.transfer.dense.segmentation_result import Segmentation

CLASSES = sorted([*SHAPES, "background"])
NANO = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 32}, None, 1)


def shaped(n, seed=0):
    """`shapes` with a mask for each shape, and the background."""
    images = sslviz.shapes(n=n, seed=seed)
    masks = {
        name: images.masks["object"] & (images.table["shape"] == name).to_numpy()[:, None, None] for name in SHAPES
    }
    return replace(images, masks=masks | {"background": ~images.masks["object"]})


@pytest.fixture(scope="module")
def many():
    return shaped(2000)


@pytest.fixture(scope="module")
def codes(many):
    return label_maps(many, CLASSES)


def miou(truth, predicted):
    return float(mean_overlap(confusions(truth, predicted, len(CLASSES)).sum(0)))


# --- overlaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_are_scikit_learns_jaccard_of_all_known_pixels_together(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(-1, 4, (6, 7, 5)), rng.integers(0, 4, (6, 7, 5))
    counts, known = confusions(truth, predicted, 4), truth >= 0
    expected = jaccard_score(truth[known], predicted[known], average=None, labels=range(4))
    np.testing.assert_allclose(overlaps(counts.sum(0)), expected)
    assert counts.sum() == known.sum()
    plain = np.zeros((6, 4, 4), int)
    for i, row, column in np.argwhere(known):
        plain[i, truth[i, row, column], predicted[i, row, column]] += 1
    np.testing.assert_array_equal(counts, plain)


def test_a_class_that_is_nowhere_has_no_overlap_and_does_not_lower_the_mean():
    """torchmetrics' MeanIoU reads -1 or 0 there, and averages over pictures: another number."""
    truth = np.array([[[0, 0], [1, 1]], [[0, 0], [0, 0]]])
    predicted = np.array([[[0, 0], [1, 0]], [[0, 0], [0, 0]]])
    each = overlaps(confusions(truth, predicted, 3).sum(0))
    np.testing.assert_allclose(each, [6 / 7, 1 / 2, np.nan])
    assert mean_overlap(confusions(truth, predicted, 3).sum(0)) == pytest.approx((6 / 7 + 1 / 2) / 2)
    assert np.isnan(mean_overlap(np.zeros((3, 3), int)))


def test_the_interval_over_pictures_covers_the_truth_as_often_as_it_says():
    """Pictures drawn from a population of 4,000 whose overlap is known: 95 of 100 intervals of 60 pictures hold it."""
    rng = np.random.default_rng(0)
    skill = rng.beta(4, 2, 4000)  # pictures are easy or hard as a whole: their pixels go together
    area = rng.multinomial(400, [0.7, 0.2, 0.1], 4000)
    counts = np.zeros((4000, 3, 3), int)
    for true in range(3):
        right = rng.binomial(area[:, true], skill)
        counts[:, true, true], counts[:, true, (true + 1) % 3] = right, area[:, true] - right
    truth = mean_overlap(counts.sum(0))
    held = 0
    for seed in range(150):
        draws = overlap_draws(counts[rng.integers(0, 4000, 60)], seed).mean(1)
        held += np.quantile(draws, 0.025) <= truth <= np.quantile(draws, 0.975)
    assert 0.89 <= held / 150 <= 0.99


# --- what `shapes` allows: the findings of a count made elsewhere -----------------------------------------------------


def test_background_alone_reads_what_it_must(codes):
    background = np.full_like(codes, CLASSES.index("background"))
    share = (codes == CLASSES.index("background")).mean()
    assert miou(codes, background) == pytest.approx(share / 5)  # the others have none
    assert miou(codes, background) == pytest.approx(0.176, abs=0.002)


def test_the_best_guess_by_place_is_the_majority_of_each_pixel(codes):
    prior = place_prior(codes, 5, (32, 32))
    plain = np.array([[np.bincount(codes[:, i, j], minlength=5).argmax() for j in range(32)] for i in range(32)])
    np.testing.assert_array_equal(prior, plain)
    assert miou(codes, np.broadcast_to(prior, codes.shape)) == pytest.approx(0.203, abs=0.02)


@pytest.mark.parametrize(("patch", "expected"), [(2, 0.866), (4, 0.744), (8, 0.572), (16, 0.176)])
def test_the_majority_of_patches_is_the_ceiling_of_their_grid(codes, patch, expected):
    grid = 32 // patch, 32 // patch
    best = enlarged(patch_shares(codes, 5, grid).argmax(-1), (32, 32))
    assert miou(codes, best) == pytest.approx(expected, abs=0.012)


# --- readouts ---------------------------------------------------------------------------------------------------------


def test_softmax_regression_is_scikit_learns_on_rows_repeated_by_their_shares():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 5)).astype(np.float32), rng.dirichlet(np.ones(3), 80).astype(np.float32)
    ours = softmax_regression(x, y, 0.02)
    model = LogisticRegression(C=1 / (0.02 * 80), tol=1e-8, max_iter=2000)
    model.fit(np.repeat(x, 3, axis=0), np.tile(np.arange(3), 80), y.ravel())
    np.testing.assert_allclose(ours[:-1], model.coef_.T, atol=2e-3)
    bias = ours[-1] - ours[-1].mean()  # a constant added to all classes says nothing
    np.testing.assert_allclose(bias, model.intercept_ - model.intercept_.mean(), atol=2e-3)


def test_neighbours_are_the_weighted_shares_of_a_plain_loop():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 4, 5, 7)).astype(np.float32), rng.dirichlet(np.ones(3), (6, 4, 5)).astype(np.float32)
    asked = rng.normal(size=(9, 7)).astype(np.float32)
    found = fit_readout("neighbours", x, y, 0)(asked)
    bank, shares = x.reshape(-1, 7), y.reshape(-1, 3)
    for row, token in zip(found, asked, strict=True):
        cosine = bank @ token / (np.linalg.norm(bank, axis=1) * np.linalg.norm(token))
        near = np.argsort(-cosine)[:30]
        weight = np.exp(cosine[near] / 0.02)
        np.testing.assert_allclose(row, (weight[:, None] * shares[near]).sum(0) / weight.sum(), rtol=1e-3, atol=1e-5)


def test_clusters_get_the_names_under_which_they_overlap_most():
    shares = np.eye(3)[[0, 0, 0, 0, 0, 0, 1, 1, 2, 2]]
    member = np.eye(3)[[1, 1, 1, 1, 2, 2, 2, 2, 0, 0]]
    assert matching(member, shares).tolist() == [1, 2, 0]
    everything = np.eye(3)[[0, 0, 0, 0, 0, 0, 0, 0, 1, 2]]  # one to one, also where a majority would name two alike
    assert sorted(matching(everything, shares)) == [0, 1, 2]


@pytest.mark.parametrize("readout", module.READOUTS)
def test_patches_of_which_nothing_is_known_are_not_fitted_on(readout):
    """They carry tokens of the other class: whoever fits on them is misled."""
    x = np.zeros((8, 2, 2, 2), np.float32)
    y = np.zeros((8, 2, 2, 2), np.float32)
    x[:, 0, 0], y[:, 0, 0] = (3, 1), (1, 0)
    x[:, 0, 1], y[:, 0, 1] = (1, 3), (0, 1)
    x[:, 1] = (-50, 50)
    scores = fit_readout(readout, x + np.random.default_rng(0).normal(0, 0.01, x.shape).astype(np.float32), y, 0)
    assert scores(np.array([[3, 1], [1, 3]], np.float32)).argmax(1).tolist() == [0, 1]


# --- tokens whose answer is known -------------------------------------------------------------------------------------


def planted(images, grid, classes=CLASSES):
    """Tokens that are the classes of their patches: who reads them knows the most that a grid can show."""
    shares = patch_shares(label_maps(images, classes), len(classes), (grid, grid))
    of = {
        picture.tobytes(): one
        for picture, one in zip(images.pixels, np.eye(len(classes))[shares.argmax(-1)], strict=True)
    }
    return TokenReader("planted", lambda pixels: np.stack([of[p.tobytes()] for p in pixels]).astype(np.float32))


@pytest.fixture
def read_from(monkeypatch):
    """`read_from(reader)`: the checkpoint's tokens are these."""
    return lambda reader: monkeypatch.setattr(module, "encoder_tokens", lambda *_: reader)


@pytest.mark.parametrize("readout", module.READOUTS)
def test_tokens_that_are_the_labels_reach_the_ceiling(read_from, readout):
    images = shaped(120)
    read_from(planted(images, 32))  # a patch is a pixel: nothing is interpolated
    every = segmentation(NANO, images, readout=readout, progress=False)
    assert every.ceiling == 1 and every.scores()["miou"].value == pytest.approx(1, abs=1e-6)
    read_from(planted(images, 8))
    some = segmentation(NANO, images, readout=readout, progress=False)
    assert some.ceiling == pytest.approx(0.744, abs=0.03) and some.grid == (8, 8)
    # Boundaries that are interpolated are rounder than patches: a little better than the ceiling of hard patches.
    assert 0.95 * some.ceiling < some.scores()["miou"].value < some.ceiling + 0.12
    assert some.scores()["miou"].beats_control and some.scores()["of_ceiling"].value > 0.95


def test_pixels_are_read_where_they_lie():
    reader = TokenReader("ramp", lambda pixels: np.broadcast_to(np.eye(2)[[[0, 1], [1, 1]]], (len(pixels), 2, 2, 2)))
    found = at_pixels(reader, lambda tokens: tokens, shaped(3), 2)
    assert (found[:, :13, :13] == 0).all() and (found[:, 20:] == 1).all() and (found[:, :, 20:] == 1).all()


@pytest.mark.parametrize("readout", module.READOUTS)
def test_noise_does_not_beat_its_controls(read_from, readout):
    images = shaped(80)
    rng = np.random.default_rng(0)
    read_from(TokenReader("noise", lambda pixels: rng.normal(size=(len(pixels), 4, 4, 6)).astype(np.float32)))
    score = segmentation(NANO, images, readout=readout, progress=False).scores()["miou"]
    assert score.beats_control is False


# --- the function -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return segmentation(NANO, sslviz.scenes(n=60, bias=0.25), progress=False)


def test_every_score_has_its_controls_and_is_read_from_the_counts(result):
    scores = result.scores()
    assert [*scores] == ["miou", "of_ceiling", *(f"iou {name}" for name in CLASSES)]
    for score in scores.values():
        assert set(score.controls) == {"largest class", "place", "pixels and place", "untrained"}
        assert score.low <= score.value <= score.high
    assert scores["miou"].value == pytest.approx(np.mean([scores[f"iou {name}"].value for name in CLASSES]))
    assert scores["of_ceiling"].value == pytest.approx(scores["miou"].value / result.ceiling)
    assert len(result.ids) == 30 and result.counts.sum((1, 2)).tolist() == [64 * 64] * 30


def test_what_is_shown_is_what_was_counted_the_worst_first(result):
    assert result.shown[:8].tolist() == np.argsort(result.of_pictures(), kind="stable")[:8].tolist()
    again = confusions(result.truth, result.predicted, 5)
    np.testing.assert_array_equal(again, result.counts[result.shown])


def test_it_repeats_itself_is_stored_and_leaves_everything_alone(result, tmp_path):
    images = sslviz.scenes(n=60, bias=0.25)
    before, pixels = torch.get_rng_state(), images.pixels.copy()
    again = segmentation(NANO, images, progress=False)
    assert again.scores() == result.scores()
    assert (torch.get_rng_state() == before).all() and (images.pixels == pixels).all()
    save_result(tmp_path / "r.npz", result)
    back = load_result(tmp_path / "r.npz", Segmentation)
    assert back.scores() == result.scores() and list(back.grid) == list(result.grid)


def test_two_checkpoints_pair_over_the_same_pictures(result):
    images = sslviz.scenes(n=60, bias=0.25)
    other = segmentation(replace(NANO, seed=2), images, progress=False)
    assert len(result.paired_replicates()["miou"]) == 10
    compared = sslviz.compare(result, other)
    assert compared.scores()


def test_other_pictures_to_fit_on_may_have_another_size(read_from):
    images, fit = sslviz.scenes(n=20), sslviz.scenes(n=20, size=48, seed=1)
    result = segmentation(NANO, images, fit=fit, progress=False)
    assert result.ids.tolist() == images.ids.tolist() and result.fitted_on == fit.digest
    assert result.counts.sum() == 20 * 64 * 64


def test_unknown_pixels_count_nowhere_and_pictures_of_them_alone_are_told(many):
    images = many.rows(np.arange(40))
    masks = {name: mask.copy() for name, mask in images.masks.items()}
    for mask in masks.values():
        mask[:, :, :16] = False
        mask[35:] = False
    result = segmentation(NANO, images, fit=replace(images, masks=masks), progress=False)
    assert result.left_out == {} and result.counts.sum() == 40 * 32 * 32
    result = segmentation(NANO, replace(images, masks=masks), fit=images, progress=False)
    assert result.counts.sum() == 35 * 32 * 16 and result.left_out == {"no pixel lies in exactly one mask": 5}
    assert np.isnan(result.of_pictures()[35:]).all() and max(result.shown) < 35
    assert (result.truth[:, :, :16] == VOID).all()


def test_pictures_are_shown_from_the_worst_to_the_best():
    overlap = np.array([0.5, np.nan, 0.1, *np.linspace(0.6, 0.9, 30)])
    rows = shown_rows(overlap)
    assert rows[:2].tolist() == [2, 0] and rows[-1] == 32 and 1 not in rows and len(set(rows)) == len(rows) == 16


def test_what_cannot_be_segmented_is_one_sentence(many):
    few = many.rows(np.arange(8))
    clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), ["a", "b"], pd.DataFrame({"label": [0, 1]}))
    renamed = replace(few, masks={"ground": few.masks["background"], "disc": few.masks["disc"]})
    for images, given, match in [
        (clips, {}, "Segmentation needs pictures"),
        (few.rows(np.zeros(8, bool)), {}, "at least one; got pixels of shape \\(0,"),
        (few, {"readout": "magic"}, "no readout 'magic' of patches; choose one of: linear, neighbours, clusters"),
        (replace(few, masks={}), {}, "These images have no masks"),
        (replace(few, masks={}), {"fit": few}, "These images have no masks"),
        (few, {"fit": clips}, "fitted on pictures"),
        (sslviz.shapes(n=8), {}, "two classes at least"),
        (few, {"fit": renamed}, "masks of the same names; disc, ground are fitted on, and background, cross,"),
        (few.rows(np.arange(1)), {}, "One picture cannot be fitted on and scored"),
        (few, {"layer": "stages.9"}, "no grid of a layer 'stages.9'"),
    ]:
        with pytest.raises(ValueError, match=match) as refused:
            segmentation(NANO, images, progress=False, **given)
        assert "\n" not in str(refused.value)
