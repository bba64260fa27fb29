"""What a network gave: its features, checked, in one of the shapes that are understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

UNDERSTOOD = "features (b, d), a grid (b, d, rows, columns) or tokens (b, n, d)"
EXTRA_TOKENS = (0, 1, 2, 5, 4, 3)  # before a grid: none, class, distilled, class and four registers, registers, ...


class Output(NamedTuple):
    """What one pass gave.

    - main: (b, d), (b, d, rows, columns) or (b, n, d)
    - pooled: the network's own pooled features beside it, as models of transformers give them; None for others
    """

    main: Tensor
    pooled: Tensor | None = None


def read_output(output: Any, name: str, batch: int) -> Output:
    """The tensor in what a network returned; ValueError, in one sentence, for a tuple, an unknown dict, another size."""
    pooled = None
    if isinstance(output, Mapping):
        if not isinstance(output.get("last_hidden_state"), Tensor):
            keys = ", ".join(str(key) for key in output)
            raise ValueError(f"{name} gives a dict with the keys {keys}; return one tensor of it: {UNDERSTOOD}.")
        found = output.get("pooler_output")
        pooled = found.flatten(1) if isinstance(found, Tensor) else None
        output = output["last_hidden_state"]
    if isinstance(output, tuple | list):
        raise ValueError(f"{name} gives a {type(output).__name__} of {len(output)}; return one tensor: {UNDERSTOOD}.")
    if not isinstance(output, Tensor):
        raise ValueError(f"{name} gives a {type(output).__name__}; return a tensor: {UNDERSTOOD}.")
    if not output.is_floating_point() or output.ndim not in (2, 3, 4):
        kind = str(output.dtype).removeprefix("torch.")
        raise ValueError(f"{name} gives a tensor {tuple(output.shape)} of {kind}; return {UNDERSTOOD}.")
    if len(output) != batch:
        raise ValueError(f"{name} gives {len(output)} rows for {batch} pictures; return one for each: {UNDERSTOOD}.")
    return Output(output, pooled)


def grid_shape(places: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of so many places over a picture of this shape; None where they make no such grid."""
    rows = round((places * height / width) ** 0.5)
    columns = places // rows if rows else 0
    return (rows, columns) if rows * columns == places and rows * width == columns * height else None


def tokens_before_grid(tokens: int) -> int | None:
    """How many of the tokens of a square picture come before the grid; None where the rest is no square."""
    rest = {extra: tokens - extra for extra in EXTRA_TOKENS if tokens - extra > 1}
    return next((extra for extra, n in rest.items() if grid_shape(n, 1, 1)), None)


def are_finite(features: Tensor, name: str) -> None:
    """ValueError for features that are not all numbers."""
    if not torch.isfinite(features).all():
        raise ValueError(f"{name} gives NaN or infinite features; take weights from before its training diverged.")
