"""Correspondence: moves that are undone, chance as a closed form, tokens that know every place and tokens that know none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.runs import Checkpoint, load_result, save_result
from sslviz.transfer.dense import correspondence as module
from sslviz.transfer.dense.asked_points import asked_points, points_of
from sslviz.transfer.dense.correspondence import correspondence, correspondence_of
from sslviz.transfer.dense.correspondence_result import Correspondence
from sslviz.transfer.dense.patch_matches import Asked, at_best, by_chance, centres, nearest_patches, patch_at
from sslviz.transfer.dense.patch_tokens import TokenReader
from sslviz.transfer.dense.picture_moves import MOVES

NANO = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 32}, None, 1)


def ramp(h, w):
    """A picture whose red says x and whose green says y: 2 levels a pixel, at its middle."""
    y, x = np.mgrid[:h, :w] + 0.5
    return np.stack([2 * x, 2 * y, np.full((h, w), 9)], -1).astype(np.uint8)


# --- moves ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_points_lie_where_the_moved_picture_shows_them(name, size):
    """The colours of the moved picture at a point are those of the first one where the point came from."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        anchor = rng.uniform(4, np.array(size[::-1]) - 4)
        moved = MOVES[name](ramp(*size), (8, 8), anchor, rng)
        assert moved.pixels.shape == (*size, 3) and moved.pixels.dtype == np.uint8
        before = rng.uniform(2, np.array(size[::-1]) - 2, (40, 2))
        after = moved.points(before)
        inside = ((after >= 2) & (after < np.array(size[::-1]) - 2)).all(1)
        x, y = np.floor(after[inside]).astype(int).T
        shown = moved.pixels[y, x, :2].astype(float) / 2
        assert np.abs(shown - before[inside]).max() <= 1.5 and inside.sum() > 5  # a pixel and a rounding
        there = moved.points(anchor[None])[0]
        assert ((there >= 0) & (there < np.array(size[::-1]))).all()


def test_a_shift_is_one_of_whole_patches_and_never_none():
    rng = np.random.default_rng(0)
    offsets = [MOVES["shifted"](ramp(64, 64), (8, 8), np.array([4.0, 60.0]), rng).offset for _ in range(200)]
    assert all((offset % 8 == 0).all() and np.abs(offset).max() <= 16 and offset.any() for offset in offsets)
    assert {tuple(offset) for offset in offsets} == {(x, y) for x in (0, 8, 16) for y in (0, -8, -16) if x or y}


# --- matches ----------------------------------------------------------------------------------------------------------


def test_chance_is_the_area_of_the_circle_where_patches_are_small():
    middles = centres((100, 100), (200, 200))
    asked = Asked(np.full((2, 2), 5.0), np.array([[90.3, 101.2], [120.0, 64.5]]), np.array([20.0, 33.0]))
    np.testing.assert_allclose(by_chance(asked, middles), np.pi * asked.radius**2 / 200**2, rtol=0.02)


def test_the_best_of_a_grid_is_right_where_a_patch_lies_near_enough():
    """Of a patch of 8 pixels, points within the circle around its middle can be found: pi * 2² / 64 of all."""
    points = np.random.default_rng(0).uniform(0, 64, (20_000, 2))
    asked = Asked(points, points, np.full(len(points), 2.0))
    assert at_best(asked, centres((8, 8), (64, 64))).mean() == pytest.approx(np.pi * 4 / 64, abs=0.01)


def test_a_point_is_right_at_the_radius_itself():
    asked = Asked(np.zeros((2, 2)), np.array([[10.0, 10.0]] * 2), np.array([5.0, 5.0]))
    assert asked.right(np.array([[13.0, 14.0], [13.0, 14.01]])).tolist() == [True, False]


def test_patches_are_numbered_row_by_row_and_nearest_by_angle():
    middles = centres((3, 4), (30, 80))
    assert middles[:5].tolist() == [[10, 5], [30, 5], [50, 5], [70, 5], [10, 15]]
    assert patch_at(middles, (3, 4), (30, 80)).tolist() == [*range(12)]
    assert patch_at(np.array([[80.0, 30.0]]), (3, 4), (30, 80)).tolist() == [11]
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, 4, 5))
    found = nearest_patches(first, second * rng.uniform(0.1, 9, (3, 4, 1)), np.arange(12))
    for i, token in enumerate(first.reshape(12, 5)):
        cosine = [token @ other / np.linalg.norm(token) / np.linalg.norm(other) for other in second.reshape(12, 5)]
        assert found[i] == np.argmax(cosine)


def test_points_are_middles_of_patches_in_boxes_with_the_side_of_the_smallest():
    images = sslviz.scenes(n=2)
    boxes = ["disc 0 0 40 20; disc 2 2 14 13", "disc 1 1 3 3"]
    images = replace(images, table=images.table.assign(boxes=boxes))
    points, there = points_of(images, (8, 8))
    assert there.tolist() == [True, False] and len(points) == 1
    before, longer = points[0]
    assert before.tolist() == [[x, y] for y in (4, 12) for x in (4, 12, 20, 28, 36)]
    assert longer.tolist() == [12, 12, 40, 40, 40] * 2
    bare = replace(images, table=images.table.drop(columns="boxes"), masks={})
    points, there = points_of(bare, (8, 8))
    assert there.all() and len(points[1][0]) == 64 and set(points[1][1]) == {64}


def test_a_right_answer_lies_within_a_tenth_of_the_object_as_the_moved_picture_shows_it():
    images = sslviz.scenes(n=12)
    points, there = points_of(images, (8, 8))
    moved, asked = asked_points(images.rows(there), (8, 8), points, 0)
    assert len(moved) == 3 * there.sum() and all(len(one.before) for of_move in asked for one in of_move)
    for name, of_move, scale in zip(MOVES, asked, (1, 1, 4 / 3), strict=True):
        for one, (before, longer) in zip(of_move, points, strict=True):
            side = {tuple(p): s for p, s in zip(before.tolist(), longer, strict=True)}
            expected = [0.1 * scale * side[tuple(p)] for p in one.before.tolist()]
            np.testing.assert_allclose(one.radius, expected, err_msg=name)


# --- the function -----------------------------------------------------------------------------------------------------


@pytest.fixture
def read_from(monkeypatch):
    """`read_from(reader)`: the checkpoint's tokens are these."""
    return lambda reader: monkeypatch.setattr(module, "encoder_tokens", lambda *_: reader)


def pixel_means(grid):
    """Tokens that are the angle of the mean red and green of a patch: on ramps, its place before it was moved."""

    def read(pixels):
        n, h, w, _ = pixels.shape
        means = pixels.reshape(n, grid, h // grid, grid, w // grid, 3).mean((2, 4))
        x, y = means[..., 0] / 130, means[..., 1] / 130
        return np.stack([np.cos(3 * x), np.sin(3 * x), np.cos(3 * y), np.sin(3 * y)], -1).astype(np.float32)

    return TokenReader("planted", read)


def ramps(n, side=64):
    table = pd.DataFrame({"label": np.arange(n)})
    return Images(np.stack([ramp(side, side)] * n), np.arange(n).astype(str), table)


@pytest.mark.parametrize("grid", [8, 16])
def test_tokens_that_know_their_place_reach_the_ceiling(read_from, grid):
    read_from(pixel_means(grid))
    result = correspondence(NANO, ramps(12), progress=False)
    scores = result.scores()
    for name in ("shifted", "mirrored"):
        assert scores[f"pck {name}"].value == 1
    assert scores["pck"].value >= 0.97 * result.ceiling
    others = {name: value for name, value in scores["pck"].controls.items() if name != "pixels"}  # which say it too
    assert scores["pck"].low > max(others.values())
    assert scores["of_ceiling"].value >= 0.97 and result.ceiling <= 1


def test_tokens_that_know_nothing_find_as_much_as_chance(read_from, monkeypatch):
    """The interval of 24 pictures holds what chance gives in about 95 of 100 draws of noise."""
    rng = np.random.default_rng(0)
    noise = TokenReader("noise", lambda pixels: rng.normal(size=(len(pixels), 5, 5, 6)).astype(np.float32))
    read_from(noise)
    monkeypatch.setattr(module, "untrained_tokens", lambda *_: noise)
    images, held, values = ramps(24, 20), 0, []
    for seed in range(100):
        score = correspondence(NANO, images, seed=seed, progress=False).scores()["pck"]
        chance = score.controls["random patch"]
        held += score.low <= chance <= score.high
        values.append(score.value - chance)
    assert 86 <= held <= 99 and abs(np.mean(values)) < 3 * np.std(values) / 10


def test_tokens_that_are_a_place_alone_are_the_control_of_the_same_place(read_from):
    one = np.eye(64, dtype=np.float32).reshape(1, 8, 8, 64)
    read_from(TokenReader("place", lambda pixels: np.repeat(one, len(pixels), 0)))
    result = correspondence(NANO, sslviz.scenes(n=20), progress=False)
    for score in result.scores().values():
        assert score.value == score.controls["same place"]


@pytest.fixture(scope="module")
def result():
    return correspondence(NANO, sslviz.scenes(n=60), progress=False)


def test_every_score_has_its_controls(result):
    scores = result.scores()
    assert [*scores] == ["pck", "pck shifted", "pck mirrored", "pck enlarged", "of_ceiling"]
    for score in scores.values():
        assert set(score.controls) == {"random patch", "same place", "pixels", "untrained"}
        assert score.low <= score.value <= score.high
    assert scores["pck"].value == pytest.approx(np.mean([scores[f"pck {name}"].value for name in MOVES]))
    for name, values in result.per_image().items():
        assert scores[name].value == pytest.approx(values.mean()) and len(values) == len(result.ids)
    assert (result.share <= result.ceiling_share).mean() > 0.95 and result.asked.min() > 0
    assert sum(result.left_out.values()) + len(result.ids) == 60


def test_what_is_shown_is_what_was_counted_the_worst_first(result):
    shares = result.share[result.shown[:, 1], result.shown[:, 0]]
    assert (np.diff(shares) >= 0).all() and shares[0] == result.share.min()
    again = [result.right[result.point_of == i].mean() for i in range(len(shares))]
    np.testing.assert_allclose(again, shares)


def test_it_repeats_itself_is_stored_and_leaves_everything_alone(result, tmp_path):
    images = sslviz.scenes(n=60)
    before, pixels = torch.get_rng_state(), images.pixels.copy()
    assert correspondence(NANO, images, progress=False).scores() == result.scores()
    assert (torch.get_rng_state() == before).all() and (images.pixels == pixels).all()
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Correspondence).scores() == result.scores()
    other = correspondence(replace(NANO, seed=5), images, progress=False)
    assert sslviz.compare(result, other).scores()


def test_points_that_are_given_are_found_in_the_second_picture(read_from):
    """A stereo pair: the second picture is the first, 8 pixels further left."""
    read_from(pixel_means(8))
    first = ramps(2)
    second = replace(first, pixels=np.roll(first.pixels, -8, axis=2))
    points = [np.array([[20, 20, 12, 20], [44, 36, 36, 36]]), np.array([[60, 4, 52, 4]])]
    result = correspondence_of(NANO, first, second, points, progress=False)
    assert [*result.scores()] == ["pck", "of_ceiling"] and result.scores()["pck"].value == 1
    wrong = [p + [0, 0, 12, 0] for p in points[:1]] + points[1:]
    assert correspondence_of(NANO, first, second, wrong, progress=False).share.tolist() == [[0, 1]]


def test_a_grid_that_can_show_nothing_says_so():
    images = sslviz.scenes(n=9)
    pairs = [np.array([[4.0, 4.0, 16.0, 16.0]])] * 9  # between four patches of 32 pixels, farther than 6.4 from all
    coarse = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 16}, None, 1)
    result = correspondence_of(coarse, images, images, pairs, progress=False)
    assert result.grid == (2, 2) and result.ceiling == 1
    pairs = [np.array([[4.0, 4.0, 1.0, 1.0]])] * 9
    score = correspondence_of(coarse, images, images, pairs, progress=False).scores()["of_ceiling"]
    assert score.reason and np.isnan(score.value) and score.control == 0


def test_what_cannot_be_asked_is_one_sentence():
    images = sslviz.scenes(n=6)
    clips = Images(np.zeros((2, 3, 8, 8, 3), np.uint8), ["a", "b"], pd.DataFrame({"label": [0, 1]}))
    for given, options, match in [
        (clips, {}, "Correspondence needs pictures"),
        (images.rows(np.zeros(6, bool)), {}, "at least one"),
        (
            replace(images, table=images.table.assign(boxes="")),
            {},
            "No patch of the grid 4 x 4 has its middle on an obj",
        ),
        (replace(images, table=images.table.assign(boxes="disc 0 0 90 9")), {}, "^Image 0: The box 'disc' 0 0 90 9"),
        (images, {"layer": "stages.9"}, "no grid of a layer"),
    ]:
        with pytest.raises(ValueError, match=match) as refused:
            correspondence(NANO, given, progress=False, **options)
        assert "\n" not in str(refused.value)
    fine = [np.array([[1, 1, 2, 2]])] * 6
    for second, points, match in [
        (images.rows(np.arange(5)), fine, "got 6, 5 and 6"),
        (images, fine[:4], "got 6, 6 and 4"),
        (images, [*fine[:5], np.zeros((3, 2))], "Points of a pair are \\(m, 4\\).*got \\(3, 2\\) for 5"),
        (images, [np.array([[1, 1, 2, 65]]), *fine[1:]], "A point of 0 lies outside"),
        (clips, fine, "Correspondence needs pictures"),
    ]:
        with pytest.raises(ValueError, match=match) as refused:
            correspondence_of(NANO, images, second, points, progress=False)
        assert "\n" not in str(refused.value)
