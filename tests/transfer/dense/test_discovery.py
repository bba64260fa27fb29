"""Discovery: exact boxes where blocks are planted, the rules of the papers in plain loops, and controls as counted by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import eigh
from scipy.ndimage import label

import sslviz
from sslviz.data import Images
from sslviz.data.boxes import boxes_of
from sslviz.runs import Checkpoint, load_result, save_result
from sslviz.transfer.dense import discovery as module
from sslviz.transfer.dense.discovery import Discovery, discovery
from sslviz.transfer.dense.object_grouping import WEAK, affinity, box_of, component, lost, tokencut
from sslviz.transfer.dense.patch_tokens import TokenReader
from sslviz.transfer.dense.true_boxes import best_overlap, overlap, true_boxes

NANO = Checkpoint("mine", 0, {"name": "vit_nano", "image_size": 32}, None, 1)


def block(grid, rows, columns):
    mask = np.zeros(grid, bool)
    mask[rows, columns] = True
    return mask


# --- grouping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(6, 6), (8, 5)])
@pytest.mark.parametrize("rows", [slice(1, 3), slice(2, 5)])
def test_two_blocks_of_an_affinity_are_cut_into_the_exact_box(grid, rows):
    """Patches are joined within the object and within the ground, and hardly across: the smaller block is the object."""
    planted = block(grid, rows, slice(1, 3))
    member = planted.ravel()
    graph = np.where(member[:, None] == member, 1.0, WEAK)
    np.testing.assert_array_equal(tokencut(graph, grid), planted)


@pytest.mark.parametrize("way", [lambda x, grid: tokencut(affinity(x), grid), lambda x, grid: lost(x @ x.T, grid)])
def test_tokens_of_two_directions_are_told_apart_by_either_way(way):
    rng = np.random.default_rng(0)
    for _ in range(20):
        top, left = rng.integers(0, 5, 2)
        planted = block((8, 8), slice(top, top + 3), slice(left, left + 3))
        tokens = np.where(planted.reshape(-1, 1), [3.0, 0.0, -1.0], [-1.0, 0.0, 2.0]) + rng.normal(0, 0.05, (64, 3))
        np.testing.assert_array_equal(way(tokens, (8, 8)), planted)


def test_tokencut_is_the_second_eigenvector_of_the_papers_problem():
    rng = np.random.default_rng(1)
    for _ in range(10):
        graph = affinity(rng.normal(size=(30, 4)))
        degree = np.diag(graph.sum(1))
        vector = eigh(degree - graph, degree, subset_by_index=[1, 1])[1][:, 0]
        seed = np.abs(vector).argmax()
        side = (vector > vector.mean()) if vector[seed] > vector.mean() else (vector <= vector.mean())
        regions = label(side.reshape(5, 6))[0]
        expected = regions == regions[seed // 6, seed % 6]
        np.testing.assert_array_equal(tokencut(graph, (5, 6)), expected)


def test_lost_is_the_papers_seed_and_expansion():
    rng = np.random.default_rng(2)
    for _ in range(10):
        x = rng.normal(size=(30, 3))
        degrees = [sum(float(a @ b) > 0 for b in x) for a in x]
        order = sorted(range(30), key=lambda i: (degrees[i], i))
        seed = order[0]
        chosen = [i for i in order[: round(0.15 * 30)] if x[i] @ x[seed] > 0 or i == seed]
        member = np.array([sum(x[i] @ p for i in chosen) > 0 for p in x]).reshape(5, 6)
        member[seed // 6, seed % 6] = True
        regions = label(member)[0]
        np.testing.assert_array_equal(lost(x @ x.T, (5, 6)), regions == regions[seed // 6, seed % 6])


def test_a_component_holds_its_seed_and_nothing_that_only_touches_a_corner():
    member = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1]], bool).ravel()
    assert component(member, 0, (3, 3)).sum() == 2 and component(member, 5, (3, 3)).sum() == 2
    assert component(member, 4, (3, 3)).sum() == 5  # which joins what is above it and right of it


def test_boxes_of_patches_are_in_pixels():
    assert box_of(block((4, 8), slice(1, 3), slice(2, 3)), (32, 40)).tolist() == [10, 8, 15, 24]


# --- true boxes -------------------------------------------------------------------------------------------------------


def test_overlaps_are_those_of_painted_boxes():
    rng = np.random.default_rng(3)
    for _ in range(50):
        low = rng.integers(0, 10, (2, 2))
        boxes = np.concatenate([low, low + rng.integers(1, 9, (2, 2))], axis=1)
        a, b = (block((20, 20), slice(y0, y1), slice(x0, x1)) for x0, y0, x1, y1 in boxes)
        assert overlap(*boxes.astype(float)) == pytest.approx((a & b).sum() / (a | b).sum())
    truth = [np.array([[0, 0, 4, 4], [8, 8, 12, 12]], float), np.array([[0, 0, 2, 2]], float)]
    assert best_overlap(np.array([[8, 8, 12, 10], [4, 4, 6, 6]], float), truth).tolist() == [0.5, 0]


def test_boxes_come_from_the_column_or_from_the_regions_of_masks():
    images = sslviz.scenes(n=40)
    for found, boxes in zip(true_boxes(images), boxes_of(images), strict=True):
        np.testing.assert_array_equal(found, boxes.corners)
    one = (images.table["objects"] == 1).to_numpy()
    alone = replace(images, table=images.table.drop(columns="boxes")).rows(one)
    for found, boxes in zip(true_boxes(alone), boxes_of(images.rows(one)), strict=True):
        np.testing.assert_array_equal(found, boxes.corners)


def test_the_mean_box_of_shapes_is_right_in_every_other_picture():
    """.56, by a count made elsewhere; a whole picture is never right."""
    images = sslviz.shapes(n=2000)
    corners = np.concatenate(true_boxes(images))
    mean = np.broadcast_to(corners.mean(0), corners.shape)
    assert (overlap(mean, corners) >= 0.5).mean() == pytest.approx(0.56, abs=0.03)
    assert (overlap(np.array([0.0, 0, 32, 32]), corners) >= 0.5).sum() == 0


# --- the function -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return discovery(NANO, sslviz.shapes(n=40), progress=False)


@pytest.mark.parametrize("how", module.WAYS)
def test_tokens_that_are_the_object_find_it(monkeypatch, how):
    images = sslviz.scenes(n=200)
    images = images.rows((images.table["objects"] == 1).to_numpy())
    seen = {p.tobytes(): ~m for p, m in zip(images.pixels, images.masks["background"], strict=True)}

    def read(pixels):
        cells = np.stack([seen[p.tobytes()] for p in pixels]).reshape(-1, 16, 4, 16, 4).mean((2, 4)) > 0.3
        return np.where(cells[..., None], [4.0, 1.0], [0.0, 1.0]).astype(np.float32)

    monkeypatch.setattr(module, "encoder_tokens", lambda *_: TokenReader("planted", read))
    scores = discovery(NANO, images, how=how, progress=False).scores()
    assert scores["corloc"].value > 0.9 and scores["iou"].value > 0.65 and scores["corloc"].beats_control


def test_every_score_has_its_controls(result):
    scores = result.scores()
    assert [*scores] == ["corloc", "iou"]
    for score in scores.values():
        assert set(score.controls) == {"mean box", "whole picture", "random patch", "untrained"}
        assert score.low <= score.value <= score.high
    per_image = result.per_image()
    assert scores["corloc"].value == pytest.approx(per_image["corloc"].mean())
    assert scores["iou"].value == pytest.approx(per_image["iou"].mean())
    whole = [(x1 - x0) * (y1 - y0) / 32**2 for x0, y0, x1, y1 in result.true_boxes]
    assert scores["iou"].controls["whole picture"] == pytest.approx(np.mean(whole))
    assert (result.shown[:8] == np.argsort(result.overlap, kind="stable")[:8]).all()


def test_noise_beats_its_controls_by_luck_only(monkeypatch):
    """100 seeds of tokens that mean nothing, of the checkpoint as of the encoder untrained."""
    rng = np.random.default_rng(0)
    noise = TokenReader("noise", lambda pixels: rng.normal(size=(len(pixels), 4, 4, 3)).astype(np.float32))
    monkeypatch.setattr(module, "encoder_tokens", lambda *_: noise)
    monkeypatch.setattr(module, "untrained_tokens", lambda *_: noise)
    images = sslviz.scenes(n=16)
    beats = [discovery(NANO, images, seed=seed, progress=False).scores()["iou"].beats_control for seed in range(100)]
    assert sum(beats) <= 10


def test_pictures_without_an_object_are_left_out_and_told():
    images = sslviz.scenes(n=40)
    empty = int((images.table["objects"] == 0).sum())
    found = discovery(NANO, images, progress=False)
    assert empty > 0 and found.left_out == {"no object in the picture": empty} and len(found.ids) == 40 - empty
    assert np.bincount(found.true_of).tolist() == images.table["objects"][images.table["objects"] > 0].tolist()


def test_it_repeats_itself_is_stored_and_leaves_everything_alone(result, tmp_path):
    images = sslviz.shapes(n=40)
    before, pixels = torch.get_rng_state(), images.pixels.copy()
    assert discovery(NANO, images, progress=False).scores() == result.scores()
    assert (torch.get_rng_state() == before).all() and (images.pixels == pixels).all()
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Discovery).scores() == result.scores()
    other = discovery(replace(NANO, seed=5), images, progress=False)
    assert sslviz.compare(result, other).scores()


def test_what_cannot_be_found_is_one_sentence():
    images = sslviz.scenes(n=6)
    table = images.table.drop(columns="boxes")
    clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), ["a", "b"], pd.DataFrame({"label": [0, 1]}))
    large = {"disc": np.zeros((6, 9, 9), bool)}
    fine = Checkpoint("fine", 0, {"name": "conv_nano", "image_size": 96}, None)
    for given, options, match in [
        (clips, {}, "Discovery needs pictures"),
        (images.rows(np.zeros(6, bool)), {}, "at least one"),
        (images, {"how": "luck"}, "no way 'luck' to find objects; choose one of: tokencut, lost"),
        (replace(images, table=table, masks={}), {}, "Nothing says where objects are; give a column 'boxes'"),
        (replace(images, table=table, masks={"background": images.masks["disc"]}), {}, "masks of other things than"),
        (replace(images, table=table, masks=large), {}, "The mask 'disc' is \\(6, 9, 9\\), and these pictures need"),
        (replace(images, table=table.assign(boxes="")), {}, "None of these pictures has an object"),
        (replace(images, table=table.assign(boxes="disc 0 0 90 9")), {}, "^Image 0: The box 'disc' 0 0 90 9 cannot be"),
        (images, {"layer": "blocks.77"}, "no grid of a layer"),
    ]:
        with pytest.raises(ValueError, match=match) as refused:
            discovery(NANO, given, progress=False, **options)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="48 x 48 patches, and at most 1,024 can be grouped; choose a later layer"):
        discovery(fine, images, layer="stages.0", progress=False)
