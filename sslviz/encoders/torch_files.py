"""Files that `torch.save` wrote: a pickle beside the bytes of its tensors, as a zip archive or in the format before 1.6."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from sslviz.encoders.pickled_tensors import PARTS, Described, Inert, Stored, TensorUnpickler

OLD_FORMAT = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # the number at the start of files by torch.save that are no archive
DEEPEST = 100  # nested containers; a state dict has about five
LONGEST = 10_000  # letters of what stands before a tensor's name
MOST = 200_000  # tensors; a training checkpoint of a large model has a few thousand, with Adam's states
UNPACKED = 2**28  # bytes, beside eight times those of the file: what members of an archive may unpack to


@dataclass
class Contents:
    """What a file holds.

    - tensors: by dotted name
    - ignored: classes of the objects beside them, with how often each
    - modules: classes of whole pickled networks, whose weights are not read
    - hidden: how many tensors lie inside those objects and networks
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    modules: tuple[str, ...] = ()
    hidden: int = 0


def read_zip(path: Path) -> Contents:
    """The contents of a zip archive by `torch.save`; tensors are mapped from the disk, not copied."""
    with zipfile.ZipFile(path) as archive:
        root, reader, tree = _program(archive)
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") == b"big":
            raise ValueError("its numbers are big-endian")
        whole = _mapped(path)
        members = {info.filename.removeprefix(f"{root}data/"): info for info in archive.infolist()}
        return _contents(tree, reader.found, lambda key: _member(archive, members[key], whole))


def _program(archive: zipfile.ZipFile) -> tuple[str, TensorUnpickler, Any]:
    """(what stands before all names in an archive, its reader, what it read)."""
    packed = [info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    if sum(info.file_size for info in packed) > 8 * sum(info.compress_size for info in packed) + UNPACKED:
        raise ValueError("it unpacks to far more than itself; save the weights again")
    program = next(name for name in archive.namelist() if name.endswith("data.pkl"))
    reader = TensorUnpickler(io.BytesIO(archive.read(program)))
    return program.removesuffix("data.pkl"), reader, reader.load()


def _old_program(file: IO[bytes]) -> tuple[TensorUnpickler, Any]:
    for _ in range(3):  # magic number, protocol, sizes on the machine that wrote it
        TensorUnpickler(file).load()
    reader = TensorUnpickler(file)
    return reader, reader.load()


def read_tree(path: Path) -> Any:
    """What `torch.save` was given, with descriptions of tensors and inert objects, in either format."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _program(archive)[2]
    with open(path, "rb") as file:
        return _old_program(file)[1]


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, whole: Tensor) -> Tensor:
    if info.compress_type != zipfile.ZIP_STORED:
        return torch.frombuffer(bytearray(archive.read(info)), dtype=torch.uint8)
    header = bytes(whole[info.header_offset : info.header_offset + 30].tolist())
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return whole[start : start + info.file_size]


def read_old_format(path: Path) -> Contents:
    """The contents of a file by `torch.save` before 1.6: four pickles, the names of the storages, their bytes."""
    with open(path, "rb") as file:
        reader, tree = _old_program(file)
        order, at = TensorUnpickler(file).load(), file.tell()
    whole, places = _mapped(path), dict[str, int]()
    types = {stored.key: stored.dtype for _, stored in _everywhere(tree)}
    for key in order:
        if not isinstance(key, str) or key not in types:
            raise ValueError("it has bytes that belong to no tensor")
        length = int.from_bytes(bytes(whole[at : at + 8].tolist()), "little")
        places[key] = at + 8
        at += 8 + length * types[key].itemsize
    if at > whole.numel():
        raise EOFError
    ends = dict(zip(places, [*[start - 8 for start in list(places.values())[1:]], at], strict=False))
    return _contents(tree, reader.found, lambda key: whole[places[key] : ends[key]])


def _mapped(path: Path) -> Tensor:
    """The whole file as bytes; written into, it changes in memory only."""
    return torch.from_numpy(np.memmap(path, np.uint8, "c"))


def _contents(tree: Any, found: Counter[str], data: Callable[[str], Tensor]) -> Contents:
    modules = [tree.name] if isinstance(tree, Inert) and tree.is_module else []
    seen = {"tensor": tree} if isinstance(tree, Described) else _by_name(_Walk(modules)(tree))
    tensors = {name: described.tensor(data(described.stored.key)) for name, described in seen.items()}
    ignored = Counter({name: max(n, 1) for name, n in found.items() if name not in PARTS})
    hidden = {place for place, _ in _everywhere(tree)} - {id(described) for described in seen.values()}
    return Contents(tensors, ignored, tuple(modules), len(hidden))


def _by_name(found: Iterator[tuple[str, Described]]) -> dict[str, Described]:
    """As a dictionary; ValueError where a dotted name stands for two tensors."""
    named: dict[str, Described] = {}
    for name, described in found:
        if name in named:
            raise ValueError(f"two of its tensors are called {name}")
        named[name] = described
    return named


class _Walk:
    """Every tensor of a tree under its dotted name; classes of whole networks are noted on the way."""

    def __init__(self, modules: list[str]) -> None:
        self.modules = modules
        self.barren = set[int]()  # containers without tensors, which may hold each other any number of times
        self.tensors = count(1)

    def __call__(self, tree: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Described]]:
        """(dotted name, tensor); ValueError where a file repeats itself without end."""
        if depth > DEEPEST or len(prefix) > LONGEST:  # a container may hold itself
            raise ValueError("its containers are nested without end")
        found = False
        for key, value in _children(tree):
            if isinstance(value, Described):
                if next(self.tensors) > MOST:
                    raise ValueError("its containers are nested without end")
                found = True
                yield f"{prefix}{key}", value
            elif isinstance(value, Inert) and value.is_module:
                self.modules.append(value.name)
            elif isinstance(value, dict | list | tuple | Inert) and id(value) not in self.barren:
                for item in self(value, f"{prefix}{key}.", depth + 1):
                    found = True
                    yield item
        if not found:
            self.barren.add(id(tree))


def _children(tree: Any) -> Sequence[tuple[Any, Any]]:
    if isinstance(tree, Inert):
        return list(tree.__dict__["items"].items())
    if isinstance(tree, dict):
        return list(dict.items(tree))
    return list(enumerate(tree)) if isinstance(tree, list | tuple) else []


def _everywhere(tree: Any) -> Iterator[tuple[int, Stored]]:
    """(identity of a tensor, its bytes) for all tensors and bare storages, also those inside inert objects."""
    ahead, seen = [tree], set[int]()
    while ahead:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Described | Stored):
            yield id(one), one.stored if isinstance(one, Described) else one
        elif isinstance(one, Inert):
            ahead += [one.__dict__["given"], one.__dict__["items"], one.__dict__["state"]]
        elif isinstance(one, dict):
            ahead += [*dict.keys(one), *dict.values(one), *getattr(one, "__dict__", {}).values()]
        elif isinstance(one, list | tuple | set | frozenset):
            ahead += list(one)
