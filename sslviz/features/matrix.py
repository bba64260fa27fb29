"""The matrix of features, from whatever holds numbers: arrays of any type, tensors, data frames, lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

SMALLEST = float(np.finfo(np.float32).tiny)  # below it float32 loses its digits one by one
LARGEST = float(np.finfo(np.float32).max)
KINDS = {"c": "complex numbers", "U": "text", "S": "text", "M": "dates", "m": "durations"}
SHAPE = "Features need a matrix (images, dimensions); got shape {}. Flatten or pool first."


def as_matrix(x: Any) -> np.ndarray:
    """The numbers as float32 (n, d); those that are float32 already are not copied.

    ValueError for what is no matrix of numbers, for values that are not finite, and for values out of float32's range.
    """
    values = _array(x)
    if values.ndim != 2:
        raise ValueError(SHAPE.format(values.shape))
    if not values.size:
        raise ValueError(f"Features need at least one image and one dimension; got shape {values.shape}.")
    if values.dtype != np.float32:
        values = _as_float32(values)
    _check_range(values)
    return values


def _array(x: Any) -> np.ndarray:
    """As a numpy array of any type, without what belongs to other packages: gradients, devices, sparse storage."""
    if type(x) is np.ndarray or isinstance(x, np.memmap):
        return x
    if hasattr(x, "detach"):  # a tensor of torch
        return _of_tensor(x.detach())
    if hasattr(x, "toarray"):  # a sparse matrix of scipy
        return np.asarray(x.toarray())
    if isinstance(x, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(x.astype(float), np.nan))
    if isinstance(x, pd.DataFrame):
        return x.to_numpy()
    try:
        return np.asarray(x)
    except ValueError:
        raise ValueError("Features need rows of one length each; these have several.") from None


def _of_tensor(x: Any) -> np.ndarray:
    try:
        x = (x.dequantize() if x.is_quantized else x).cpu()
        x = x.to_dense() if x.layout is not _strided() else x
        return (x.float() if x.is_floating_point() and x.element_size() < 4 else x).resolve_conj().numpy()
    except (TypeError, RuntimeError):  # of types that numpy has not, and without values
        raise ValueError(f"Features need real numbers; got a tensor of {x.dtype} on {x.device}.") from None


def _strided() -> Any:
    """Torch's name for ordinary storage; whoever has a tensor has loaded torch."""
    import sys

    return sys.modules["torch"].strided


def _as_float32(values: np.ndarray) -> np.ndarray:
    kind = values.dtype.kind
    if kind == "O":
        values = _from_objects(values)
    elif kind in KINDS or values.dtype.names:
        raise ValueError(f"Features need real numbers; got {KINDS.get(kind, 'records')} ({values.dtype}).")
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        result = values.astype(np.float32)
    if values.dtype.kind in "iuf" and values.dtype.itemsize > 4:
        largest = float(np.max(np.abs(values.astype(np.float64))))
        if np.isfinite(largest) and largest > LARGEST:
            raise ValueError(
                f"Features are kept in float32, whose largest number is {LARGEST:.0e}, but values reach {largest:.0e}; "
                "divide them by a constant."
            )
        if largest > 0 and not result.any():
            _refuse_small(largest)
    return result


def _from_objects(values: np.ndarray) -> np.ndarray:
    """Numbers of several kinds in one array as float64, gaps as NaN."""
    if any(isinstance(value, str | bytes) for value in values.flat):
        raise ValueError("Features need real numbers; got text among them.")
    try:
        return np.array([np.nan if value is None or value is pd.NA else float(value) for value in values.flat]).reshape(
            values.shape
        )
    except (TypeError, ValueError):
        kinds = ", ".join(sorted({type(value).__name__ for value in values.flat}))
        raise ValueError(f"Features need real numbers; got {kinds}.") from None


def _check_range(x: np.ndarray) -> None:
    """ValueError for values that are not finite, and where all are so small that float32 has lost their digits."""
    largest = max(float(x.max()), -float(x.min()))  # NaN and infinity come through
    if not np.isfinite(largest) or np.isnan(x.min()):
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        raise ValueError(
            f"Features hold NaN or infinite values in {bad} of {len(x)} rows; did the training diverge? "
            "Drop those rows or embed with another checkpoint."
        )
    if 0 < largest < SMALLEST:
        _refuse_small(largest)


def _refuse_small(largest: float) -> None:
    raise ValueError(
        f"Features are kept in float32, which has lost the digits of numbers below {SMALLEST:.0e}, but none here is larger "
        f"than {largest:.0e}; multiply them by a constant."
    )
