"""Standardisation of features by the images that a readout is fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Standardization:
    """Center and scale of a space, called on rows of it.

    - center: mean of the rows fitted on, (d,)
    - scale: their standard deviation, (d,)
    - unit: the power of two that each column is divided by first, which rounds nothing, (d,)
    """

    center: np.ndarray
    scale: np.ndarray
    unit: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The rows of `x` (n, d), standardised."""
        return (x / self.unit - self.center / self.unit) / (self.scale / self.unit)


def standardization(x: np.ndarray, *, silent_below: float | None = None) -> Standardization:
    """The standardisation of the rows of `x` (n, d), of values as large or as small as there are.

    A column that does not vary in `x` is centred only.  With `silent_below`, a column that varies by less than this share
    of the largest standard deviation reads 0 in all rows: what has not varied yet says nothing.
    """
    unit = powers_of_two(x)  # so that no square overflows or vanishes
    small = x / unit
    center, scale = small.mean(axis=0), small.std(axis=0)
    if silent_below is None:
        scale = np.where(scale == 0, 1 / unit, scale)
    else:
        spread = scale * (unit / unit.max())
        scale[spread <= silent_below * spread.max()] = np.inf  # all of them, where none varies
    return Standardization(center * unit, scale * unit, unit)


def powers_of_two(x: np.ndarray) -> np.ndarray:
    """The power of two for each column, (d,) in the type of `x`, that brings its largest entry to about 1; 1 for zeros."""
    largest = np.maximum(x.max(axis=0), -x.min(axis=0))
    return np.ldexp(np.ones_like(largest), np.where(largest > 0, np.frexp(largest)[1] - 1, 0))
