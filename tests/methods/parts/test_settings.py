import inspect
import math

import pytest

from sslviz.methods import METHODS
from sslviz.methods.parts.settings import above_zero

from ..contract import an_encoder

WITH_TEMPERATURE = [
    (name, setting)
    for name, cls in METHODS.items()
    for setting in inspect.signature(cls).parameters
    if "temperature" in setting
]


def test_numbers_above_zero_pass_and_the_first_other_is_named():
    above_zero(temperature=1e-9, queue_size=1)
    for wrong in (0, -0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match=rf"^queue_size must be a number above 0; got {wrong}\.$"):
            above_zero(temperature=0.1, queue_size=wrong, other=0)


@pytest.mark.parametrize("temperature", [0, -0.2])
@pytest.mark.parametrize(("name", "setting"), WITH_TEMPERATURE)
def test_every_method_refuses_a_temperature_that_is_not_above_zero(name, setting, temperature):
    encoder = an_encoder(METHODS[name])
    with pytest.raises(ValueError, match=rf"^{setting} must be a number above 0; got {temperature}\.$"):
        METHODS[name](encoder, **{setting: temperature})
