"""The number of BLAS threads: one, for fits that are made of many small products."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def one_thread(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a function with one BLAS thread; PyTorch's and OpenMP's stay as they are.

    A product of some thousand rows and a hundred columns takes less time than two threads take to meet: `selectivity`
    of 2,000 images took 51 s of two processors with two threads and 3 s of one with one.
    """

    @wraps(fit)
    def run(*args: Any, **kwargs: Any) -> Any:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            return fit(*args, **kwargs)

    return run
