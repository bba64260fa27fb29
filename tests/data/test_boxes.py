"""Boxes as text: read back as they were written, and refused in one sentence where they cannot be meant."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslviz.data import Images
from sslviz.data.boxes import Boxes, are_boxes, boxes_of, format_boxes, parse_boxes

edge = st.floats(0, 40, allow_nan=False).map(lambda x: round(x, 3)) | st.integers(0, 40).map(float)
name = st.text(
    st.characters(codec="utf-8", exclude_characters=";", exclude_categories=("Z", "C")), min_size=1, max_size=9
)
box = st.tuples(name, edge, edge, st.floats(0.5, 24), st.floats(0.5, 24))


def picture(texts, size=16):
    table = pd.DataFrame({"label": 0, "boxes": texts})
    return Images(np.zeros((len(texts), size, size, 3), np.uint8), [f"p{i}" for i in range(len(texts))], table)


@given(st.lists(box, max_size=5))
def test_what_is_written_is_read_back(parts):
    classes = np.array([part[0] for part in parts], dtype=str)
    corners = np.array([(x, y, x + w, y + h) for _, x, y, w, h in parts], float).reshape(-1, 4)
    back = parse_boxes(format_boxes(Boxes(classes, corners), (64, 64)), (64, 64))
    assert back.classes.tolist() == classes.tolist()
    np.testing.assert_array_equal(back.corners, corners)


def test_a_text_says_what_a_person_reads_in_it():
    boxes = parse_boxes(" fire engine 3 4 20 22.5;disc -1 0 2 2 ; ")
    assert boxes.classes.tolist() == ["fire engine", "disc"]
    assert boxes.corners.tolist() == [[3, 4, 20, 22.5], [-1, 0, 2, 2]]
    assert format_boxes(boxes) == "fire engine 3 4 20 22.5; disc -1 0 2 2"


@pytest.mark.parametrize("nothing", ["", "  ", ";", None, float("nan"), pd.NA])
def test_nothing_is_no_box(nothing):
    boxes = parse_boxes(nothing, (8, 8))
    assert boxes.classes.shape == (0,) and boxes.corners.shape == (0, 4) and format_boxes(boxes) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("disc 1 2 3", "Boxes are written as \"class x0 y0 x1 y1; class x0 y0 x1 y1\", in pixels; got 'disc 1 2 3'."),
        ("1 2 3 4", "got '1 2 3 4'."),
        ("disc 1 2 3 wide", "got 'disc 1 2 3 wide'."),
        (
            "disc 1 2 3 nan",
            "The box 'disc' 1 2 3 nan cannot be: a box needs four finite numbers; correct it in the column",
        ),
        ("disc 1 2 inf 4", "a box needs four finite numbers"),
        (
            "a 0 0 1 1; disc 5 2 5 9",
            "The box 'disc' 5 2 5 9 cannot be: a box needs x0 < x1 and y0 < y1, or else it is empty",
        ),
        ("disc 5 9 6 2", "or else it is empty"),
        ("disc 0 0 17 9", "a box must lie within its picture of 16 x 12 pixels"),
        ("disc 0 0 9 13", "a box must lie within its picture of 16 x 12 pixels"),
        ("disc -1 0 9 9", "a box must lie within its picture"),
    ],
)
def test_what_cannot_be_a_box_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError) as refused:
        parse_boxes(text, (12, 16))
    assert said in str(refused.value) and str(refused.value).count(". ") == 0


@pytest.mark.parametrize("wrong", ["", "a;b", " a"])
def test_a_class_that_could_not_be_read_back_is_not_written(wrong):
    with pytest.raises(ValueError, match="name without semicolon or outer blanks"):
        format_boxes(Boxes(np.array([wrong]), np.array([[0, 0, 1, 1]])))
    with pytest.raises(ValueError, match="a class each; got 2 classes and 1 boxes"):
        format_boxes(Boxes(np.array(["a", "b"]), np.array([[0, 0, 1, 1]])))


def test_boxes_of_images_name_the_picture_that_is_wrong():
    found = boxes_of(picture(["disc 0 0 4 4", None]))
    assert [len(boxes.classes) for boxes in found] == [1, 0]
    with pytest.raises(ValueError, match="^Image p1: The box 'disc' 0 0 4 40 cannot be"):
        boxes_of(picture(["", "disc 0 0 4 40"]))
    without = picture([""])
    with pytest.raises(ValueError, match="no column 'boxes'; add one that says"):
        boxes_of(replace(without, table=without.table[["label"]]))


def test_text_of_boxes_is_told_from_other_text():
    assert are_boxes(pd.Series(["a 0 0 1 1", ""])) and not are_boxes(pd.Series(["a", "b"]))
    assert not are_boxes(pd.Series([1, 2]))
