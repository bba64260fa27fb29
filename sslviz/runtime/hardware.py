"""Hardware and versions that a measured time belongs to."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def describe_machine(packages: Sequence[str] = ("sslviz", "torch", "timm")) -> dict[str, str]:
    """{what: text} of this machine: processor, cores, load of the last minute, versions of Python and of packages."""
    texts = {"processor": processor(), "cores": str(cores()), "load": load(), "python": platform.python_version()}
    return texts | {package: version(package) for package in packages}


def processor() -> str:
    """The processor's name, or its architecture where the system tells no name."""
    try:
        lines = CPUINFO.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or "unknown"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> str:
    """How many processes wanted a core in the last minute, on average; "unknown" where the system does not tell."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except (OSError, AttributeError):
        return "unknown"
