"""Names of weights: what other libraries call them, and what timm calls them.

Each layout turns {name in the file: tensor} into {timm's name: tensor}.  Where a tensor came from stays known through
every conversion, also where three were joined into one, so that nothing can be dropped unseen.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import timm
import torch
from timm.models import model_entrypoint
from torch import Tensor, nn

from sslviz.encoders.name_tables import TABLES, WRAPPERS

Tensors = dict[str, Tensor]


class Traced(Tensor):
    """A tensor that knows which tensors of the file it was made of, through whatever is computed from it."""

    sources: frozenset[str] = frozenset()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            made = func(*args, **kwargs)
        return _marked(made, frozenset().union(*_sources([*args, *kwargs.values()])))


def traced(tensors: Mapping[str, Tensor]) -> Tensors:
    """The same tensors, each with its name for a source; nothing is copied."""
    return {name: _marked(tensor, frozenset({name})) for name, tensor in tensors.items()}


def sources(tensor: Tensor) -> frozenset[str]:
    """Which tensors of the file this one was made of."""
    return tensor.sources if isinstance(tensor, Traced) else frozenset()


def _marked(made: Any, names: frozenset[str]) -> Any:
    if isinstance(made, tuple | list):
        return type(made)(_marked(one, names) for one in made) if type(made) in (tuple, list) else made
    if not isinstance(made, Tensor):
        return made
    with torch._C.DisableTorchFunctionSubclass():
        marked = made.as_subclass(Traced)
    marked.sources = names
    return marked


def _sources(values: Iterable[Any]) -> Iterator[frozenset[str]]:
    for value in values:
        if isinstance(value, Traced):
            yield value.sources
        elif isinstance(value, tuple | list):
            yield from _sources(value)


def without_wrappers(names: Iterable[str], ours: Iterable[str]) -> dict[str, str]:
    """{name in the file: the same without the names of wrappers}; none is taken off that would make two names one."""
    wrappers = WRAPPERS - {part for name in ours for part in name.split(".")}
    clean = {name: ".".join(part for part in name.split(".") if part not in wrappers) for name in names}
    taken = {name for name, short in clean.items() if name == short}
    result = {}
    for name, short in clean.items():
        result[name] = name if name != short and short in taken else short
        taken.add(result[name])
    return result


def layouts(tensors: Tensors, model: nn.Module) -> Iterator[tuple[str, Tensors]]:
    """(whose names these are, {timm's name: tensor}) for every library whose names they may be; "" for timm's own."""
    yield "", tensors
    numbered = {number: name for name, number in _numbers(model).items()}
    if any(name.split(".")[0] in numbered for name in tensors):
        yield "torch.nn.Sequential (numbers)", {_first_replaced(name, numbered): t for name, t in tensors.items()}
    if "class_embedding" in tensors and "positional_embedding" in tensors:  # timm's filter knows them with a prefix
        yield "OpenCLIP", {f"visual.{name}": tensor for name, tensor in tensors.items()}
    for anchor, tables in TABLES.items():
        if any(re.fullmatch(anchor, name) for name in tensors):
            for whose, table in tables:
                yield whose, _joined(_renamed(tensors, table))


def _numbers(model: nn.Module) -> dict[str, str]:
    return {child: str(i) for i, (child, _) in enumerate(model.named_children())}


def _first_replaced(name: str, names: Mapping[str, str]) -> str:
    first, *rest = name.split(".")
    return ".".join([names.get(first, first), *rest])


def _renamed(tensors: Tensors, table: Mapping[str, str]) -> Tensors:
    """The tensors under the names of a table; what the table does not know, or would make two of, stays as it is."""
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        found = ((re.match(pattern, name), new) for pattern, new in table.items())
        match, new = next(((match, new) for match, new in found if match), (None, ""))
        new_name = match.expand(new) + name[match.end() :] if match else name
        new_name = re.sub(r"(\d)\+1", lambda digit: str(int(digit[1]) + 1), new_name)
        renamed[name if new_name in renamed else new_name] = tensor
    return renamed


def _joined(tensors: Tensors) -> Tensors:
    """Query, key and value as one; and the shapes that timm gives to class token, positions and scales."""
    joined = dict(tensors)
    for name in tensors:
        if match := re.fullmatch(r"(.*\.attn\.)(query|q)\.(weight|bias)", name):
            parts = [
                f"{match[1]}{part}.{match[3]}" for part in (("query", "key", "value") if match[2] == "query" else "qkv")
            ]
            if all(part in joined for part in parts):
                joined[f"{match[1]}qkv.{match[3]}"] = torch.cat([joined.pop(part) for part in parts])
        elif name in {"cls_token", "pos_embed"} and tensors[name].ndim < 3:
            joined[name] = tensors[name].reshape(1, -1, tensors[name].shape[-1])
        elif ".mlp.grn." in name or name.endswith(".gamma"):
            joined[name] = tensors[name].flatten()
    return joined


# --- timm's own conversion ---------------------------------------------------------------------------------------------

FILTERS = ("checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained")


def timms_filter(model: nn.Module, name: str) -> tuple[str, Callable[[Tensors], Tensors]] | None:
    """(module, function) by which timm converts published weights of this model; None where it has none.

    The function resizes position embeddings too.  None is what it gives for names that it cannot convert.
    """
    modules = [type(model).__module__]
    if timm.is_model(name):
        modules.insert(0, model_entrypoint(name).__module__)
    for module in modules:
        for function in FILTERS:
            found = getattr(sys.modules.get(module), function, None)
            if found is not None and module.startswith("timm."):
                return module.removeprefix("timm.models."), partial(_filtered, found, model)
    return None


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in {torch.float16, torch.bfloat16}


def _filtered(function: Callable[..., Any], model: nn.Module, tensors: Tensors) -> Tensors:
    """What timm's function makes of the tensors; nothing where it fails, as it does on names that it was not written for."""
    known = inspect.signature(function).parameters
    options: dict[str, Any] = {"model": model} if "model" in known else {}
    options |= {"adapt_layer_scale": True} if "adapt_layer_scale" in known else {}
    if "register_tokens" in tensors:
        tensors = {"mask_token": torch.zeros(1)} | tensors  # by which timm knows DINOv2's layout
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, on what timm's interpolation does
            # tokens and positions are added to each other or interpolated: not in half precision
            made = function(
                {name: t.float() if _is_half(t) and t.ndim == 3 else t for name, t in tensors.items()}, **options
            )
        return {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}
    except Exception:  # written for one file each, they fail in any way on others
        return {}
