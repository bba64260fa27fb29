"""Which maps are there already?  Maps of a run's checkpoints, read from its folder, or made and kept there."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

import numpy as np

from sslviz.data import Images
from sslviz.explanations.targets.targets import Target
from sslviz.runs import Checkpoint, Run

T = TypeVar("T")


class _Nameless(Exception):
    """Something two of which cannot be told apart without asking them."""


def kept(run: Run, compute: Callable[..., T], *given: Any, progress: bool = True, **parameters: Any) -> T:
    """Which maps are there already?  What compute(*given, **parameters) returns, read from the run folder or kept there.

    `compute` is `attribute`, `faithfulness`, `attention`, `explain_pair`, `cascade` or another that returns a Result.
    It is found again by the content of all it was given (weights, pixels, masks, maps, references) and by every
    parameter, said or not.  Kept as soon as it is finished, so that an interruption loses only what was under way.
    With a function in it (a Target of your own, `cascade`'s explain) nothing is kept: two functions cannot be compared.
    """
    key = _key(compute, given, parameters)
    kind: type[T] = get_type_hints(compute)["return"]

    def make() -> T:
        return compute(*given, **parameters, progress=progress)

    return make() if key is None else run.result(key, kind, make)


def is_kept(run: Run, compute: Callable[..., Any], *given: Any, **parameters: Any) -> bool:
    """Would `kept` only read?"""
    key = _key(compute, given, parameters)
    return key is not None and run.result_path(key).exists()


def _key(compute: Callable[..., Any], given: tuple[Any, ...], parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Everything the result depends on, as JSON; None where that cannot be said."""
    bound = inspect.signature(compute).bind(*given, **parameters)
    bound.apply_defaults()
    try:
        told = {name: _told(value) for name, value in bound.arguments.items() if name not in ("progress", "memory")}
    except _Nameless:
        return None
    return {"map": compute.__name__, **told}


def _told(value: Any) -> Any:
    """What tells this argument from any other."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray):
        return _digest(value)
    if isinstance(value, Images):
        return ["images", value.digest, _told(value.masks)]
    if isinstance(value, Checkpoint):
        return ["checkpoint", value.digest, _told(value.config), _told(value.head)]
    if isinstance(value, Target) and value.key:
        return [value.key, *(_digest(reference.numpy()) for reference in value.references)]
    if isinstance(value, Mapping):
        return {str(name): _told(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    if hasattr(value, "maps") and hasattr(value, "ids"):
        return [getattr(value, "method", ""), _digest(value.maps), _digest(value.ids)]
    raise _Nameless


def _digest(values: np.ndarray) -> str:
    state = hashlib.blake2b(repr((values.dtype.str, values.shape)).encode(), digest_size=8)
    state.update(np.ascontiguousarray(values).data)
    return state.hexdigest()
