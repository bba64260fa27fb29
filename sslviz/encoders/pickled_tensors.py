"""Tensors out of pickles of `torch.save`, without running anything that stands in them.

Such a file is a pickle, a small program that names classes and functions, beside the bytes of the tensors.  Here the
program meets nothing but containers and stand-ins.  A class we know to be a tensor's becomes a description of the tensor;
every other becomes an inert object, which notes its name and swallows what it is given.  Nothing is imported or called.

`torch.load(weights_only=True)` stops at the first class it does not know, and reads the second pickle protocol only.
That refuses most full training checkpoints, which keep their arguments beside the weights.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch import Tensor

from sslviz.encoders.bounded_unpickler import COLLECTIONS, MAKERS, BoundedUnpickler

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
DTYPES = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}
LARGEST_REPEATED = 2**28  # bytes of a tensor that repeats those it lies on
# Modules and functions that weights have no use for, and attacks do: a file that names one of them is refused.
ACTING_MODULES = set(
    "os posix nt sys subprocess shutil socket runpy importlib ctypes pty code webbrowser pickle _pickle marshal".split()
)
ACTING_FUNCTIONS = set("exec eval compile open __import__ input breakpoint execfile".split())
SHORT_NAMES = {  # what a user calls them
    "numpy.core.multiarray.scalar": "numpy number",
    "numpy._core.multiarray.scalar": "numpy number",
    "numpy.core.multiarray._reconstruct": "numpy array",
    "numpy._core.multiarray._reconstruct": "numpy array",
    "torch._utils._rebuild_qtensor": "quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "sparse tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensor without values",
}
PARTS = {  # of other objects, not worth a word
    "numpy.dtype",
    "numpy.ndarray",
    "builtins.getattr",
    "builtins.object",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
}


class ForbiddenCode(Exception):
    """A file names a function that could act on this machine; `args[0]` is its name."""


class Inert:
    """An object of a class that we do not load: its name, and whatever the file gave it."""

    name = ""
    found: Counter[str] = Counter()

    def __new__(cls, *given: Any, **named: Any) -> Inert:
        """Counted, and without anything of the class it stands for."""
        cls.found[cls.name] += 1
        self = object.__new__(cls)
        self.__dict__.update(given=[*given, *named.values()], items={}, state=None)
        return self

    def __init__(self, *given: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.__dict__["state"] = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__dict__["items"][key] = value

    def append(self, value: Any) -> None:
        """Swallows an element."""
        self.__dict__["given"].append(value)

    add = append

    def extend(self, values: Any) -> None:
        """Swallows elements."""
        self.__dict__["given"].extend(values)

    def __call__(self, *given: Any, **named: Any) -> Inert:
        """Another of the same, where the file calls what it was given."""
        return type(self)(*given, **named)

    def __repr__(self) -> str:
        return self.name

    @property
    def is_module(self) -> bool:
        """Whether it was an nn.Module, with weights of its own."""
        state = self.__dict__["state"]
        return isinstance(state, dict) and "_parameters" in state and "_modules" in state


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: a file may have put anything into it
class Stored:
    """A run of bytes in the file: what they are called there, of which type, how many elements."""

    key: str
    dtype: torch.dtype


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: a file may have put anything into it
class Described:
    """A tensor, as the file describes it."""

    stored: Stored
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self, data: Tensor) -> Tensor:
        """The tensor on the bytes that belong to it; ValueError if it would reach beyond them."""
        numbers = (self.offset, *self.size, *self.stride)
        if len(self.size) != len(self.stride) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise ValueError("a tensor has no proper shape")
        reach = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True)) + 1
        if 0 not in self.size and reach * self.dtype.itemsize > data.numel():
            raise ValueError("a tensor reaches beyond its bytes")
        if math.prod(self.size) * self.dtype.itemsize > max(data.numel(), LARGEST_REPEATED):
            raise ValueError("a tensor is far larger than its bytes")
        usable = data[: data.numel() // self.dtype.itemsize * self.dtype.itemsize]
        if usable.data_ptr() % self.dtype.itemsize:
            usable = usable.clone()
        if 0 in self.size:
            return torch.empty(self.size, dtype=self.dtype)
        elements = usable.view(self.dtype)  # itself a part of the file: offsets count from the file's start
        return elements.as_strided(self.size, self.stride, elements.storage_offset() + self.offset)


class Known:
    """A function of ours under the name of one in the file.  Slots, so that a file cannot write into it."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("a function was to be written into")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function was to be written into")

    def __call__(self, *given: Any, **named: Any) -> Any:
        """What our function makes of it."""
        return self._function(*given, **named)


def _described(dtype: Any, stored: Any, offset: Any, size: Any, stride: Any) -> Described:
    if not isinstance(stored, Stored):
        raise pickle.UnpicklingError("a tensor without bytes")
    return Described(stored, dtype or stored.dtype, offset, tuple(size), tuple(stride))


def _of_type(function: Any, kind: Any, given: Any, state: Any) -> Any:
    """A tensor of a class of its own: its plain numbers; or an inert object of that class, if it is built another way."""
    foreign = isinstance(kind, type) and issubclass(kind, Inert)
    return kind(*given) if foreign and not isinstance(function, Known) else function(*given)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": lambda *given: _described(None, *given[:4]),
    "torch._utils._rebuild_tensor_v2": lambda *given: _described(None, *given[:4]),
    "torch._utils._rebuild_tensor_v3": lambda *given: _described(given[6], *given[:4]),
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch.nn.parameter.Parameter": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": lambda size=(): tuple(size),
    "_codecs.encode": lambda text, _="latin1": MAKERS["bytes"](text),  # bytes, as the second protocol writes them
    **{f"collections.{name}": make for name, make in COLLECTIONS.items()},
    **{f"{module}.{name}": make for module in ("builtins", "__builtin__") for name, make in MAKERS.items()},
}
TENSORS = {"torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"}


class TensorUnpickler(BoundedUnpickler):
    """Reads the program of a file with nothing but containers, descriptions of tensors, and inert objects."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")
        self.found: Counter[str] = Counter()
        self._kinds: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Our stand-in for what the file calls by this name; ForbiddenCode for what could act."""
        called = f"{module}.{name}"
        if called not in self._kinds:
            self._kinds[called] = self._stand_in(module, name, called)
        return self._kinds[called]

    def _stand_in(self, module: str, name: str, called: str) -> Any:
        acting = module.split(".")[0] in ACTING_MODULES or (
            module in {"builtins", "__builtin__"} and name.split(".")[0] in ACTING_FUNCTIONS
        )
        if acting:
            raise ForbiddenCode(called)
        if module.split(".")[0] == "torch" and name in STORAGES:
            return Stored("", STORAGES[name])
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if called in FUNCTIONS:
            return Known(FUNCTIONS[called])
        if called in TENSORS:
            return Known(lambda *_: None)
        self.found[SHORT_NAMES.get(called, called)] += 0
        return type("Inert", (Inert,), {"name": SHORT_NAMES.get(called, called), "found": self.found})

    def persistent_load(self, pid: Any) -> Any:
        """The bytes that a tensor lies on: ("storage", type, key, device, number of elements)."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # the class of a network, beside its source code, which the old format kept
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[2], str | int):
            raise pickle.UnpicklingError("an unknown kind of reference")
        kind = pid[1]  # an unknown type is that of quantised numbers, of which no tensor is made
        return Stored(str(pid[2]), kind.dtype if isinstance(kind, Stored) else torch.uint8)
