"""The contract of methods: whoever is listed in METHODS is checked here."""

import inspect
from pathlib import Path
from statistics import median

import pytest

from sslviz.methods import METHODS

from .contract import CHECKS


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_method_keeps_the_contract(check, name):
    check(METHODS[name])


def test_the_methods_of_a_family_stand_together():
    families = [method.family for method in METHODS.values()]
    assert len(dict.fromkeys(families)) == sum(a != b for a, b in zip(families, ["", *families], strict=False))


def test_a_file_holds_one_paper_and_can_be_read_at_a_sitting():
    lines = [len(Path(inspect.getfile(method)).read_text().splitlines()) for method in METHODS.values()]
    assert median(lines) <= 90 and max(lines) <= 120
