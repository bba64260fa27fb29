"""Files of weights in any container: what tensors they hold, under which names, and what lies beside them."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from sslviz.encoders.foreign_files import AGAIN, few, refuse_foreign, refuse_other_archives, unknown
from sslviz.encoders.pickled_tensors import ForbiddenCode
from sslviz.encoders.torch_files import OLD_FORMAT, Contents, read_old_format, read_zip

INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE = ("model.safetensors", "pytorch_model.bin")
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")


@dataclass(frozen=True)
class WeightFile:
    """A file of weights that was read.

    - path: the file, or the index of several
    - format: the kind of container, in words
    - tensors: all that were found, by dotted name
    - ignored: classes of other objects in it, with how often each; none was loaded
    - hidden: tensors inside those objects, which were not read
    - modules: classes of whole pickled networks among them
    - notes: what else is to be said, one sentence each
    """

    path: Path
    format: str
    tensors: dict[str, Tensor]
    ignored: Counter[str]
    hidden: int = 0
    modules: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_weights(path: str | Path) -> WeightFile:
    """Which tensors does this file hold?  Containers are told by their content, not by their suffix.

    A file may be safetensors, or what `torch.save` writes today or wrote before 1.6; or the index of several shards, or
    a folder with one of these.  Nothing in it is run.  ValueError, with the way out, for everything else.
    """
    path = Path(path)
    path, notes = _of_folder(path) if path.is_dir() else (path, ())
    if not path.is_file():
        raise ValueError(f"There is no weights file {path}.")
    file = _read_shards(path) if path.name.endswith(".index.json") else _read_one(path)
    _refuse_without_tensors(file)
    return replace(file, notes=notes + file.notes)


def _of_folder(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The file to read in a folder: the index of shards, the usual names, or the only file of weights."""
    if (folder / "run.json").exists():
        raise ValueError(f"{folder} is a run of sslviz already; diagnose it as it is.")
    if (folder / ".metadata").exists() or list(folder.glob("*.distcp")):
        raise ValueError(
            f"{folder} is a distributed checkpoint, of which each process wrote a part. Gather it into one file first, "
            "with torch.distributed.checkpoint.format_utils.dcp_to_torch_save."
        )
    named = [
        folder / name for name in (*INDICES[:1], *SINGLE[:1], *INDICES[1:], *SINGLE[1:]) if (folder / name).is_file()
    ]
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not named and len(files) > 1:
        raise ValueError(f"{folder} holds {len(files)} files of weights ({few([f.name for f in files])}); name one.")
    if not named and not files:
        raise ValueError(f"There is no weights file in {folder}; expected one of {', '.join(SUFFIXES)}, or an index.")
    taken, *others = named or files
    also = [file.name for file in others] if named else []
    return taken, (f"Of the folder, {taken.name} was read, not {few(also)}.",) if also else ()


def _read_shards(index: Path) -> WeightFile:
    """All shards that an index names, as one file."""
    try:
        places = json.loads(index.read_text())["weight_map"]
        names = sorted(set(places.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is no index of shards; expected JSON with a weight_map {{tensor: file}}.") from error
    outside = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if outside:
        raise ValueError(f"{index} names files outside its folder ({few(outside)}); shards lie beside their index.")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ValueError(
            f"{index} names shards that are missing: {few(missing)} ({len(missing)} of {len(names)}). "
            "Copy them into the same folder."
        )
    shards = [_read_one(index.parent / name) for name in names]
    tensors = {name: tensor for shard in shards for name, tensor in shard.tensors.items()}
    lost = [name for name in places if name not in tensors]
    if lost:
        raise ValueError(f"{index} names {len(lost)} tensors that no shard holds ({few(lost)}). Copy the shards again.")
    return WeightFile(
        index,
        f"{len(shards)} shards, {shards[0].format}" if shards else "no shards",
        tensors,
        sum((shard.ignored for shard in shards), Counter()),
        sum(shard.hidden for shard in shards),
        tuple(name for shard in shards for name in shard.modules),
    )


def _read_one(path: Path) -> WeightFile:
    with open(path, "rb") as file:
        start = file.read(64)
    refuse_foreign(path, start)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return WeightFile(path, "safetensors", _guarded(path, _read_safetensors), Counter())
    if start.startswith(b"PK\x03\x04"):
        refuse_other_archives(path)
        return _of_contents(path, "torch.save", _guarded(path, read_zip))
    if OLD_FORMAT in start:
        return _of_contents(path, "torch.save, old format", _guarded(path, read_old_format))
    raise unknown(path, start)


def _of_contents(path: Path, kind: str, contents: Contents) -> WeightFile:
    return WeightFile(path, kind, contents.tensors, contents.ignored, contents.hidden, contents.modules)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def _guarded(path: Path, read: Callable[[Path], Any]) -> Any:
    """What `read` returns; ValueError, in words, for whatever the bytes lead it to."""
    try:
        return read(path)
    except ForbiddenCode as error:
        raise ValueError(
            f"{path} asks for {error.args[0]}, which weights have no use for: pickled calls could run code and are refused. "
            "Save the model's state_dict() alone, best as .safetensors. Nothing was run; do not trust the file."
        ) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged: {AGAIN}") from error
    except MemoryError as error:
        raise ValueError(f"{path} asks for more memory than there is; {AGAIN}") from error
    except Exception as error:  # the readers fail in whatever way the bytes lead them to
        raise ValueError(f"{path} cannot be read ({_reason(error)}); {AGAIN}") from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]


def _refuse_without_tensors(file: WeightFile) -> None:
    """ValueError, with the true reason, for a file in which no tensor can be read."""
    if file.tensors:
        return
    if file.modules:
        raise ValueError(
            f"{file.path} holds a whole pickled network of class {file.modules[0]}, and building it would run its code. "
            "Save its weights alone where the class is known: `torch.save(model.state_dict(), FILE)`."
        )
    kinds = " ".join(file.ignored)
    if re.search(r"DTensor|ShardedTensor", kinds):
        raise ValueError(
            f"{file.path} holds tensors of which each process has a part (DTensor or FSDP). Save a full state dict: "
            "torch.distributed.checkpoint.state_dict.get_model_state_dict with full_state_dict=True."
        )
    if "quantised tensor" in file.ignored:
        raise ValueError(f"{file.path} holds quantised tensors. Take the weights from before quantisation.")
    if "sparse tensor" in file.ignored:
        raise ValueError(f"{file.path} holds sparse tensors. Save each as `tensor.to_dense()`.")
    if "numpy array" in file.ignored:
        raise ValueError(
            f"{file.path} holds numpy arrays instead of tensors. Save them with safetensors or torch.save."
        )
    if file.hidden:
        raise ValueError(
            f"{file.path} holds {file.hidden} tensors inside objects that are not read ({few(list(file.ignored))}). "
            "Save the model's state_dict() alone where their classes are known."
        )
    beside = f" (but {few(list(file.ignored))})" if file.ignored else ""
    raise ValueError(f"{file.path} holds no tensors{beside}; expected a state dict.")
