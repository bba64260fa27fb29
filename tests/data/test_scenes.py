"""`scenes`: are the boxes and masks those of what is drawn, and is everything planted as the table says?"""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sslviz.data import counterfactual, rasterizing, scenes
from sslviz.data.boxes import boxes_of
from sslviz.data.worlds import COLORS, SHAPES, SPLITS
from sslviz.data.worlds.scenes import MOST, RADIUS, SCENE, draw_scenes
from sslviz.data.worlds.world import render

K = len(SHAPES)


@pytest.fixture(scope="module")
def world():
    return scenes(1500)


def parts(images):
    """[(shape, colour, x, y, radius, angle)] of each picture, as the column `scene` says."""
    rows = [[part.split() for part in text.split(";") if part] for text in images.table["scene"]]
    return [[(shape, color, *map(float, rest)) for shape, color, *rest in row] for row in rows]


def test_an_image_is_the_same_whatever_n_is(world):
    few = scenes(7)
    np.testing.assert_array_equal(few.pixels, world.pixels[:7])
    pd.testing.assert_frame_equal(few.table, world.table[:7])
    for name, mask in few.masks.items():
        np.testing.assert_array_equal(mask, world.masks[name][:7])
    assert not np.array_equal(few.pixels, scenes(7, seed=1).pixels)
    large = scenes(7, size=96).table
    pd.testing.assert_frame_equal(large.drop(columns="boxes"), few.table.drop(columns="boxes"))


def test_a_picture_is_a_function_of_its_row(world):
    rows = world.table.iloc[[5, 1200, 7]]
    np.testing.assert_array_equal(render(SCENE, rows, 64)[0], world.pixels[[5, 1200, 7]])


def test_masks_are_disjoint_and_cover_everything(world):
    assert sorted(world.masks) == sorted([*SHAPES, "background"])
    np.testing.assert_array_equal(np.sum([mask.astype(int) for mask in world.masks.values()], axis=0), 1)


def test_masks_show_each_object_where_the_row_puts_it_the_later_before_the_earlier(world):
    for i, objects in enumerate(parts(world)[:60]):
        owner = np.full((64, 64), "background", dtype=object)
        for shape, _, *numbers in objects:
            cover = rasterizing.coverage(np.array([shape]), *(np.array([v]) for v in numbers), 64)[0]
            owner[cover >= 0.5] = shape
        for name, mask in world.masks.items():
            np.testing.assert_array_equal(mask[i], owner == name)


def test_pixels_of_a_mask_have_the_colours_of_its_objects(world):
    for i, objects in enumerate(parts(world)[:200]):
        for shape in {part[0] for part in objects}:
            drawn = np.array([COLORS[part[1]] for part in objects if part[0] == shape])
            seen = world.pixels[i][world.masks[shape][i]].astype(int)
            near = np.abs(seen[:, None] - drawn).max(2).min(1)  # 19 levels of noise; the edge is mixed
            assert (near <= 20).mean() > 0.6


def test_boxes_touch_what_is_seen_of_their_objects_on_all_four_sides(world):
    for i, boxes in enumerate(boxes_of(world)):
        union = {name: np.zeros((64, 64), bool) for name in SHAPES}
        for name, (x0, y0, x1, y1) in zip(boxes.classes, boxes.corners.astype(int), strict=True):
            inside = world.masks[name][i, y0:y1, x0:x1]
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            union[name][y0:y1, x0:x1] = True
        for name in SHAPES:
            assert not (world.masks[name][i] & ~union[name]).any()


def test_there_is_one_box_for_each_object_of_its_shape(world):
    for objects, boxes in zip(parts(world), boxes_of(world), strict=True):
        assert boxes.classes.tolist() == [part[0] for part in objects]
    assert world.table["objects"].tolist() == [len(objects) for objects in parts(world)]


def test_objects_lie_whole_within_the_picture_and_hardly_cover_each_other(world):
    areas = np.array([sum(np.pi * (64 * part[4]) ** 2 for part in objects) for objects in parts(world)])
    seen = 64**2 - world.masks["background"].sum((1, 2))
    hidden = 1 - seen[areas > 0] / areas[areas > 0]
    assert hidden.mean() < 0.02 and hidden.max() < 0.15
    alone = (world.table["objects"] == 1).to_numpy()
    assert np.abs(seen[alone] / areas[alone] - 1).max() < 0.12  # pixels at the edge count whole or not at all
    edge = np.concatenate([boxes.corners for boxes in boxes_of(world)])
    assert edge.min() >= 0 and edge.max() <= 64


def test_label_shape_and_color_are_those_of_the_largest_object(world):
    for row, objects in zip(world.table.itertuples(), parts(world), strict=True):
        largest = max(objects, key=lambda part: part[4], default=("none", "none"))
        assert (row.label, row.shape, row.color) == (largest[0], *largest[:2])


@pytest.mark.parametrize("bias", [1 / K, 0.7, 1.0])
def test_as_much_is_planted_as_asked(bias):
    n = 6000
    table = draw_scenes(np.arange(n), bias, 3)
    assert tuple(table["split"][:20]) == SPLITS
    assert stats.chisquare(table["objects"].value_counts()).pvalue > 1e-4 and table["objects"].max() == MOST
    objects = [
        (split, part.split()[:2])
        for split, text in zip(table["split"], table["scene"], strict=True)
        for part in text.split(";")
        if part
    ]
    for split in ("train", "test", "test-biased"):
        agree = [SHAPES.index(s) == [*COLORS].index(c) for where, (s, c) in objects if where == split]
        expected = 1 / K if split == "test" else bias
        assert abs(np.mean(agree) - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(agree))
    shapes = pd.Series([shape for _, (shape, _) in objects])
    assert stats.chisquare(shapes.value_counts()).pvalue > 1e-4


def test_radii_fill_their_range_and_shape_says_nothing_of_size_or_place(world):
    flat = pd.DataFrame([part for objects in parts(world) for part in objects], columns=[*"scxyra"])
    assert (
        flat["r"].between(*RADIUS).all() and flat["r"].min() < RADIUS[0] + 0.002 and flat["r"].max() > RADIUS[1] - 0.002
    )
    for factor in "xyra":
        assert stats.f_oneway(*(flat[factor][flat["s"] == shape] for shape in SHAPES)).pvalue > 1e-4


@pytest.mark.parametrize("wrong", [{"n": 0}, {"size": 8}, {"bias": 1.2}])
def test_impossible_scenes_are_refused(wrong):
    with pytest.raises(ValueError, match="scenes needs n >= 1, size >= 16 and 0 <= bias <= 1"):
        scenes(**wrong)


def test_small_and_odd_sizes_are_drawn():
    for size in (16, 33):
        images = scenes(200, size=size)
        np.testing.assert_array_equal(np.sum([mask.astype(int) for mask in images.masks.values()], axis=0), 1)
        assert sum(len(boxes.classes) for boxes in boxes_of(images)) == images.table["objects"].sum()


def test_a_counterfactual_is_refused_in_one_sentence(world):
    with pytest.raises(ValueError, match="A counterfactual needs images"):
        counterfactual(world.rows(np.arange(3)), "color")


def test_a_thousand_scenes_take_three_seconds_of_one_core():
    def seconds(n):
        began = time.process_time()
        scenes(n)
        return time.process_time() - began

    assert min(seconds(500) for _ in range(2)) * 2 < 3
