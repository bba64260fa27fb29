"""The worlds: is what each claims to plant really there, and nothing else?"""

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

from sslviz.data import counterfactual, randbit, rasterizing, shapes, tagged_shapes, textured
from sslviz.data.worlds import BALANCED, COLORS, RANGES, SHAPES, SPLITS, TEXTURES, factor_values, redrawn_noise
from sslviz.data.worlds.bit_strip import BITS, RANDBIT_RANGES, bit_strip
from sslviz.data.worlds.colored_shape import COLORED_SHAPE
from sslviz.data.worlds.shape_and_tag import PLACES, SHAPE_AND_TAG, TAG, TAGGED_RANGES, paint_shape_and_tag
from sslviz.data.worlds.shape_on_texture import SHAPE_ON_TEXTURE
from sslviz.data.worlds.world import BACKGROUND, NOISE, draw_factors, object_coverage, render
from sslviz.explanations.control_maps import model_free_maps
from sslviz.explanations.faithfulness.localization import pointing_game

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
    table = draw_factors(COLORED_SHAPE, np.arange(20_000), bias, 0)
    for split, rows in table.groupby("split"):
        p = 1 / K if split in BALANCED else bias
        assert within(agreement(rows).mean(), p, len(rows)), split


@pytest.mark.parametrize("p", [1 / K, 0.7, 0.9, 0.95, 1.0])
def test_shape_and_colour_share_the_bits_of_the_closed_form(p):
    table = draw_factors(COLORED_SHAPE, np.arange(20_000), p, 1)
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
    table = draw_factors(COLORED_SHAPE, np.arange(20_000), 0.5, 2)
    wrong = table[~agreement(table)]
    step = (pd.Categorical(wrong["color"], tuple(COLORS)).codes - pd.Categorical(wrong["shape"], SHAPES).codes) % K
    assert stats.chisquare(np.bincount(step, minlength=K)[1:]).pvalue > 1e-3
    for factor in ("shape", "texture"):
        assert stats.chisquare(table[factor].value_counts()).pvalue > 1e-3
    for factor, (low, high) in RANGES.items():
        assert stats.kstest(table[factor], stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_balanced_splits_are_balanced_in_every_pair_of_factors():
    table = draw_factors(COLORED_SHAPE, np.arange(40_000), 0.95, 0)
    table = table[table["split"].isin(BALANCED)]
    for a, b in (("shape", "color"), ("shape", "texture"), ("color", "texture")):
        assert stats.chisquare(pd.crosstab(table[a], table[b]).to_numpy().ravel()).pvalue > 1e-3


def test_numbers_are_independent_of_each_other_and_of_shape():
    table = draw_factors(COLORED_SHAPE, np.arange(20_000), 0.95, 0)
    numbers = table[list(RANGES)].to_numpy()
    correlation = np.corrcoef(numbers.T)[np.triu_indices(len(RANGES), 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(table))
    groups = [numbers[table["shape"] == shape] for shape in SHAPES]
    assert all(stats.f_oneway(*columns).pvalue > 1e-3 for columns in zip(*(g.T for g in groups), strict=True))


def test_of_twenty_images_each_split_has_its_share(world):
    for start in (0, 20, 3980):
        assert tuple(world.table["split"][start : start + 20]) == SPLITS
    assert {name: SPLITS.count(name) for name in dict.fromkeys(SPLITS)} == {
        "train": 12,
        "probe": 3,
        "test": 3,
        "probe-biased": 1,
        "test-biased": 1,
    }
    assert (world.table["label"] == world.table["shape"]).all()
    assert len(world.split("train")) == len(world) * 12 // 20


def test_random_numbers_have_no_pattern_over_neighbouring_addresses():
    u = rasterizing.uniform(0, "x", np.arange(100_000))
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    for other in (
        u[1:],
        rasterizing.uniform(1, "x", np.arange(100_000))[:-1],
        rasterizing.uniform(0, "y", np.arange(99_999)),
    ):
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
        drawn = object_coverage({name: np.array([value]) for name, value in row.items()}, size)[0]
        assert np.abs(drawn - expected).mean() < 0.004  # of 1.0; a tip is rounded, the large drawing is a pixel wider
        assert np.abs(drawn - expected).max() < 0.3


def test_area_is_the_same_for_all_shapes(world):
    expected = np.pi * (32 * world.table["radius"]) ** 2
    for area, tolerance in (
        (object_coverage(world.table, 32).sum((1, 2)), 1e-3),
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
    cover = object_coverage(table, 32)
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
    sd = 255 * NOISE / np.sqrt(3) * np.sqrt(1 + 1 / 4)
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
        assert np.ptp(other.table[factor]) > 0.95 * np.ptp(bit_strip(0).ranges[factor])  # by 200 uniform draws


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


@pytest.mark.parametrize("factor", [*FACTORS, *RANGES])
def test_a_factor_can_be_given_a_value(world, factor):
    some = world.rows(np.arange(7, 27))
    own = some.table[factor].iloc[0]
    given = counterfactual(some, factor, value=own)
    assert (given.table[factor] == own).all()
    np.testing.assert_array_equal(given.pixels[0], some.pixels[0])  # that one had this value before
    drawn = counterfactual(some, factor)
    again = counterfactual(some.rows(np.array([3])), factor, value=drawn.table[factor].iloc[3])
    np.testing.assert_array_equal(again.pixels[0], drawn.pixels[3])
    pd.testing.assert_frame_equal(again.table.reset_index(drop=True), drawn.table.iloc[[3]].reset_index(drop=True))


def test_the_values_of_a_factor(world):
    some = world.rows(np.arange(3))
    assert factor_values(some, "color") == list(COLORS)
    numbers = factor_values(some, "radius", 5)
    assert (numbers[0], numbers[-1]) == RANGES["radius"] and np.diff(numbers) == pytest.approx(np.ptp(numbers) / 4)
    for factor, wrong, words in (
        ("color", "grey", "orange, green"),
        ("radius", 0.5, "0.18 and 0.21"),
        ("x", "a", "0.36"),
    ):
        with pytest.raises(ValueError, match=words):
            counterfactual(some, factor, value=wrong)


def test_a_disc_does_not_care_for_its_angle(world):
    discs = world.rows(world.table["shape"] == "disc")
    assert np.abs(counterfactual(discs, "angle").pixels.astype(int) - discs.pixels).max() <= 1


def test_redrawn_noise_changes_every_picture_by_noise_alone(world):
    some = world.rows(np.arange(7, 107))
    other = redrawn_noise(some)
    pd.testing.assert_frame_equal(other.table.drop(columns="noise_seed"), some.table.drop(columns="noise_seed"))
    assert (other.table["noise_seed"] != some.table["noise_seed"]).all() and other.ids.tolist() == some.ids.tolist()
    difference = (other.pixels.astype(float) - some.pixels) / 255
    assert 1.9 * NOISE < np.abs(difference).max() < 2 * NOISE + 1 / 255
    # The difference of two uniform draws from -NOISE to NOISE: its variance is 2/3 NOISE^2, rounding to 1/255 aside.
    assert difference.var() == pytest.approx(2 / 3 * NOISE**2, rel=0.02) and abs(difference.mean()) < 1e-3
    np.testing.assert_array_equal(other.masks["object"], some.masks["object"])
    np.testing.assert_array_equal(redrawn_noise(some.rows([5, 3])).pixels, other.pixels[[5, 3]])
    assert not np.array_equal(redrawn_noise(some, seed=1).pixels, other.pixels)


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
        with pytest.raises(ValueError, match="as shapes\\(\\) or another world drew them"):
            counterfactual(images, "color")


def test_global_randomness_is_left_alone():
    before = np.random.get_state()[1].copy(), random.getstate()
    counterfactual(shapes(30), "shape")
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert before[1] == random.getstate()


def test_eight_thousand_images_take_two_seconds_of_one_core():
    def seconds(n):
        began = time.process_time()
        shapes(n)
        return time.process_time() - began

    assert min(seconds(2000) for _ in range(3)) * 4 < 2


# --- the other worlds -------------------------------------------------------------------------------------------------

WORLDS = {"tagged_shapes": tagged_shapes, "textured": textured, "randbit": randbit}
GOES_WITH_SHAPE = {"tagged_shapes": "tag_color", "textured": "background", "randbit": "color"}


@pytest.fixture(scope="module", params=WORLDS)
def other(request):
    """(name, function, 3,000 images, the factor that goes with the shape)."""
    make = WORLDS[request.param]
    return request.param, make, make(3000), GOES_WITH_SHAPE[request.param]


@pytest.fixture(scope="module")
def tagged():
    return tagged_shapes(3000)


def test_every_world_draws_an_image_whatever_n_is(other):
    _, make, images, _ = other
    few = make(7)
    np.testing.assert_array_equal(few.pixels, images.pixels[:7])
    pd.testing.assert_frame_equal(few.table, images.table[:7])
    for name, mask in few.masks.items():
        np.testing.assert_array_equal(mask, images.masks[name][:7])
    assert not np.array_equal(few.pixels, make(7, seed=1).pixels)
    large = make(7, size=64)
    pd.testing.assert_frame_equal(large.table.drop(columns="noise_seed"), few.table.drop(columns="noise_seed"))
    assert large.masks.keys() == few.masks.keys()


@pytest.mark.parametrize("bias", [1 / K, 0.7, 0.95, 1.0])
def test_every_world_plants_as_much_as_asked(other, bias):
    name, make, images, factor = other
    world = {"tagged_shapes": SHAPE_AND_TAG, "textured": SHAPE_ON_TEXTURE, "randbit": bit_strip(4)}[name]
    table = draw_factors(world, np.arange(20_000), bias, 0)
    if bias == 0.95:
        pd.testing.assert_frame_equal(table[:3000], images.table)
    codes = pd.Categorical(table["shape"], SHAPES).codes == pd.Categorical(table[factor], tuple(COLORS)).codes
    for split in SPLITS:
        part = codes[(table["split"] == split).to_numpy()]
        assert within(part.mean(), 1 / K if split in ("probe", "test") else bias, len(part)), split
    # Mutual information in bits: log2 K + p log2 p + (1 - p) log2((1 - p) / (K - 1)), 1.634 for p = .95.
    train = table[table["split"] == "train"]
    counts = pd.crosstab(train["shape"], train[factor]).to_numpy() / len(train)
    outer = counts.sum(1, keepdims=True) * counts.sum(0)
    measured = (counts[counts > 0] * np.log2(counts[counts > 0] / outer[counts > 0])).sum()
    missed = (1 - bias) * np.log2((1 - bias) / (K - 1)) if bias < 1 else 0
    assert measured == pytest.approx(np.log2(K) + bias * np.log2(bias) + missed, abs=0.03)


def test_nothing_else_in_a_world_goes_with_the_shape(other):
    _, _, images, factor = other
    free = set(images.table) - {"label", "split", "shape", factor, "noise_seed"}
    for column in sorted(free):
        values = images.table[column]
        if values.dtype.kind == "f":
            groups = [values[images.table["shape"] == shape] for shape in SHAPES]
            assert stats.f_oneway(*groups).pvalue > 1e-4, column
        else:
            assert stats.chi2_contingency(pd.crosstab(values, images.table["shape"])).pvalue > 1e-4, column
            assert stats.chisquare(values.value_counts()).pvalue > 1e-4, column


def test_splits_of_every_world_are_those_of_shapes(other):
    _, _, images, _ = other
    assert tuple(images.table["split"][:20]) == SPLITS and (images.table["label"] == images.table["shape"]).all()


def factors_of(name):
    world = {"tagged_shapes": SHAPE_AND_TAG, "textured": SHAPE_ON_TEXTURE, "randbit": bit_strip(4)}[name]
    return world.factors


@pytest.mark.parametrize(("name", "factor"), [(name, factor) for name in WORLDS for factor in factors_of(name)])
def test_counterfactuals_of_every_world_change_one_factor(name, factor):
    some = WORLDS[name](60).rows(np.arange(7, 60))
    changed = counterfactual(some, factor)
    for column in some.table:
        expected = column == factor or (column == "label" and factor == "shape")
        assert (some.table[column] != changed.table[column]).all() == expected, column
        assert expected or (some.table[column] == changed.table[column]).all(), column
    assert changed.masks.keys() == some.masks.keys()
    one = counterfactual(some.rows(np.array([5, 2])), factor)
    np.testing.assert_array_equal(one.pixels, changed.pixels[[5, 2]])


def test_unknown_factors_of_every_world_are_named(other):
    _, _, images, factor = other
    with pytest.raises(ValueError, match=f"the factors are: shape, {factor}"):
        counterfactual(images.rows(np.arange(3)), "hat")


@pytest.mark.parametrize("wrong", [{"n": 0}, {"size": 8}, {"bias": 1.2}])
def test_other_impossible_worlds_are_refused(other, wrong):
    with pytest.raises(ValueError, match=f"{other[0]} needs n >= 1, size >= 16 and 0 <= bias <= 1"):
        other[1](**wrong)


# --- tags -------------------------------------------------------------------------------------------------------------


def test_masks_of_tagged_shapes_are_disjoint_and_cover_everything_even_at_the_ends_of_all_ranges():
    numbers = ("x", "y", "angle", "tag_x", "tag_y")
    # Half a corner's places are enough: the mirror images are the others.
    ends = pd.MultiIndex.from_product([SHAPES, PLACES, *(TAGGED_RANGES[f] for f in numbers)])
    table = ends.to_frame(index=False, name=["shape", "places", *numbers])
    table = table.assign(radius=TAGGED_RANGES["radius"][1], distractor_x=table["tag_x"], distractor_y=table["tag_y"])
    table = table.assign(tag_color="blue", distractor_color="green", texture="vertical", phase=0.0, noise_seed=1)
    turned = table[:1].loc[[0] * 361].assign(shape="triangle", x=0.42, y=0.42, angle=np.linspace(-45, 45, 361))
    turned = turned.assign(places=PLACES[0], tag_x=0.13, tag_y=0.13, distractor_x=0.13, distractor_y=0.13)
    for size in (16, 32, 33):
        for rows in (table, turned):
            _, masks = render(SHAPE_AND_TAG, rows, size)
            assert list(masks) == ["shape", "tag", "distractor", "background"]
            np.testing.assert_array_equal(np.sum([m.astype(int) for m in masks.values()], axis=0), 1)
            assert all(mask.any((1, 2)).all() for mask in masks.values())
    covers = paint_shape_and_tag({name: column.to_numpy() for name, column in turned.items()}, 32)[1]
    assert np.sum(list(covers.values()), axis=0).max() <= 1 + 1e-5  # not even their anti-aliased edges meet


def test_tag_and_distractor_have_one_area_whatever_the_shape(tagged):
    covers = paint_shape_and_tag({name: column.to_numpy() for name, column in tagged.table.items()}, 32)[1]
    areas = {name: covers[name].sum((1, 2)) for name in ("tag", "distractor")}
    expected = np.pi * (32 * TAG) ** 2
    for name, area in areas.items():
        assert np.abs(area / expected - 1).max() < 2e-2, name
        assert tagged.masks[name].sum((1, 2)).mean() == pytest.approx(expected, rel=0.03)
    by_shape = tagged.masks["shape"].sum((1, 2)) / (np.pi * (32 * tagged.table["radius"]) ** 2)
    assert np.abs(by_shape.groupby(tagged.table["shape"]).mean() - 1).max() < 2e-2


def test_tag_and_distractor_have_one_luminance_and_the_same_places(tagged):
    grey = tagged.pixels @ np.array([0.299, 0.587, 0.114])
    table, mean = tagged.table, {}
    for name in ("tag", "distractor"):
        inside = np.array([binary_erosion(mask) for mask in tagged.masks[name]])
        mean[name] = pd.Series((grey * inside).sum((1, 2)) / inside.sum((1, 2)))
        assert stats.f_oneway(*(group for _, group in mean[name].groupby(table[f"{name}_color"]))).pvalue > 1e-4
    assert stats.ttest_rel(mean["tag"], mean["distractor"]).pvalue > 1e-4
    corners = pd.DataFrame([place.split(", ") for place in table["places"]])
    assert (corners[0] != corners[1]).all()
    assert stats.chisquare(corners[0].value_counts()).pvalue > 1e-4
    assert stats.chisquare(corners[1].value_counts()).pvalue > 1e-4


def test_maps_that_no_model_made_cannot_tell_tag_from_distractor(tagged):
    """Saturation finds either, luminance the shape: only an encoder can give them different relevance."""
    drawn = model_free_maps(tagged)
    points = {c: {m: pointing_game(drawn[c], tagged.masks[m]).mean() for m in tagged.masks} for c in drawn}
    assert within(points["saturation"]["tag"], 0.5, len(tagged))
    assert points["saturation"]["tag"] + points["saturation"]["distractor"] == pytest.approx(1)
    assert points["saturation"]["shape"] == 0
    assert points["luminance"]["shape"] > 0.97
    assert points["centre"]["shape"] > 0.9


def test_only_the_tag_changes_with_its_colour(tagged):
    some = tagged.rows(np.arange(100))
    for name, rest in (("tag", "distractor"), ("distractor", "tag")):
        changed = (counterfactual(some, f"{name}_color").pixels != some.pixels).any(-1)
        assert changed[some.masks[name]].all() and not changed[some.masks[rest] | some.masks["shape"]].any()
        assert not changed[~grown(some.masks[name])].any()
    moved = counterfactual(some, "places")
    np.testing.assert_array_equal(moved.masks["shape"], some.masks["shape"])
    assert (moved.masks["tag"] != some.masks["tag"]).any((1, 2)).mean() > 0.5


# --- backgrounds ------------------------------------------------------------------------------------------------------


def test_backgrounds_have_one_luminance_and_are_not_clipped():
    images = textured(3000)
    grey = images.pixels @ np.array([0.299, 0.587, 0.114])
    behind = np.array([~m for m in grown(images.masks["object"])])
    mean = pd.Series((grey * behind).sum((1, 2)) / behind.sum((1, 2)))
    groups = [group for _, group in mean.groupby(images.table["background"])]
    assert stats.f_oneway(*groups).pvalue > 1e-4 and mean.mean() == pytest.approx(255 * BACKGROUND, abs=0.5)
    assert images.pixels.min() > 0
    np.testing.assert_array_equal(images.masks["background"], ~images.masks["object"])


def test_stripes_run_as_their_background_says():
    images = textured(400, bias=1.0)
    grey = images.pixels.astype(float) @ np.array([0.299, 0.587, 0.114])
    flat = np.where(images.masks["background"], grey, np.nan)
    grey = np.where(np.isnan(flat), np.nanmean(flat, axis=(1, 2), keepdims=True), flat)
    grey -= grey.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(grey)) ** 2
    at = np.rint(32 * np.fft.fftfreq(32)).astype(int)
    for kind, background in enumerate(COLORS):
        mean = power[(images.table["background"] == background).to_numpy()].mean(0)
        down, right = (at[i] for i in np.unravel_index(mean.argmax(), mean.shape))
        # Four cycles across the stripes, which are turned by 0, 45, 90, 135 degrees from the horizontal.
        turn = np.deg2rad(45 * kind)
        along = np.array([4 * np.cos(turn), -4 * np.sin(turn)])
        assert min(np.abs(along - (down, right)).max(), np.abs(along + (down, right)).max()) < 1, background


def test_the_same_object_stands_on_another_ground():
    some = textured(100)
    other = counterfactual(some, "background")
    inside = np.array([binary_erosion(m, np.ones((3, 3))) for m in some.masks["object"]])
    np.testing.assert_array_equal(some.pixels[inside], other.pixels[inside])
    assert (some.pixels != other.pixels).any(-1)[some.masks["background"]].mean() > 0.9
    np.testing.assert_array_equal(some.masks["object"], other.masks["object"])


# --- bits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, 1, 3, 16])
def test_bits_are_where_and_what_they_are_said_to_be(bits):
    images = randbit(300, bits=bits)
    assert [c for c in images.table if c.startswith("bit")] == [f"bit{i}" for i in range(bits)]
    strip = images.pixels[:, 30:].mean(-1) / 255
    assert images.masks["bits"].any() == (bits > 0) and not (images.masks["bits"] & images.masks["object"]).any()
    for i in range(bits):
        cell = strip[:, :, np.arange(32) * bits // 32 == i]
        expected = np.where(images.table[f"bit{i}"] == "1", *BITS[::-1])
        assert np.abs(cell - expected[:, None, None]).max() < 0.08
        assert within((images.table[f"bit{i}"] == "1").mean(), 0.5, 300)
    if bits:
        assert images.masks["bits"][:, 30:].all() and not images.masks["bits"][:, :30].any()
        flipped = counterfactual(images, "bit0")
        assert not (flipped.pixels != images.pixels)[:, :, -(-32 // bits) :].any()


def test_more_bits_leave_all_other_factors_and_pixels_as_they_were():
    none, many = randbit(100, bits=0), randbit(100, bits=9)
    np.testing.assert_array_equal(none.pixels[:, :30], many.pixels[:, :30])
    shared = list(none.table)
    pd.testing.assert_frame_equal(none.table, many.table[shared])


@pytest.mark.parametrize("bits", [-1, 33])
def test_an_impossible_number_of_bits_is_refused(bits):
    with pytest.raises(ValueError, match="0 <= bits <= size"):
        randbit(10, bits=bits)


def test_objects_stay_above_the_strip_at_the_ends_of_all_ranges():
    ends = [RANDBIT_RANGES[f] for f in ("x", "y", "radius")]
    table = pd.MultiIndex.from_product([SHAPES, *ends, np.linspace(-45, 45, 91)]).to_frame(index=False)
    table.columns = ["shape", "x", "y", "radius", "angle"]
    assert object_coverage(table, 32)[:, 30:].max() == 0
