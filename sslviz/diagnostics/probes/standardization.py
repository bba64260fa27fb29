"""Standardisation of features by the images that a readout is fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Standardization:
    """Center and scale of a space, called on rows of it.

    - center: mean of the rows fitted on, (d,)
    - scale: their standard deviation, (d,)
    """

    center: np.ndarray
    scale: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The rows of `x` (n, d), standardised."""
        return (x - self.center) / self.scale


def standardization(x: np.ndarray, *, silent_below: float | None = None) -> Standardization:
    """The standardisation of the rows of `x` (n, d).

    A column that does not vary in `x` is centred only.  With `silent_below`, a column that varies by less than this share
    of the largest standard deviation reads 0 in all rows: what has not varied yet says nothing.
    """
    center, scale = x.mean(axis=0), x.std(axis=0)
    if silent_below is None:
        scale[scale == 0] = 1
    else:
        scale[scale < silent_below * scale.max()] = np.inf
    return Standardization(center, scale)
