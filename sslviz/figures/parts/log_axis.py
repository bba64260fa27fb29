"""A logarithmic axis whose ticks are numbers written in full: plotly's own leave the power of ten to be guessed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

UNITS = {9: "G", 6: "M", 3: "k"}  # powers of ten that are written as a letter
# Of the decades that the values span, at least: which multiples of a power of ten have a tick.
STEPS = {2.5: (1,), 0.6: (1, 2, 5), 0.0: (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)}


def log_axis(values: Iterable[float | None]) -> dict[str, Any]:
    """The axis for these values as plotly draws it; what is not above 0 has no place on it."""
    known = [math.log10(value) for value in values if value is not None and math.isfinite(value) and value > 0]
    low, high = min(known, default=0.0), max(known, default=1.0)
    steps = next(steps for least, steps in STEPS.items() if high - low >= least)
    powers = range(math.floor(low) - 1, math.ceil(high) + 2)  # one more on either side: the axis ends beyond the values
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def number(value: float) -> str:
    """ "0.5", "20", "5k", "2M"."""
    power = next((power for power in UNITS if value >= 10**power), 0)
    return f"{value / 10**power:.3g}{UNITS.get(power, '')}"
