"""Peak memory: the most that a piece of work held, on the GPU where there is one, else of this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"  # written into clear_refs, it sets the peak of a process back to what it holds now (man 5 proc)


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """Yields a function that returns the peak in GB since the block began.

    On a CPU it is the whole process, with its libraries and pictures.  Where the system cannot forget an older peak, it
    is that of the process so far.
    """
    cuda = _cuda()
    if cuda:
        cuda.reset_peak_memory_stats()
        yield lambda: float(cuda.max_memory_allocated() / 1e9)
        return
    try:
        CLEAR.write_text(FORGET_PEAK)
    except OSError:
        pass  # not Linux, or a container that does not allow it
    yield _process_peak


def _cuda() -> Any:
    """torch.cuda where torch is in use and has a GPU, else None."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _process_peak() -> float:
    try:
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
