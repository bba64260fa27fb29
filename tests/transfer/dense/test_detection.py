"""Detection: targets and boxes that undo each other, losses by hand, tokens that say everything and tokens that say nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.data.boxes import Boxes, boxes_of
from sslviz.runs import Checkpoint, load_result, save_result
from sslviz.transfer.dense import detection as module
from sslviz.transfer.dense.average_precision import average_precisions, matches
from sslviz.transfer.dense.box_truth import agreement, everywhere, placed, surest_threshold, usual_boxes
from sslviz.transfer.dense.center_head import Targets, boxes_at_peaks, fit_head, loss, radius, targets
from sslviz.transfer.dense.detection import detection
from sslviz.transfer.dense.detection_result import Detection
from sslviz.transfer.dense.patch_tokens import TokenReader
from sslviz.transfer.dense.true_boxes import objects_of, overlap

NANO = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 32}, None, 1)
CLASSES = ["cross", "disc", "square", "triangle"]


# --- targets and peaks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(16, 16), (8, 8), (10, 7)])
def test_true_boxes_said_on_a_grid_are_read_back_where_no_two_centres_share_a_cell(grid):
    images = sslviz.scenes(n=60)
    objects = objects_of(images)
    said = targets(objects, CLASSES, grid, (64, 64))
    found, truth = boxes_at_peaks((said.heat == 1).float(), said.shape, (64, 64)), placed(objects, CLASSES)
    for i in range(60):
        true, cells = truth.rows(truth.picture == i), []
        cells = np.floor((true.corners[:, :2] + true.corners[:, 2:]) / 2 * np.array(grid[::-1]) / 64)
        if len(np.unique(cells, axis=0)) < len(cells):
            continue
        own = found.rows(found.picture == i)
        a, b = (np.lexsort(x.corners.round(2).T) for x in (own, true))
        np.testing.assert_allclose(own.corners[a], true.corners[b], atol=1e-3)
        assert own.kind[a].tolist() == true.kind[b].tolist()


def test_of_two_centres_in_a_cell_the_smaller_box_is_said():
    both = Boxes(np.array(["disc", "disc"]), np.array([[0, 0, 8, 8], [2, 2, 6, 6]], float))
    for order in ([0, 1], [1, 0]):
        said = targets([Boxes(both.classes[order], both.corners[order])], ["disc"], (2, 2), (16, 16))
        found = boxes_at_peaks((said.heat == 1).float(), said.shape, (16, 16))
        np.testing.assert_allclose(found.corners, [[2, 2, 6, 6]], atol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(1.0, 1.0), (6.0, 2.5), (3.0, 20.0)])
def test_a_box_that_is_shifted_by_its_radius_overlaps_by_seven_tenths(width, height):
    r = radius(width, height)
    assert overlap(np.array([0, 0, width, height]), np.array([r, r, width + r, height + r])) == pytest.approx(0.7)


def test_peaks_are_cells_that_no_neighbour_passes_and_the_best_hundred_of_a_picture():
    heat = torch.zeros(1, 2, 5, 5)
    heat[0, 0, 1, 1], heat[0, 0, 2, 2], heat[0, 1, 2, 2], heat[0, 0, 4, 4] = 0.9, 0.8, 0.7, 0.2
    found = boxes_at_peaks(heat, torch.zeros(1, 4, 5, 5), (50, 50))
    assert found.kind.tolist() == [0, 1, 0] and found.score.tolist() == pytest.approx([0.9, 0.7, 0.2])
    np.testing.assert_allclose(found.corners[0], [5, 5, 15, 15])  # one cell large, and at its upper left corner
    many = boxes_at_peaks(torch.ones(2, 3, 8, 8), torch.zeros(2, 4, 8, 8), (8, 8))
    assert np.bincount(many.picture).tolist() == [100, 100]


def test_the_loss_is_that_of_a_plain_loop():
    rng = torch.Generator().manual_seed(0)
    heat, shape = (torch.randn(2, k, 4, 4, generator=rng) for k in (3, 4))
    objects = [
        Boxes(np.array(["a", "c"]), np.array([[0, 0, 9, 9], [20, 20, 30, 26]], float)),
        Boxes(np.array(["b"]), np.array([[3, 12, 30, 30]], float)),
    ]
    wanted = targets(objects, ["a", "b", "c"], (4, 4), (32, 32))
    total = 0.0
    for logit, y in zip(heat.flatten().tolist(), wanted.heat.flatten().tolist(), strict=True):
        p = 1 / (1 + np.exp(-logit))
        total -= (1 - p) ** 2 * np.log(p) if y == 1 else (1 - y) ** 4 * p**2 * np.log(1 - p)
    for i, (corners, said) in enumerate(((o.corners, wanted.shape[i]) for i, o in enumerate(objects))):
        for x0, y0, x1, y1 in corners / 8:
            column, row = int((x0 + x1) / 2), int((y0 + y1) / 2)
            want = [(x0 + x1) / 2 - column, (y0 + y1) / 2 - row, np.log(x1 - x0), np.log(y1 - y0)]
            np.testing.assert_allclose(said[:, row, column], want, rtol=1e-5)
            total += np.abs(shape[i, :, row, column].numpy() - want).sum()
    assert float(loss(heat, shape, wanted)) == pytest.approx(total / 3, rel=1e-5)
    nothing = Targets(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, 4), torch.zeros(2, 4, 4, dtype=torch.bool))
    assert torch.isfinite(loss(heat, shape, nothing))


# --- boxes without looking, and what is shown -------------------------------------------------------------------------


def test_the_usual_box_of_a_class_lies_where_it_lies_most_often():
    corners = np.array([[0, 0, 4, 4], [1, 1, 5, 3], [20, 20, 24, 28], [8, 0, 16, 8]], float)
    fitted = placed([Boxes(np.array(["a", "a", "a", "b"]), corners)], ["a", "b", "c"])
    usual = usual_boxes(fitted, 3, (4, 4), (32, 32))
    assert usual.kind.tolist() == [0, 1] and usual.score.tolist() == [3, 1]
    side, place = np.array([12 / 3, 14 / 3]), np.array([2.5, 2])  # widths 4 4 4, heights 4 2 8; two of three centres
    np.testing.assert_allclose(usual.corners[0] * 32, np.maximum([*(place - side / 2), *(place + side / 2)], 0))
    np.testing.assert_allclose(usual.corners[1] * 32, corners[3])
    twice = everywhere(usual, 2, (64, 32))
    assert twice.picture.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(twice.corners[3], corners[3] * [1, 2, 1, 2])


def test_boxes_are_shown_from_the_confidence_with_the_largest_f1():
    score, right = np.array([0.9, 0.8, 0.7, 0.6, 0.99]), np.array([True, False, True, False, False])
    kind, true = np.array([0, 0, 0, 0, 1]), np.array([2, 0])  # the surest is of a class that is not there
    f1 = [2 * hits / (shown + 2) for hits, shown in ((1, 1), (1, 2), (2, 3), (2, 4))]
    assert surest_threshold(kind, score, right, true) == score[int(np.argmax(f1))] == 0.7
    of_pictures = agreement(np.array([0, 0, 1]), np.array([True, False, False]), np.array([[1, 1], [0, 0], [0, 0]]))
    assert of_pictures.tolist() == [0.5, 0, 1]


def test_masks_say_boxes_and_classes_as_the_column_does():
    images = sslviz.scenes(n=60)
    one = (images.table["objects"] == 1).to_numpy()
    alone = replace(images, table=images.table.drop(columns="boxes")).rows(one)
    for found, boxes in zip(objects_of(alone), boxes_of(images.rows(one)), strict=True):
        np.testing.assert_array_equal(found.corners, boxes.corners)
        assert found.classes.tolist() == boxes.classes.tolist()


# --- the function -----------------------------------------------------------------------------------------------------


@pytest.fixture
def read_from(monkeypatch):
    """`read_from(reader)`: the checkpoint's tokens are these."""
    return lambda reader: monkeypatch.setattr(module, "encoder_tokens", lambda *_: reader)


def truth_as_tokens(images, grid):
    """Tokens that are the heat maps, and the places and sizes of boxes, of their pictures."""
    said = targets(objects_of(images), CLASSES, grid, images.size)
    tokens = torch.cat([(said.heat == 1).float(), said.shape], 1).movedim(1, -1).numpy()
    of = {picture.tobytes(): one for picture, one in zip(images.pixels, tokens, strict=True)}
    return TokenReader("planted", lambda pixels: np.stack([of[p.tobytes()] for p in pixels]))


def test_a_head_on_tokens_that_are_the_truth_finds_every_object():
    images = sslviz.scenes(n=400, bias=0.25)
    fit, images = images.rows(np.arange(320)), images.rows(np.arange(320, 400))
    said = targets(objects_of(fit), CLASSES, (8, 8), (64, 64))
    head = fit_head(truth_as_tokens(fit, (8, 8))(fit), said, 400, 0)
    found = head(truth_as_tokens(images, (8, 8))(images), (64, 64))
    each = average_precisions(matches(found, placed(objects_of(images), CLASSES), 80, 4))
    assert each[:, 0].mean() > 0.98 and each.mean() > 0.85


def test_tokens_that_are_the_truth_beat_all_controls(read_from):
    images = sslviz.scenes(n=120, bias=0.25)
    read_from(truth_as_tokens(images, (8, 8)))
    result = detection(NANO, images, steps=100, progress=False)
    assert result.scores()["ap50"].beats_control and result.scores()["ap50"].value > 0.7
    assert np.nanmean(result.ceiling_precision) > 0.99


def test_noise_finds_nothing(read_from):
    images, rng = sslviz.scenes(n=60), np.random.default_rng(0)
    read_from(TokenReader("noise", lambda pixels: rng.normal(size=(len(pixels), 8, 8, 6)).astype(np.float32)))
    scores = detection(NANO, images, steps=20, progress=False).scores()
    assert scores["ap50"].value < 0.03 and not scores["ap50"].beats_control


@pytest.fixture(scope="module")
def result():
    return detection(NANO, sslviz.scenes(n=60), steps=12, progress=False)


def test_every_score_has_its_controls_and_follows_from_the_boxes(result):
    scores = result.scores()
    assert [*scores] == ["ap50", "ap"] and result.grid == (4, 4) and result.classes == CLASSES
    for score in scores.values():
        assert set(score.controls) == {"mean box", "pixels and place", "untrained"}
        assert score.low <= score.value <= score.high
    assert scores["ap50"].value == pytest.approx(np.mean([*result.ap50_of.values()]))
    truth = placed(boxes_of(sslviz.scenes(n=60).rows(np.isin(np.arange(60).astype(str), result.ids))), CLASSES)
    np.testing.assert_array_equal(result.true_boxes, truth.corners)
    found = truth._replace(
        picture=result.found_of, kind=result.found_class, corners=result.found, score=result.confidence
    )
    np.testing.assert_array_equal(average_precisions(matches(found, truth, 30, 4)), result.class_precision)
    assert (result.shown[:8] == np.argsort(result.of_pictures(), kind="stable")[:8]).all()
    assert set(result.untrained_of) <= set(result.shown)


def test_it_repeats_itself_is_stored_and_leaves_everything_alone(result, tmp_path):
    images = sslviz.scenes(n=60)
    before, pixels = torch.get_rng_state(), images.pixels.copy()
    assert detection(NANO, images, steps=12, progress=False).scores() == result.scores()
    assert (torch.get_rng_state() == before).all() and (images.pixels == pixels).all()
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Detection).scores() == result.scores()


def test_two_checkpoints_pair_over_the_same_pictures(result):
    other = detection(replace(NANO, seed=2), sslviz.scenes(n=60), steps=12, progress=False)
    assert len(result.paired_replicates()["ap"]) == 10 and sslviz.compare(result, other).scores()


def test_a_class_that_is_only_fitted_counts_nothing_and_one_that_is_only_scored_is_missed():
    images = sslviz.scenes(n=80)
    names = [{str(name) for name in boxes.classes} for boxes in boxes_of(images)]
    without = images.rows(np.array(["disc" not in name for name in names]))
    some = detection(NANO, without, fit=images, steps=12, progress=False)
    assert np.isnan(some.ap50_of["disc"]) and some.fitted_on == images.digest
    assert set(some.without_truth) <= {"disc"} and np.isfinite(some.scores()["ap50"].value)
    other = detection(NANO, images, fit=without, steps=12, progress=False)
    assert other.ap50_of["disc"] == 0 and "disc" not in other.without_truth


def test_pictures_to_fit_on_may_have_another_size(read_from):
    images, fit = sslviz.scenes(n=20), sslviz.scenes(n=20, size=48, seed=1)
    found = detection(NANO, images, fit=fit, steps=5, progress=False)
    assert found.ids.tolist() == images.ids.tolist() and found.found.max() > 48


def test_what_cannot_be_detected_is_one_sentence():
    images = sslviz.scenes(n=8)
    table = images.table.drop(columns="boxes")
    clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), ["a", "b"], pd.DataFrame({"label": [0, 1]}))
    for given, options, match in [
        (clips, {}, "Detection needs pictures"),
        (images.rows(np.zeros(8, bool)), {}, "at least one"),
        (images, {"fit": clips}, "fitted on pictures"),
        (images.rows(np.arange(1)), {}, "One picture cannot be fitted on and scored"),
        (images, {"steps": 0}, "at least one step; got steps=0"),
        (replace(images, table=table, masks={}), {}, "Nothing says where objects are; give a column 'boxes'"),
        (replace(images, table=table.assign(boxes="disc 0 0 90 9")), {}, "must lie within its picture of 64 x 64"),
        (replace(images, table=table.assign(boxes="disc 5 5 5 9")), {}, "or else it is empty"),
        (replace(images, table=table.assign(boxes="")), {}, "None of these pictures has an object to fit on"),
        (replace(images, table=table.assign(boxes="")), {"fit": images}, "has an object to be found"),
        (images, {"layer": "stages.9"}, "no grid of a layer 'stages.9'"),
    ]:
        with pytest.raises(ValueError, match=match) as refused:
            detection(NANO, given, progress=False, **{"steps": 2} | options)
        assert "\n" not in str(refused.value)
