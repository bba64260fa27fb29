"""The figure of a result class is the function of its name, in the file of its name, in the room that mirrors its own."""

import re

import pytest

from sslviz.catalog import CATALOG


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_figure_is_found_by_the_name_of_the_result(entry):
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", entry.result_type.__name__).lower()
    package, room = entry.result_type.__module__.split(".")[1:3]
    room = room if package == "diagnostics" else package
    assert (entry.figure.__module__, entry.figure.__name__) == (f"sslviz.figures.{room}.{name}", name)
