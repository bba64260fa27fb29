"""The cache of explanations: results of a run's checkpoints, read from its folder, or computed and stored there."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from zipfile import BadZipFile

import numpy as np

from sslviz.data import Images
from sslviz.encoders.precision import PRECISIONS
from sslviz.explanations.targets.targets import Target
from sslviz.runs import Checkpoint, Run
from sslviz.runs.results import load_result

T = TypeVar("T")

# "auto" is no part of a key, so that results are found that were stored before there was a choice.
PRECISION, ANY = "precision", "auto"
NOT_IN_THE_KEY = ("progress", "memory", "answers")  # they change how a result is made, not what it is
# Where a definition changes, so that results of the former one are not read: {function, or function and method: number}.
REVISIONS = {"faithfulness": 2, "attribute integrated_gradients": 2}
# Keys keep the names that parameters had when results were first stored, so that those of older versions are found.
FORMER_PARAMETERS = {"control_maps": "controls"}


class _NoIdentity(Exception):
    """Something of which two cannot be told apart."""


def cached_result(run: Run, compute: Callable[..., T], *given: Any, progress: bool = True, **parameters: Any) -> T:
    """What compute(*given, **parameters) returns, read from the run folder, or computed and stored there.

    `compute` is `attribute`, `faithfulness`, `attention`, `explain_pair`, `cascade` or another that returns a Result.
    A result is found by the content of its arguments (weights, pixels, masks, maps, references) and by every parameter,
    given or by default.  It is stored as soon as it is finished, so that an interruption loses only what was under way.
    The precision "auto" takes what is stored in any; one that is named, only what was computed in it.
    With a function among the arguments (a Target without a key, `cascade`'s explain) nothing is stored, because two
    functions cannot be compared.
    """
    key = _key(compute, given, parameters)
    kind: type[T] = get_type_hints(compute)["return"]

    def make() -> T:
        return compute(*given, **parameters, progress=progress)

    if key is None:
        return make()
    stored = _in_other_words(run, compute, key)
    return run.result(key, kind, make) if stored is None else load_result(stored, kind)


def is_cached(run: Run, compute: Callable[..., Any], *given: Any, **parameters: Any) -> bool:
    """Whether `cached_result` would only read."""
    key = _key(compute, given, parameters)
    return key is not None and (run.result_path(key).exists() or _in_other_words(run, compute, key) is not None)


def _in_other_words(run: Run, compute: Callable[..., Any], key: Mapping[str, Any]) -> Path | None:
    """Where a result lies that was asked for in another precision and answers this as well; None where none does."""
    if PRECISION not in inspect.signature(compute).parameters or run.result_path(key).exists():
        return None
    kind, asked = get_type_hints(compute)["return"], key.get(PRECISION, ANY)
    others = [{PRECISION: name} for name in PRECISIONS if name != ANY] if asked == ANY else [{}]
    for other in others:
        path = run.result_path({name: part for name, part in key.items() if name != PRECISION} | other)
        with suppress(ValueError, OSError, KeyError, TypeError, BadZipFile):  # none there, or damaged
            if asked in (ANY, load_result(path, kind).precision):
                return path
    return None


def _key(compute: Callable[..., Any], given: tuple[Any, ...], parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Everything the result depends on, as JSON; None where an argument has no identity."""
    bound = inspect.signature(compute).bind(*given, **parameters)
    bound.apply_defaults()
    try:
        identities = {
            FORMER_PARAMETERS.get(name, name): _identity(value)
            for name, value in bound.arguments.items()
            if name not in NOT_IN_THE_KEY and not (name == PRECISION and value == ANY)
        }
    except _NoIdentity:
        return None
    name = compute.__name__
    revision = REVISIONS.get(name, REVISIONS.get(f"{name} {identities.get('method')}"))
    return {"map": name, **({"revision": revision} if revision else {}), **identities}


def _identity(value: Any) -> Any:
    """What tells an argument from any other, as JSON."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray):
        return _digest(value)
    if isinstance(value, Images):
        together = [value.group] if value.group else []  # so that keys of images without a group stay as they were
        return ["images", value.digest, _identity(value.masks), *together]
    if isinstance(value, Checkpoint):
        return ["checkpoint", value.digest, _identity(value.config), _identity(value.head)]
    if isinstance(value, Target) and value.key:
        return [value.key, *(_digest(reference.numpy()) for reference in value.references)]
    if isinstance(value, Mapping):
        return {str(name): _identity(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_identity(part) for part in value]
    if hasattr(value, "maps") and hasattr(value, "ids"):
        return [getattr(value, "method", ""), _digest(value.maps), _digest(value.ids)]
    raise _NoIdentity


def _digest(values: np.ndarray) -> str:
    state = hashlib.blake2b(repr((values.dtype.str, values.shape)).encode(), digest_size=8)
    state.update(np.ascontiguousarray(values).data)
    return state.hexdigest()
