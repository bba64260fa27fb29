"""Times of several pieces of work that take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

WARM_UPS = 10  # passes before anything counts: threads start, kernels are chosen, memory is taken
WARM_UP_SECONDS = 0.5  # of work that is slow fewer passes are enough
LEAST_SECONDS = 0.02  # of a measurement: shorter ones are mostly what the clock and the scheduler do


def take_turns(
    works: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    wait: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
    advance: Callable[[int], object] = lambda n: None,
) -> dict[str, np.ndarray]:
    """{name: seconds of one pass in each round (rounds,)}.

    Each round measures every work once, beginning with another one each time.  A pass that takes less than 20 ms is
    repeated within a measurement.

    - wait: returns when the device has done what it was given
    - advance: is told of each measurement
    """
    repeats = {name: _warm_up(work, wait, clock) for name, work in works.items()}
    names, seconds = list(works), {name: np.zeros(rounds) for name in works}
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            began = clock()
            for _ in range(repeats[name]):
                works[name]()
            wait()
            seconds[name][i] = (clock() - began) / repeats[name]
            advance(1)
    return seconds


def _warm_up(work: Callable[[], object], wait: Callable[[], object], clock: Callable[[], float]) -> int:
    """Runs the work until it is warm; how many passes fill a measurement."""
    began, fastest = clock(), math.inf
    for _ in range(WARM_UPS):
        start = clock()
        work()
        wait()
        fastest = min(fastest, clock() - start)
        if clock() - began > WARM_UP_SECONDS:
            break
    return max(1, math.ceil(LEAST_SECONDS / max(fastest, 1e-6)))
