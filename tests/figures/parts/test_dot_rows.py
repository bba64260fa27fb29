"""Rows of dots: where they lie, which are left out, and what stands beside them."""

import numpy as np
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import ROWS, Dot, dots, interval


def drawn(series, **keywords):
    return dots(series, palette=theme.colors(series), x_title="x", **keywords)


def test_each_row_has_its_height_and_checkpoints_lie_side_by_side():
    one = [Dot("a", 0.5, 0.4, 0.7, {"chance": 0.2}, id="7"), Dot("b", 0.1, None, None, {"chance": 0.2})]
    fig = drawn({"x": one, "y": one[:1]})
    control, x, y = fig.data
    assert list(x.x) == [0.5, 0.1] and list(y.x) == [0.5]
    assert x.y[0] > y.y[0] and abs(x.y[0]) < 0.5 and abs(x.y[1] + 1) < 0.5
    assert x.error_x.array[0] == pytest.approx(0.2) and x.error_x.arrayminus[0] == pytest.approx(0.1)
    assert x.error_x.array[1] == 0 and x.customdata[0] == "7"
    assert control.name == "chance (control)" and control.marker.color == theme.CONTROL
    assert list(control.y) == [*x.y, *y.y]
    assert list(fig.layout.yaxis.ticktext) == ["a", "b"]


def test_a_control_of_two_numbers_has_a_mark_on_either_side():
    control = drawn({"x": [Dot("a", 0.5, None, None, {"luck": (0.1, -0.1)})]}).data[0]
    assert list(control.x) == [0.1, -0.1] and control.y[0] == control.y[1]


def test_of_many_rows_those_farthest_from_their_control_stay_in_their_order():
    values = np.random.default_rng(0).normal(size=60)
    fig = drawn({"x": [Dot(f"row {i}", v, None, None, {"luck": (0.5, -0.5)}) for i, v in enumerate(values)]})
    far = np.minimum(np.abs(values - 0.5), np.abs(values + 0.5))
    assert list(fig.layout.yaxis.ticktext) == [f"row {i}" for i in np.sort(np.argsort(-far)[:ROWS])]


def test_names_cannot_inject_and_numbers_are_short():
    fig = drawn({"<b>x": [Dot("<i>", 0.123456, 0.1, 0.2, {"<u>": 0.0}, "<s>")]})
    for trace in fig.data:
        assert all("<i>" not in text and "<b>x" not in text and "<s>" not in text for text in trace.text)
    assert interval(Dot("a", 0.123456, 0.1, 0.2, {})) == "0.12 [0.1, 0.2]"
