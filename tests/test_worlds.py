"""The shapes world: is what it claims to plant really there, and nothing else?"""

import random
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from scipy import stats
from scipy.ndimage import binary_dilation, binary_erosion
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sslviz import drawing, worlds
from sslviz.worlds import COLORS, RANGES, SHAPES, SPLITS, TEXTURES, counterfactual, shapes

K = len(SHAPES)
FACTORS = {"shape": SHAPES, "color": tuple(COLORS), "texture": TEXTURES}


@pytest.fixture(scope="module")
def world():
    return shapes(4000)


def agreement(table):
    """Whether the colour is the one that belongs to the shape."""
    return pd.Categorical(table["shape"], SHAPES).codes == pd.Categorical(table["color"], tuple(COLORS)).codes


def within(rate, p, n, sigmas=4):
    """Whether an observed rate is what n draws with probability p give."""
    return abs(rate - p) <= sigmas * np.sqrt(p * (1 - p) / n) + 1e-12


# --- the plan: factors, splits, bias ----------------------------------------------------------------------------------


def test_an_image_is_the_same_whatever_n_is():
    few, many = shapes(10, seed=3), shapes(1000, seed=3)
    np.testing.assert_array_equal(few.pixels, many.pixels[:10])
    np.testing.assert_array_equal(few.masks["object"], many.masks["object"][:10])
    pd.testing.assert_frame_equal(few.table, many.table[:10])
    assert few.ids.tolist() == [str(i) for i in range(10)]
    assert not np.array_equal(few.pixels, shapes(10, seed=4).pixels)


def test_bias_changes_only_colour():
    low, high = shapes(200, bias=0.5), shapes(200, bias=1.0)
    pd.testing.assert_frame_equal(low.table.drop(columns="color"), high.table.drop(columns="color"))
    assert (low.table["color"] != high.table["color"]).any()


@pytest.mark.parametrize("bias", [1 / K, 0.7, 0.9, 0.95, 1.0])
def test_colour_agrees_with_shape_as_often_as_asked(bias):
    table = worlds._draw_factors(np.arange(20_000), bias, 0)
    for split, rows in table.groupby("split"):
        p = 1 / K if split in worlds.BALANCED else bias
        assert within(agreement(rows).mean(), p, len(rows)), split


@pytest.mark.parametrize("p", [1 / K, 0.7, 0.9, 0.95, 1.0])
def test_shape_and_colour_share_the_bits_of_the_closed_form(p):
    table = worlds._draw_factors(np.arange(20_000), p, 1)
    table = table[table["split"] == "train"]
    joint = pd.crosstab(table["shape"], table["color"]).to_numpy() / len(table)
    outer = joint.sum(1, keepdims=True) * joint.sum(0)
    bits = (joint[joint > 0] * np.log2(joint[joint > 0] / outer[joint > 0])).sum()
    expected = np.log2(K) + p * np.log2(p) + ((1 - p) * np.log2((1 - p) / (K - 1)) if p < 1 else 0)
    # The plug-in estimate is too high by (K-1)^2 / (2 n ln 2) and varies with the spread of the pointwise information.
    surprise = abs(np.log2(p * (K - 1) / (1 - p))) if p < 1 else 0
    sd = np.sqrt(p * (1 - p)) * surprise / np.sqrt(len(table))
    assert abs(bits - expected) <= 4 * sd + 4 * (K - 1) ** 2 / (2 * len(table) * np.log(2))


def test_wrong_colours_and_all_other_factors_are_uniform():
    table = worlds._draw_factors(np.arange(20_000), 0.5, 2)
    wrong = table[~agreement(table)]
    step = (pd.Categorical(wrong["color"], tuple(COLORS)).codes - pd.Categorical(wrong["shape"], SHAPES).codes) % K
    assert stats.chisquare(np.bincount(step, minlength=K)[1:]).pvalue > 1e-3
    for factor in ("shape", "texture"):
        assert stats.chisquare(table[factor].value_counts()).pvalue > 1e-3
    for factor, (low, high) in RANGES.items():
        assert stats.kstest(table[factor], stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_balanced_splits_are_balanced_in_every_pair_of_factors():
    table = worlds._draw_factors(np.arange(40_000), 0.95, 0)
    table = table[table["split"].isin(worlds.BALANCED)]
    for a, b in (("shape", "color"), ("shape", "texture"), ("color", "texture")):
        assert stats.chisquare(pd.crosstab(table[a], table[b]).to_numpy().ravel()).pvalue > 1e-3


def test_numbers_are_independent_of_each_other_and_of_shape():
    table = worlds._draw_factors(np.arange(20_000), 0.95, 0)
    numbers = table[list(RANGES)].to_numpy()
    correlation = np.corrcoef(numbers.T)[np.triu_indices(len(RANGES), 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(table))
    groups = [numbers[table["shape"] == shape] for shape in SHAPES]
    assert all(stats.f_oneway(*columns).pvalue > 1e-3 for columns in zip(*(g.T for g in groups), strict=True))


def test_of_twenty_images_each_split_has_its_share(world):
    for start in (0, 20, 3980):
        assert tuple(world.table["split"][start : start + 20]) == SPLITS
    assert {name: SPLITS.count(name) for name in dict.fromkeys(SPLITS)} == {
        "train": 12, "probe": 3, "test": 3, "probe-biased": 1, "test-biased": 1,
    }  # fmt: skip
    assert (world.table["label"] == world.table["shape"]).all()
    assert len(world.split("train")) == len(world) * 12 // 20


def test_random_numbers_have_no_pattern_over_neighbouring_addresses():
    u = drawing.uniform(0, "x", np.arange(100_000))
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    for other in (u[1:], drawing.uniform(1, "x", np.arange(100_000))[:-1], drawing.uniform(0, "y", np.arange(99_999))):
        assert abs(np.corrcoef(u[:-1], other)[0, 1]) < 4 / np.sqrt(len(u))


# --- the pictures -----------------------------------------------------------------------------------------------------


def corners(shape, radius):
    """The outline of a shape of area pi radius^2 about the origin, from school geometry; y points down."""
    area = np.pi * radius**2
    if shape == "square":
        half = np.sqrt(area) / 2
        return [(-half, -half), (half, -half), (half, half), (-half, half)]
    if shape == "triangle":
        side = np.sqrt(4 * area / np.sqrt(3))
        height = side * np.sqrt(3) / 2
        return [(0, -2 * height / 3), (side / 2, height / 3), (-side / 2, height / 3)]
    if shape == "cross":  # five squares of a third of its length
        w = np.sqrt(area / 5) / 2
        a = 3 * w
        return [
            (-w, -a),
            (w, -a),
            (w, -w),
            (a, -w),
            (a, w),
            (w, w),
            (w, a),
            (-w, a),
            (-w, w),
            (-a, w),
            (-a, -w),
            (-w, -w),
        ]
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return list(zip(radius * np.cos(turn), radius * np.sin(turn), strict=True))


def test_coverage_is_that_of_the_outline_drawn_large_and_shrunk(world):
    size, zoom = 32, 16
    for _, row in world.table[:80].iterrows():
        turn = np.deg2rad(row["angle"])
        turned = np.array(corners(row["shape"], size * row["radius"])) @ [
            [np.cos(turn), np.sin(turn)],
            [-np.sin(turn), np.cos(turn)],
        ]
        points = (turned + size * np.array([row["x"], row["y"]])) * zoom - 0.5
        large = Image.new("L", (size * zoom, size * zoom))
        ImageDraw.Draw(large).polygon([tuple(p) for p in points], fill=255)
        expected = np.asarray(large).reshape(size, zoom, size, zoom).mean((1, 3)) / 255
        drawn = worlds._coverage({name: np.array([value]) for name, value in row.items()}, size)[0]
        assert np.abs(drawn - expected).mean() < 0.004  # of 1.0; a tip is rounded, the large drawing is a pixel wider
        assert np.abs(drawn - expected).max() < 0.3


def test_area_is_the_same_for_all_shapes(world):
    expected = np.pi * (32 * world.table["radius"]) ** 2
    for area, tolerance in (
        (worlds._coverage(world.table, 32).sum((1, 2)), 1e-3),
        (world.masks["object"].sum((1, 2)), 1e-2),
    ):
        ratio = (area / expected).groupby(world.table["shape"]).mean()
        assert np.abs(ratio - 1).max() < tolerance


def test_area_does_not_betray_the_shape(world):
    area = world.masks["object"].sum((1, 2))[:, None]
    score = cross_val_score(
        DecisionTreeClassifier(max_depth=4, random_state=0), area, world.table["shape"], cv=4
    ).mean()
    assert within(score, 1 / K, len(world))


def test_colours_have_one_luminance_in_numbers_and_in_pictures(world):
    assert len({Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0)) for rgb in COLORS.values()}) == 1
    inside = np.array([binary_erosion(mask) for mask in world.masks["object"]])
    grey = np.array([np.asarray(Image.fromarray(p).convert("L"), dtype=float) for p in world.pixels])
    mean = pd.Series([g[m].mean() for g, m in zip(grey, inside, strict=True)])
    by_color = mean.groupby(world.table["color"])
    assert by_color.mean().max() - by_color.mean().min() < 4 * np.sqrt(2 * mean.var() / (len(world) / K))
    assert stats.f_oneway(*(group for _, group in by_color)).pvalue > 1e-3


def test_objects_lie_within_the_picture_even_at_the_ends_of_all_ranges():
    ends = pd.MultiIndex.from_product([SHAPES, *(RANGES[f] for f in ("x", "y", "radius", "angle"))])
    table = ends.to_frame(index=False, name=["shape", "x", "y", "radius", "angle"])
    cover = worlds._coverage(table, 32)
    assert cover[:, [0, -1], :].max() == cover[:, :, [0, -1]].max() == 0
    share = np.pi * np.array(RANGES["radius"]) ** 2
    assert 0.1 < share[0] < share[1] < 0.2  # of the picture


def test_the_mask_is_where_the_object_covers_half_a_pixel(world):
    few = world.rows(np.arange(300))
    other = counterfactual(few, "color")
    rgb = np.array(list(COLORS.values()), dtype=float)
    names = list(COLORS)
    for i in range(len(few)):
        change = rgb[names.index(other.table["color"][i])] - rgb[names.index(few.table["color"][i])]
        channel = np.abs(change).argmax()
        # Noise and background are the same in both: the difference of the pictures is coverage times that of colours.
        cover = (other.pixels[i, ..., channel].astype(float) - few.pixels[i, ..., channel]) / change[channel]
        clear = np.abs(cover - 0.5) > 2 / abs(change[channel])  # beyond rounding
        np.testing.assert_array_equal(cover[clear] > 0.5, few.masks["object"][i][clear])


def test_raw_pixels_do_not_give_the_shape_away_linearly():
    world = shapes(8000)
    fit, score = world.split("probe"), world.split("test")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))

    def flat(images):  # 2x2 means: fewer columns and less noise than the pixels themselves
        return images.pixels.reshape(len(images), 16, 2, 16, 2, 3).mean((2, 4)).reshape(len(images), -1)

    accuracy = probe.fit(flat(fit), fit.table["shape"]).score(flat(score), score.table["shape"])
    # Places and angles vary, so the mean pictures of the shapes hardly differ, and they are all that a linear probe has
    # to go by: it must stay closer to chance than to half of the way up.
    assert accuracy < (1 / K + (1 / K + 1) / 2) / 2
    assert probe.fit(flat(fit), fit.table["color"]).score(flat(score), score.table["color"]) > 0.99


def test_other_sizes_show_the_same_scene(world):
    large = shapes(20, size=64)
    drop = ["noise_seed"]
    pd.testing.assert_frame_equal(large.table.drop(columns=drop), world.table[:20].drop(columns=drop))
    shrunk = large.pixels.reshape(20, 32, 2, 32, 2, 3).mean((2, 4))
    # What is left is noise: two independent uniform ones, the large picture's averaged over four pixels.
    sd = 255 * worlds.NOISE / np.sqrt(3) * np.sqrt(1 + 1 / 4)
    assert np.abs(shrunk - world.pixels[:20]).mean() < sd


# --- counterfactuals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [*FACTORS, *RANGES])
def test_a_counterfactual_changes_one_factor_of_every_image(world, factor):
    some = world.rows(np.arange(7, 207))
    other = counterfactual(some, factor)
    changed = {factor, "label"} if factor == "shape" else {factor}
    for column in some.table:
        assert (some.table[column] != other.table[column]).all() == (column in changed), column
        assert (some.table[column] == other.table[column]).all() == (column not in changed), column
    np.testing.assert_array_equal(some.ids, other.ids)
    if factor in RANGES:
        assert other.table[factor].between(*RANGES[factor]).all()


def test_a_counterfactual_of_a_slice_is_the_slice_of_the_counterfactual(world):
    some = np.array([5, 3, 900])
    np.testing.assert_array_equal(counterfactual(world.rows(some), "x").pixels, counterfactual(world, "x").pixels[some])
    assert not np.array_equal(counterfactual(world, "x", seed=1).pixels, counterfactual(world, "x").pixels)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_other_names_are_equally_likely(world, factor):
    names = FACTORS[factor]
    step = pd.Categorical(counterfactual(world, factor).table[factor], names).codes
    step = (step - pd.Categorical(world.table[factor], names).codes) % len(names)
    counts = np.bincount(step, minlength=len(names))
    assert counts[0] == 0 and stats.power_divergence(counts[1:]).statistic < stats.chi2.isf(
        1e-3, max(len(names) - 2, 1)
    )


def grown(mask):
    """With the pixels an anti-aliased edge can touch: two on, as a thin tip covers less than half of its last ones."""
    return np.array([binary_dilation(m, np.ones((5, 5))) for m in mask])


@pytest.mark.parametrize("factor", ["color", "texture", "phase", "shape", "x", "radius"])
def test_only_what_a_factor_governs_changes(world, factor):
    some = world.rows(np.arange(100))
    other = counterfactual(some, factor)
    changed = (some.pixels != other.pixels).any(-1)
    before, after = some.masks["object"], other.masks["object"]
    if factor in ("texture", "phase"):  # the background, never what lies fully within the object
        inside = np.array([binary_erosion(m, np.ones((3, 3))) for m in before])
        assert not changed[inside].any() and changed[~grown(before)].mean() > 0.8
    else:
        assert not changed[~grown(before | after)].any()
    if factor == "color":
        assert changed[before].all() and np.array_equal(before, after)


def test_a_disc_does_not_care_for_its_angle(world):
    discs = world.rows(world.table["shape"] == "disc")
    assert np.abs(counterfactual(discs, "angle").pixels.astype(int) - discs.pixels).max() <= 1


# --- bad input and manners --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"n": 0}, {"size": 8}, {"bias": 1.2}, {"bias": -0.1}])
def test_impossible_worlds_are_refused(wrong):
    with pytest.raises(ValueError, match="shapes needs n >= 1, size >= 16 and 0 <= bias <= 1"):
        shapes(**wrong)


def test_counterfactuals_of_other_images_are_refused(world):
    with pytest.raises(ValueError, match="the factors are: shape, color, texture, x"):
        counterfactual(world, "size")
    some = world.rows(np.arange(3))
    inverted = replace(some, pixels=255 - some.pixels)
    without = replace(some, table=some.table.drop(columns="phase"))
    for images in (inverted, without):
        with pytest.raises(ValueError, match="as shapes\\(\\) drew them"):
            counterfactual(images, "color")


def test_global_randomness_is_left_alone():
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    counterfactual(shapes(30), "shape")
    assert np.array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert before[1] == random.getstate()


def test_eight_thousand_images_take_two_seconds_of_one_core():
    def seconds(n):
        began = time.process_time()
        shapes(n)
        return time.process_time() - began

    assert min(seconds(2000) for _ in range(3)) * 4 < 2
