"""The number of BLAS threads: one, for fits of many small products and for large tasks that run side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from sslviz.runtime.hardware import cores

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")
MOST_THREADS = 4  # side by side: each may hold a few matrices of its own


def one_thread(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a function with one BLAS thread; PyTorch's and OpenMP's stay as they are.

    A product of some thousand rows and a hundred columns takes less time than two threads take to meet.  `selectivity`
    of 2,000 images took 51 s of two processors with two threads and 3 s of one with one.
    """

    @wraps(fit)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _one_blas_thread():
            return fit(*args, **kwargs)

    return run


def side_by_side(task: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """task(item) of each item, in order, several at once, each with one BLAS thread.

    Two decompositions of a thousand rows side by side take less time than one after the other with two threads each: half
    of their work waits for memory.
    """
    workers = min(MOST_THREADS, cores())
    with _one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(task, items))


def _one_blas_thread() -> AbstractContextManager[Any]:
    return _libraries(len(sys.modules)).limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The BLAS libraries that are loaded; looked up again once another number of modules is, one of which may bring one.

    Looking them up reads all that the process has mapped into memory, which takes longer than a small fit.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
