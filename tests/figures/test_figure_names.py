"""The figure of a result class is the function of its name, in the file of its name, in the room that mirrors its own."""

import re

import pytest

from sslviz.catalog import CATALOG

ROOMS = ("bias", "probes", "robustness")
ENTRIES = [one for one in CATALOG if one.kind.__module__.split(".")[2] in ROOMS]


@pytest.mark.parametrize("one", ENTRIES, ids=lambda one: one.name)
def test_a_figure_is_found_by_the_name_of_the_result(one):
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", one.kind.__name__).lower()
    room = one.kind.__module__.split(".")[2]
    assert (one.figure.__module__, one.figure.__name__) == (f"sslviz.figures.{room}.{name}", name)
