"""Folds and halves of what belongs together: no unit on two sides, each class on both, as even as it goes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslviz.data import Images
from sslviz.features import Features
from sslviz.features.column_kinds import describe_columns
from sslviz.features.columns import folds, one_of_each, stratified_half
from sslviz.features.complete_rows import complete_rows

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=2, max_size=80)


@given(ROWS, st.integers(2, 5), st.integers(0, 3))
def test_no_unit_lies_in_two_folds_and_units_of_one_class_are_dealt_evenly(rows, k, seed):
    labels, units = np.array(rows).T
    codes = np.unique(labels, return_inverse=True)[1]
    fold = folds(codes, k, seed, units)
    assert all(len(set(fold[units == one])) == 1 for one in set(units)) and set(fold) <= set(range(k))
    np.testing.assert_array_equal(fold, folds(codes, k, seed, units))
    pure = codes * 100 + units  # now each unit is of one class
    fold = folds(codes, k, seed, pure)
    for code in set(codes):
        of = {one: fold[pure == one][0] for one in set(pure[codes == code])}
        sizes = np.array([(codes == code)[fold == f].sum() for f in range(k)])
        largest = max(np.bincount(np.unique(pure[codes == code], return_inverse=True)[1]))
        assert sizes.max() - sizes.min() <= largest
        assert len(set(of.values())) == min(k, len(of))


@given(ROWS, st.integers(0, 3))
def test_where_units_hold_several_classes_each_is_put_where_its_classes_are_fewest(rows, seed):
    """Then what the two sides differ by, squared and summed over classes, is at most what single units differ from none by."""
    labels, units = np.array(rows).T
    half = stratified_half(labels, seed, units)
    names, unit_names = np.unique(labels), np.unique(units)
    share = np.array([[((labels == c) & (units == u)).sum() / (labels == c).sum() for c in names] for u in unit_names])
    side = np.array([1 if half[units == u][0] else -1 for u in unit_names])
    assert ((side @ share) ** 2).sum() <= (share**2).sum() + 1e-9


def test_units_of_one_image_are_split_as_evenly_as_images_are():
    labels = np.repeat([0, 1, 2], [50, 31, 7])
    half = stratified_half(labels, 0, np.arange(len(labels)))
    assert np.bincount(labels[half]).tolist() == [25, 16, 4] == np.bincount(labels[stratified_half(labels, 0)]).tolist()


def test_one_of_each_unit_is_taken_at_random():
    table = {"object": np.repeat(np.arange(50), 4), "tone": np.tile(["light", "dark"], 100)}
    features = Features.from_array(np.zeros((200, 2)) + np.arange(200)[:, None], table=table, group="object")
    keep = one_of_each(features)
    assert keep.sum() == 50 and len(set(features.units[keep])) == 50
    assert len(set(np.flatnonzero(keep) % 4)) == 4
    assert one_of_each(features, "tone").sum() == 100
    assert one_of_each(features.grouped_by("")).all()


def test_what_belongs_together_is_the_same_written_as_a_number_or_as_a_fraction_and_gaps_stand_alone():
    whole = Features.from_array(np.eye(4), table={"author": [1, 1, 2, 3]}, group="author")
    gaps = Features.from_array(np.eye(4), table={"author": [1.0, None, None, 4.0]}, group="author")
    assert whole.units.tolist() == [0, 0, 1, 2] and gaps.units.tolist() == [0, 1, 2, 3]
    assert gaps.shares_units_with(whole).tolist() == [True, False, False, False]
    assert whole.shares_units_with(gaps).tolist() == [True, True, False, False]
    assert not gaps.shares_units_with(gaps)[1:3].any()


def test_slices_keep_the_group_and_digests_do_not_know_it():
    features = Features.from_array(np.eye(4), table={"author": list("aabb"), "label": list("xyxy")})
    grouped = features.grouped_by("author")
    assert grouped.rows(np.arange(2)).group == grouped.select(["1", "3"]).group == "author" and features.group == ""
    assert grouped.digest == features.digest == grouped.grouped_by("").digest
    assert features.units is None and grouped.units.tolist() == [0, 0, 1, 1]


def test_of_classes_only_images_of_different_units_count_and_fitted_ones_of_scored_units_are_left_out():
    table = pd.DataFrame({"label": list("aaaabbbb"), "author": list("uuvvwwww")})
    rows = complete_rows(table, None, ["label"], group="author")
    assert rows.keep.tolist() == [True] * 4 + [False] * 4
    assert rows.left_out == {"label 'b' has images of too few different author to fit on and to score": 4}
    fit = pd.DataFrame({"label": list("aabbb"), "author": ["u", "x", "w", "y", None]})
    rows = complete_rows(table, fit, ["label"], group="author")
    assert rows.keep.all() and rows.keep_fit.tolist() == [False, True, False, True, True]
    assert rows.left_out == {"they are to be fitted on, but their author is scored": 2}
    assert complete_rows(table, fit, ["label"]).all


def test_the_group_is_no_label_and_neither_is_what_goes_with_it_in_every_image():
    objects = np.repeat(np.arange(40), 5)
    table = pd.DataFrame({"label": (objects % 4).astype(str), "object": objects, "name": [f"n{o}" for o in objects]})
    told = {column.name: column for column in describe_columns(table, group="object")}
    assert told["label"].asked and told["label"].classes == 4
    assert (
        not told["object"].asked and told["object"].kind == "group" and "one side of every split" in told["object"].text
    )
    assert not told["name"].asked
    assert {column.name: column.asked for column in describe_columns(table)} == {
        "label": True,
        "object": True,
        "name": True,
    }


def test_a_split_by_hash_keeps_copies_together():
    pixels, table = np.zeros((300, 4, 4, 3), np.uint8), pd.DataFrame({"object": np.arange(300) // 3})
    images = Images(pixels, [f"p{i}" for i in range(300)], table)
    objects = {
        group: [set(images.grouped_by(group).split(name).table["object"]) for name in ("train", "probe", "test")]
        for group in ("", "object")
    }
    assert sum(map(len, objects["object"])) == 100 and 50 < len(objects["object"][0]) < 70
    assert sum(map(len, objects[""])) > 150


def test_an_images_group_has_to_be_there():
    with pytest.raises(
        ValueError, match="Images cannot be kept together by 'x': there is no such column; there are: label."
    ):
        Features.from_array(np.eye(2), table={"label": [0, 1]}, group="x")
