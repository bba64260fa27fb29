"""The contract of methods: whoever is listed in METHODS is checked here."""

import pytest

from sslviz.methods import METHODS

from .contract import CHECKS


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_method_keeps_the_contract(check, name):
    check(METHODS[name])
