"""A function of the user's own that returns a network: `package.module:function`.

Naming it is a wish to run it.  A run folder that names one may come from elsewhere.  So it is only run if it was named
by the user before: by `sslviz import`, by `create_encoder`, or in SSLVIZ_FUNCTIONS.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from sslviz.encoders.library import Library
from sslviz.encoders.reinitialised import reinitialised
from sslviz.encoders.stated import Stated, timm_values
from sslviz.encoders.timm_model import first_line
from sslviz.runtime.files import atomic_write

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:function
_named: set[str] = set()  # in this process


def open_function(name: str) -> Library:
    """The network that this function returns, called without arguments once; ValueError, in one sentence, where it does not.

    Its image size, mean and std are those in the network's own `default_cfg`, `pretrained_cfg` or `config`.
    """
    network = _called(name, _function(name))
    _remember(name)

    def build(image_size: int, pretrained: bool) -> tuple[nn.Module, str]:
        return (network, f"the weights that {name} returns") if pretrained else (reinitialised(network, name), "")

    return Library(build, stated_by(network, name), at_hand=True)


def stated_by(network: Any, name: str) -> Stated:
    """What a network says itself of how its pictures are fed."""
    for attribute in ("pretrained_cfg", "default_cfg"):
        if values := timm_values(getattr(network, attribute, None)):
            return Stated(values, f"{attribute} of {name}")
    size = getattr(getattr(network, "config", None), "image_size", None)
    return Stated({"image_size": size}, f"config of {name}") if isinstance(size, int) else Stated()


def _called(name: str, function: Callable[[], Any]) -> nn.Module:
    try:
        network = function()
    except Exception as error:  # it is anyone's code
        raise ValueError(f"{name} failed: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        kind = "nothing" if network is None else f"a {type(network).__name__}"
        raise ValueError(f"{name} returns {kind}; expected a torch.nn.Module, called without arguments.")
    return network


def _function(name: str) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    if not FUNCTION.fullmatch(name):
        raise ValueError(f"A function of yours is named package.module:function; got {name!r}.")
    first = module.split(".")[0]
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that nothing installed is hidden
    _refuse_place(name, first)
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # whatever its code raises
        install = f"; install {first}, or start where {first}.py lies" if _is_missing(error, first) else ""
        raise ValueError(
            f"{module} cannot be imported: {type(error).__name__}: {first_line(error)}{install}."
        ) from error
    if not callable(found):
        raise ValueError(f"{module} has no function {attribute!r}.")
    return found


def _is_missing(error: Exception, module: str) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name == module


def _refuse_place(name: str, module: str) -> None:
    """ValueError for Python's own modules, which build no network, and for code that lies in a run folder."""
    if module in sys.stdlib_module_names:
        raise ValueError(f"{name} is Python's own and builds no network; name a function of yours.")
    try:
        spec = find_spec(module)
    except (ValueError, ImportError):
        return  # importing it says what is wrong
    places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
    inside = [p for p in places if p and any((folder / "run.json").exists() for folder in Path(p).parents)]
    if inside:
        raise ValueError(f"{inside[0]} lies in a run folder, and code in there is never run; install it elsewhere.")


# --- which functions the user named -------------------------------------------------------------------------------------


def check_named(name: str, run: str) -> None:
    """ValueError for a function that a run folder names and the user never did."""
    allowed = {*_named, *_remembered(), *os.environ.get("SSLVIZ_FUNCTIONS", "").split(",")}
    if FUNCTION.fullmatch(name) and not name.startswith("hf_hub:") and name not in allowed:
        raise ValueError(
            f"The run {run} builds its encoder by running {name}, which was not named on this machine before. If you trust "
            f"it, install its package and set SSLVIZ_FUNCTIONS={name}."
        )


def _file() -> Path:
    return Path(os.environ.get("SSLVIZ_CACHE") or Path.home() / ".cache" / "sslviz") / "functions.txt"


def _remembered() -> list[str]:
    try:
        return _file().read_text().split()
    except OSError:
        return []


def _remember(name: str) -> None:
    _named.add(name)
    known = _remembered()
    if name not in known:
        with (
            suppress(OSError, ValueError),
            atomic_write(_file()) as file,
        ):  # in a home that is read-only: SSLVIZ_FUNCTIONS
            file.write("\n".join([*known, name]).encode())
