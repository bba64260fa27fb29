"""Controls that several checkpoints share: encoders of one architecture are the same encoder untrained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def distinct(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of {checkpoint: array} that differ from all before them."""
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if not any(array.shape == other.shape and np.allclose(array, other) for other in found.values()):
            found[name] = array
    return found
