import inspect

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.runtime.threads import one_thread, side_by_side


def blas():
    np.ones((2, 2)) @ np.ones((2, 2))
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_fit_has_one_blas_thread_and_others_keep_theirs():
    before = blas()
    assert one_thread(blas)() == {1} and blas() == before
    assert next(iter(inspect.signature(linear_probe).parameters)) == "features"  # help shows the function's own


def test_tasks_side_by_side_come_in_order_with_one_blas_thread_each_and_an_error_is_raised():
    before = blas()
    found = side_by_side(lambda item: (item * 2, blas()), range(9))
    assert [twice for twice, _ in found] == list(range(0, 18, 2))
    assert all(threads == {1} for _, threads in found) and blas() == before
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 / item, [1, 0])
