import inspect

import numpy as np
from threadpoolctl import threadpool_info

from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.runtime.threads import one_thread


def blas():
    np.ones((2, 2)) @ np.ones((2, 2))
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_fit_has_one_blas_thread_and_others_keep_theirs():
    before = blas()
    assert one_thread(blas)() == {1} and blas() == before
    assert next(iter(inspect.signature(linear_probe).parameters)) == "features"  # help shows the function's own
