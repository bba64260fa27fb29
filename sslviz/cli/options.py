"""Options of a command from the signature of the function that it calls, and settings as words."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from tyro.conf import FlagCreatePairsOff, arg

SCALARS = {bool, int, float, str, Path, NoneType}
TEXTS = str | Sequence[str]  # several are one word with commas between them


def options_of(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """A dataclass field (name, type, field) for each parameter that a word on the command line can give.

    Those are numbers, texts (also several, with commas between), paths, flags and literals; a text in a parameter's
    `Annotated` is the option's help.  Names and defaults are the function's.  Required options come first, and a flag
    that is on can only be switched off.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    required_first = sorted(parameters, key=lambda p: p.default is not p.empty)
    scalars = {p.name: p.default for p in required_first if _is_scalar(hints[p.name])}
    return [
        (name, _option(hints[name], default), field() if default is inspect.Parameter.empty else field(default=default))
        for name, default in scalars.items()
    ]


def _is_scalar(hint: Any) -> bool:
    kind, _ = _without_help(hint)
    return kind == TEXTS or get_origin(kind) is Literal or set(get_args(kind) or (kind,)) <= SCALARS


def _option(hint: Any, default: Any) -> Any:
    kind, help_text = _without_help(hint)
    if default is True:
        return FlagCreatePairsOff[Annotated[bool, arg(help=help_text)]]
    if kind == TEXTS:
        kind = str
    if set(get_args(kind)) == {str, Path}:  # a path, which Python may give as a text too
        kind = Path
    metavar = None
    if NoneType in get_args(kind):  # None is said by leaving the option out
        metavar = "|".join(one.__name__.upper() for one in get_args(kind) if one is not NoneType)
    return Annotated[kind, arg(help=help_text, metavar=metavar)]


def _without_help(hint: Any) -> tuple[Any, str | None]:
    """The type alone, and the text beside it."""
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *beside = get_args(hint)
    return kind, next((text for text in beside if isinstance(text, str)), None)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """["temperature=0.2"] -> {"temperature": 0.2}; values are Python literals, or else words."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--set takes NAME=VALUE, e.g. temperature=0.2; got {pair!r}.")
        settings[name] = _value(value)
    return settings


def parse_varied(pairs: list[str]) -> dict[str, list[Any]]:
    """["temperature=0.1,0.2"] -> {"temperature": [0.1, 0.2]}; values as of `parse_settings`, each once."""
    varied: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        if not equals or not name or name in varied:
            raise ValueError(
                f"--vary takes NAME=VALUE,VALUE once for each name, e.g. temperature=0.1,0.2; got {pair!r}."
            )
        several = re.split(r",(?![^(\[]*[)\]])", values)  # not at the commas within brackets
        varied[name] = list(dict.fromkeys(_value(value.strip()) for value in several if value.strip()))
    return varied


def _value(text: str) -> Any:
    """A Python literal, or else a word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)
