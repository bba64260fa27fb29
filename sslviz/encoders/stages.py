"""The stages of a network: which of its parts follow each other and give a grid, and how what they give lies on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from sslviz.encoders.outputs import grid_shape, tokens_before_grid

MOST = 0.8  # of the layers with weights: a part that holds as many is the network proper, and its children the stages


class Place(NamedTuple):
    """How what one part of the network gives lies on a grid.

    - tokens: whether it comes as tokens (b, n, d)
    - prefix: how many of these come before the grid
    - last: whether a grid has its channels last
    - cells: rows times columns for the pictures that were tried
    """

    tokens: bool
    prefix: int
    last: bool
    cells: int


@contextmanager
def watching(modules: Mapping[str, nn.Module], seen: dict[str, Any]) -> Iterator[None]:
    """Inside, `seen` takes the first tensor that each of these gives, in the order in which they finish."""

    def keep(name: str) -> Any:
        def hook(module: Any, inputs: Any, out: Any) -> None:
            parts = out if isinstance(out, tuple | list) else [out]  # what is inside a dict has a part of its own
            if (first := next((part for part in parts if isinstance(part, Tensor)), None)) is not None:
                seen.pop(name, None)
                seen[name] = first

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def parts_with_weights(model: nn.Module) -> dict[str, nn.Module]:
    """The modules with weights of their own."""
    return {
        name: module for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))
    } or {"": model}


def find_stages(model: nn.Module, seen: Mapping[str, Any]) -> dict[str, Place]:
    """The parts with weights that follow each other in the network proper and give a grid."""
    prefix, leaves = "", list(parts_with_weights(model))
    while True:
        parts = dict.fromkeys(prefix + name.removeprefix(prefix).split(".")[0] for name in leaves)
        counts = {part: sum(f"{name}.".startswith(f"{part}.") for name in leaves) for part in parts}
        largest = max(counts, key=lambda part: counts[part])
        if counts[largest] < MOST * len(leaves) or counts[largest] == 1:
            break
        prefix, leaves = f"{largest}.", [name for name in leaves if name.startswith(f"{largest}.")]
    found = {part: place for part in seen if part in parts and (place := place_of(seen[part]))}
    containers = {
        part: place for part, place in found.items() if any(True for _ in model.get_submodule(part).children())
    }
    return containers if len(containers) > 1 else found


def find_last_grid(seen: Mapping[str, Any], stages: Mapping[str, Place]) -> tuple[str, Place] | None:
    """The part that finishes last with as many cells as the last stage has, and lies on the way behind it."""
    if not stages:
        return None
    last = list(stages)[-1]
    behind = list(seen)[list(seen).index(last) :]
    same = {name: place for name in behind if (place := place_of(seen[name])) and place.cells == stages[last].cells}
    return list(same.items())[-1]


def place_of(made: Tensor) -> Place | None:
    """How the output for square pictures lies on a grid; None for what has none."""
    if made.ndim == 4:
        a, b, c = made.shape[1:]
        last = a == b and b != c
        return Place(False, 0, last, a * b if last else b * c) if last or b == c else None
    if made.ndim == 3 and (prefix := tokens_before_grid(made.shape[1])) is not None:
        return Place(True, prefix, False, made.shape[1] - prefix)
    return None


def placed(made: Tensor, place: Place, x: Tensor) -> Tensor:
    """(b, d, rows, columns), for pictures of any shape."""
    if made.ndim == 4:
        return made.movedim(-1, 1) if place.last else made
    grid = grid_shape(made.shape[1] - place.prefix, *x.shape[-2:])
    if grid is None:
        raise ValueError(f"{made.shape[1]} tokens make no grid over a picture of {x.shape[-2]} x {x.shape[-1]} pixels.")
    return made[:, place.prefix :].mT.unflatten(2, grid)
