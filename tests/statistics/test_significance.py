"""p-values of intervals, held to the normal distribution's."""

import pytest

from sslviz.statistics import Score, p_beyond


@pytest.mark.parametrize("value", [0.3, -0.3])
def test_p_from_an_interval_is_the_normals(value):
    from scipy.stats import norm

    assert p_beyond(Score(value, value - 0.392, value + 0.392)) == pytest.approx(2 * norm.sf(0.3 / 0.2))
    assert p_beyond(Score(value, value - 0.196, value + 0.196), value) == 1.0
    assert p_beyond(Score(value)) == 1.0  # without an interval nothing can be claimed
    assert p_beyond(Score(value, value, value), value) == 1.0 and p_beyond(Score(value, value, value)) == 0.0
