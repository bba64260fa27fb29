"""Every column is asked about, or left out with a reason that is true."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslviz.data import load_images
from sslviz.features.column_kinds import asked_columns, describe_columns, left_out_lines
from sslviz.features.label_column import label_column

N = 120
THREE = np.arange(N) % 3


def described(**columns):
    return {column.name: column for column in describe_columns(pd.DataFrame(columns))}


COLUMNS = {  # name: (values, how many classes are asked about, or the reason why none are)
    "color": (pd.Categorical(np.array(["red", "blue"])[np.arange(N) // 60], categories=["red", "blue", "green"]), 2),
    "smiling": (np.arange(N) % 5 == 0, 2),
    "digit": (np.arange(N) % 10, 10),
    "skin_type": ((np.arange(N) % 6 + 1).astype(float), 6),
    "nullable": (pd.array([1, 2, None] * 40, dtype="Int64"), 2),
    "hospital": ([None] * 5 + ["a", "b"] * ((N - 5) // 2) + ["a"], 2),
    "rare": (["axolotl"] + ["cat", "dog"] * 59 + ["cat"], 2),
    "fine_class": ([f"class {i % 60}" for i in range(N)], 60),
    "mixed": ([1, "1", True, 1.0] * 30, 2),
    "code": (["01", "1"] * 60, 2),
    "file": ([f"{i}.png" for i in range(N)], "most of its values occur once"),
    "radius": (np.linspace(0, 1, N), "numbers with fractions"),
    "same": (["one"] * N, "all images have the value 'one'"),
    "nearly_same": (["only"] + ["many"] * (N - 1), "only 'many' has images enough"),
    "patient": (np.arange(N) // 2, "more than 50 different numbers"),
    "phase": (np.array([1 + 2j, 1 - 2j] * 60), 2),
    "endless": ([np.inf, 1.0] * 60, "numbers with fractions"),
    "boxes": ([[1, 2]] * N, "its values are lists"),
    "taken": (pd.date_range("2020-01-01", periods=N), "dates are no classes"),
    "empty": ([None] * N, "no value for any image"),
    "split": (["probe", "test"] * 60, "which images are scored"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_each_kind_of_column_is_asked_about_or_left_out_for_the_reason_that_is_true(name):
    values, expected = COLUMNS[name]
    column = described(**{name: values})[name]
    if isinstance(expected, int):
        assert column.asked and column.classes == expected
    else:
        assert not column.asked and expected in column.left_out


def test_a_column_of_boxes_is_no_class_however_often_they_repeat_and_one_that_only_has_the_name_is():
    boxes = described(boxes=["cat 1 2 9 9; dog 3 3 5 8", "", "cat 1 2 9 9"] * 40)["boxes"]
    assert boxes.kind == "boxes" and boxes.left_out == "it says where the objects are, which is no class"
    assert described(boxes=["one", "two"] * 60)["boxes"].asked and described(boxes=[1, 2, 3] * 40)["boxes"].asked


def test_gaps_and_classes_of_one_image_are_counted():
    columns = described(hospital=COLUMNS["hospital"][0], rare=COLUMNS["rare"][0])
    assert columns["hospital"].gaps == 5 and "5 images without a value" in columns["hospital"].text
    assert (
        columns["rare"].small == ("axolotl",) and "1 class of too few images left out (axolotl)" in columns["rare"].text
    )


class TestTheLabel:
    def test_a_column_called_label_is_the_label_whatever_stands_around_it(self):
        label, sex = THREE % 2, np.arange(N) // 7 % 2
        columns = describe_columns(
            pd.DataFrame({"sex": sex, "label": label, "label_name": np.array(["benign", "malign"])[label]})
        )
        assert [column.name for column in columns] == ["label", "sex", "label_name"]
        assert asked_columns(columns) == ["label", "sex"] and columns[2].left_out == "it says the same as label"

    def test_one_odd_row_leaves_it_the_label(self):
        label = np.where(np.arange(N) == 7, 9, THREE % 2)
        columns = describe_columns(pd.DataFrame({"sex": THREE // 2, "label": label}))
        assert columns[0].name == "label" and columns[0].asked and columns[0].small == ("9",)

    @pytest.mark.parametrize("spec", ["shapes:n=200", "textured:n=200", "tagged_shapes:n=200"])
    def test_a_column_that_repeats_it_word_for_word_stands_in_its_place(self, spec):
        table = load_images(spec).table
        assert label_column(table) == "shape" and asked_columns(describe_columns(table))[0] == "shape"

    def test_what_goes_with_it_in_every_image_under_a_name_of_its_own_is_asked_about_and_said(self):
        columns = described(label=THREE, scanner=np.array(["a", "b", "c"])[THREE])
        assert columns["scanner"].asked and "goes with label in every image" in columns["scanner"].note

    def test_many_numbers_are_classes_where_they_are_the_label(self):
        assert described(label=np.arange(N) % 60)["label"].classes == 60


def test_other_images_to_fit_on_have_a_say():
    table = pd.DataFrame({"a": list("xyz") * 4, "b": ["u", "v", "v"] * 4, "c": ["u", "v", "v"] * 4})
    fit = pd.DataFrame({"a": list("xy") * 4, "b": ["w"] * 8})
    columns = {column.name: column for column in describe_columns(table, fit)}
    assert columns["a"].classes == 2 and columns["a"].small == ("z",)
    assert columns["b"].left_out == "the images that are fitted on show none of its classes"
    assert columns["c"].left_out == "the images that are fitted on have no such column"


def test_a_class_that_one_side_lacks_is_named_and_is_not_called_too_small():
    scored = pd.DataFrame({"label": ["cat", "dog", "bird"] * 4 + ["owl"]})
    fit = pd.DataFrame({"label": ["cat", "dog", "fish"] * 4})
    (label,) = describe_columns(scored, fit)
    assert label.classes == 2 and label.small == label.unfitted == ("bird", "owl") and label.only_fitted == ("fish",)
    assert label.text == (
        "2 classes; 2 classes left out that the images fitted on lack (bird, owl); 1 class in the images fitted on only (fish)"
    )
    assert label.to_dict()["only_fitted"] == ["fish"]


def test_many_classes_of_one_scored_image_each_are_classes_where_others_are_fitted_on():
    """200 classes of three pictures, one of them scored: their names tell kinds apart, not images."""
    names = [f"c{i:03d}" for i in range(200)]
    (label,) = describe_columns(pd.DataFrame({"label": names}), pd.DataFrame({"label": names * 2}))
    assert label.asked and label.classes == 200
    (files,) = describe_columns(pd.DataFrame({"label": names}), pd.DataFrame({"label": [f"d{name}" for name in names]}))
    assert "most of its values occur once" in files.left_out


def test_what_is_constant_among_those_scored_only_is_said_so():
    (scanner,) = describe_columns(pd.DataFrame({"scanner": ["A"] * 9}), pd.DataFrame({"scanner": ["A", "B"] * 9}))
    assert scanner.left_out == "all images that are scored have the value 'A'"


def test_classes_that_differ_in_case_or_blanks_only_are_said_in_whichever_images_they_stand():
    columns = described(label=["Cat", "cat", "dog"] * 40, sex=["m", "f"] * 60)
    assert columns["label"].classes == 3 and not columns["sex"].note
    assert "'Cat' and 'cat' differ only in case or blanks" in columns["label"].text
    (label,) = describe_columns(
        pd.DataFrame({"label": ["Cat", "Dog"] * 9}), pd.DataFrame({"label": ["cat", "dog"] * 9})
    )
    assert "'Cat' and 'cat', 'Dog' and 'dog' differ only in case" in left_out_lines([label])[0]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=True),
    st.text("abÄ²1 ", max_size=2),
    st.lists(st.integers(), max_size=2),
)
TABLES = st.integers(0, 12).flatmap(
    lambda n: st.dictionaries(
        st.text("abcl", min_size=1, max_size=3), st.lists(VALUES, min_size=n, max_size=n), min_size=1, max_size=5
    )
)


@given(TABLES)
def test_of_any_table_every_column_is_asked_about_or_left_out(columns):
    table = pd.DataFrame(columns)
    found = describe_columns(table)
    assert sorted(column.name for column in found) == sorted(table.columns)
    lines = " ".join(left_out_lines(found))
    for column in found:
        assert column.asked == (column.classes >= 2) and bool(column.left_out) != column.asked
        assert column.asked or column.name in lines
