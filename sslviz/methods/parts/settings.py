"""Settings that make no sense, refused in one sentence."""

from __future__ import annotations

import math


def above_zero(**settings: float) -> None:
    """ValueError for the first of these settings that is not a finite number above 0, such as a temperature."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0; got {value}.")
