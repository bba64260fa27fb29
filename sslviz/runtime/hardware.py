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


def multiplies_bfloat16(device: str = "") -> bool:
    """Whether this machine's GPU, or its CPU where it has none, multiplies bfloat16 faster than float32.

    - device: "cuda" or "cpu", where only one of them is asked about

    Measured: on a CPU with instructions for it 1.4 to 2 times faster, on others 3 to 16 times slower.
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    instructions = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(has() for has in instructions if has)
