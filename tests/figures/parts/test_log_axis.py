"""Can every tick of a logarithmic axis be read, and are there enough of them where the values lie?"""

import math

import pytest

from sslviz.figures.parts.log_axis import UNITS, log_axis


def read(text):
    powers = {letter: power for power, letter in UNITS.items()}
    return float(text.rstrip("kMG")) * 10 ** powers.get(text[-1], 0)


@pytest.mark.parametrize("values", [[0.5, 1.02], [4.9, 5.1], [3, 30], [120, 5e6], [2e-3, 7e8], [1e9], [1.0]])
def test_ticks_say_where_they_are_and_lie_around_the_values(values):
    axis = log_axis(values)
    assert axis["type"] == "log" and [read(text) for text in axis["ticktext"]] == pytest.approx(axis["tickvals"])
    assert axis["tickvals"] == sorted(set(axis["tickvals"]))
    low, high = min(values), max(values)
    assert axis["tickvals"][0] < low and high < axis["tickvals"][-1]
    near = [tick for tick in axis["tickvals"] if low / 1.5 <= tick <= 1.5 * high]
    assert 2 <= len(near) <= 12


def test_what_has_no_place_is_left_out():
    assert log_axis([None, math.nan, 0.0, -1.0, 3, 30]) == log_axis([3, 30])
    assert log_axis([])["type"] == "log"
