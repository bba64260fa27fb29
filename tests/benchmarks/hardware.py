"""On what was it measured, and how far do repeated measurements spread?  What every benchmark prints."""

import os
import platform
from importlib.metadata import version
from statistics import median


def header(*packages, device="cpu"):
    """Processor, its cores (and how busy they already were), and versions."""
    where = f"{processor()}, {len(os.sched_getaffinity(0))} cores (load {os.getloadavg()[0]:.1f})"
    if device == "cuda":
        import torch

        where = f"{torch.cuda.get_device_name()}; {where}"
    return f"{where}; " + ", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)])


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def spread(values, form):
    """min / median / max"""
    return " / ".join(format(x, form) for x in (min(values), median(values), max(values)))


def verdict(name, value, target, unit="x", at_least=True):
    """One line that says whether a number reached its target."""
    reached = value >= target if at_least else value <= target
    bound = "at least" if at_least else "at most"
    return f"{name}: {value:,.3g}{unit}, target {bound} {target:,}{unit}: {'reached' if reached else 'MISSED'}"
