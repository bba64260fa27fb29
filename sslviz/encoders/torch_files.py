"""Files that `torch.save` wrote: a pickle beside the bytes of its tensors, as a zip archive or in the format before 1.6."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.encoders.pickled_tensors import PARTS, Described, Inert, Stored, TensorUnpickler

OLD_FORMAT = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # the number at the start of files by torch.save that are no archive
DEEPEST = 100  # nested containers; a state dict has about five
MOST = 200_000  # containers; a training checkpoint of a large model has a few thousand, one for each of Adam's states


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
        program = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        root = program.removesuffix("data.pkl")
        with archive.open(program) as file:
            reader = TensorUnpickler(file)
            tree = reader.load()
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") == b"big":
            raise ValueError("its numbers are big-endian")
        whole = _mapped(path)
        members = {info.filename.removeprefix(f"{root}data/"): info for info in archive.infolist()}
        return _contents(tree, reader.found, lambda key: _member(archive, members[key], whole))


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, whole: Tensor) -> Tensor:
    if info.compress_type != zipfile.ZIP_STORED:
        return torch.frombuffer(bytearray(archive.read(info)), dtype=torch.uint8)
    header = bytes(whole[info.header_offset : info.header_offset + 30].tolist())
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return whole[start : start + info.file_size]


def read_old_format(path: Path) -> Contents:
    """The contents of a file by `torch.save` before 1.6: four pickles, the names of the storages, their bytes."""
    with open(path, "rb") as file:
        for _ in range(3):  # magic number, protocol, sizes on the machine that wrote it
            TensorUnpickler(file).load()
        reader = TensorUnpickler(file)
        tree = reader.load()
        order, at = TensorUnpickler(file).load(), file.tell()
    whole, places = _mapped(path), dict[str, int]()
    types = {stored.key: stored.dtype for _, stored in _everywhere(tree)}
    for key in order:
        length = int.from_bytes(bytes(whole[at : at + 8].tolist()), "little")
        places[key] = at + 8
        if key not in types:
            raise ValueError("it has bytes that belong to no tensor")
        at += 8 + length * types[key].itemsize
    if at > whole.numel():
        raise EOFError
    ends = dict(zip(places, [*[start - 8 for start in list(places.values())[1:]], at], strict=True))
    return _contents(tree, reader.found, lambda key: whole[places[key] : ends[key]])


def _mapped(path: Path) -> Tensor:
    """The whole file as bytes; written into, it changes in memory only."""
    return torch.from_numpy(np.memmap(path, np.uint8, "c"))


def _contents(tree: Any, found: Counter[str], data: Callable[[str], Tensor]) -> Contents:
    modules = [tree.name] if isinstance(tree, Inert) and tree.is_module else []
    seen = {"tensor": tree} if isinstance(tree, Described) else _by_name(_walk(tree, "", 0, modules, count()))
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


def _walk(
    tree: Any, prefix: str, depth: int, modules: list[str], visits: Iterator[int]
) -> Iterator[tuple[str, Described]]:
    """Every tensor under its dotted name; classes of whole networks are added to `modules`."""
    if (
        depth > DEEPEST or next(visits) > MOST
    ):  # a container may hold itself, or one other twice, and that another twice
        raise ValueError("its containers are nested without end")
    for key, value in _children(tree):
        if isinstance(value, Described):
            yield f"{prefix}{key}", value
        elif isinstance(value, Inert) and value.is_module:
            modules.append(value.name)
        elif isinstance(value, dict | list | tuple | Inert):
            yield from _walk(value, f"{prefix}{key}.", depth + 1, modules, visits)


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
