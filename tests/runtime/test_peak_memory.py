import numpy as np

from sslviz.runtime.peak_memory import peak_memory


def test_the_peak_is_that_of_the_block_alone():
    """What was held and freed before does not count, what was held within does."""
    peaks = []
    for megabytes in (400, 1, 400):
        with peak_memory() as peak:
            np.ones(megabytes * 2**17).sum()  # float64: eight bytes each
            peaks.append(1000 * peak())
    assert abs(peaks[0] - peaks[2]) < 100 and 350 < peaks[0] - peaks[1] < 500
