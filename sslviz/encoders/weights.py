"""Loading of weights: state dicts of any library, under whatever prefixes they were saved."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from sslviz.encoders.encoder import Encoder

# Parts of names that may be left over without another architecture: heads, and tables that are computed, not learned.
NO_LAYER = {"head", "fc", "classifier", "relative_position_index", "relative_coords_table", "attn_mask"}


@dataclass(frozen=True)
class LoadReport:
    """What was taken from a file of weights, and what was not.

    - prefix: what stood before the names in the file
    - matched: the names of the encoder's tensors, all of which were found
    - unexpected: tensors of the file that nobody asked for (heads, optimiser state, a second network)
    """

    prefix: str
    matched: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        prefix = f", found under {self.prefix!r}" if self.prefix else ""
        n = len(self.unexpected)
        rest = f"; {n} others in the file were not used ({_few(self.unexpected)})" if n else ""
        return f"{len(self.matched)} weights loaded{prefix}{rest}."


def load_weights(encoder: Encoder, path: str | Path) -> LoadReport:
    """Loads a .safetensors file or a .pt state dict into the encoder, and reports what it took.

    Containers ("state_dict", "teacher") and prefixes ("module.", "backbone.", "encoder.") may have any name.  What is
    taken is the part of the file that has most of the encoder's names; of equals the teacher's, then the first.  Copies
    of a network with numbers for names (`nn.Sequential(*children)`) are understood too.

    Raises ValueError for files that are missing, truncated or hold pickled code.  For weights of another architecture it
    names the layers that differ.  The encoder is then unchanged.

    Caveat: the number of attention heads leaves no trace in the weights, nor do the mean and std that the pixels were
    normalised with.
    """
    path = Path(path)
    theirs = _read_tensors(path)
    prefix, names, extra = max((_find(theirs, s) for s in _spellings(encoder.model)), key=lambda found: len(found[1]))
    tensors = {ours: theirs[name] for ours, name in names.items()}
    _check_architecture(encoder, path, tensors, extra)
    encoder.model.load_state_dict(tensors, strict=False)
    used = set(names.values())
    return LoadReport(prefix, tuple(names), tuple(name for name in theirs if name not in used))


def _spellings(model: nn.Module) -> tuple[dict[str, str], dict[str, str]]:
    """Two ways to spell the names of tensors, {spelling: our name}: as they are, and with numbers for the children."""
    number = {child: str(i) for i, (child, _) in enumerate(model.named_children())}

    def numbered(name: str) -> str:
        child, *rest = name.split(".")
        return ".".join([number.get(child, child), *rest])

    names = list(model.state_dict())
    return {name: name for name in names}, {numbered(name): name for name in names}


def _find(theirs: Mapping[str, Tensor], spelling: Mapping[str, str]) -> tuple[str, dict[str, str], list[str]]:
    """The prefix in the file that leaves most of our names; {our name: theirs} under it; and layers that we lack."""
    votes: Counter[str] = Counter()
    for name in theirs:
        parts = name.split(".")
        votes.update("".join(f"{p}." for p in parts[:i]) for i in range(len(parts)) if ".".join(parts[i:]) in spelling)
    prefix = max(votes, key=lambda prefix: (votes[prefix], "teacher" in prefix), default="")
    cut = {name.removeprefix(prefix): name for name in theirs if name.startswith(prefix)}
    children = {name.split(".")[0] for name in spelling}
    extra = [k for k in cut if k not in spelling and k.split(".")[0] in children and not NO_LAYER & set(k.split("."))]
    return prefix, {spelling[short]: name for short, name in cut.items() if short in spelling}, extra


def _check_architecture(encoder: Encoder, path: Path, theirs: Mapping[str, Tensor], extra: Sequence[str]) -> None:
    """ValueError, with the layers that differ, unless each tensor has its like in the file, and none is left over."""
    ours = {name: tensor.shape for name, tensor in encoder.model.state_dict().items()}
    missing = [k for k in ours if k not in theirs and not k.endswith("num_batches_tracked")]  # old files lack the count
    differ = [f"{k} {tuple(t.shape)} instead of {tuple(ours[k])}" for k, t in theirs.items() if t.shape != ours[k]]
    parts = [f"{len(missing)} of its {len(ours)} tensors are missing ({_few(missing)})"] if missing else []
    parts += [f"{len(differ)} have another shape ({_few(differ)})"] if differ else []
    parts += [f"{len(extra)} in the file have no place in it ({_few(extra)})"] if extra else []  # as 34 layers in 18
    if parts:
        raise ValueError(
            f"{path} holds weights of another architecture than {json.dumps(encoder.spec)}: {'; '.join(parts)}. "
            "Name the encoder and the image size it was trained with."
        )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor in the file, under its dotted path; ValueError if the file is missing, broken or could run code."""
    if not path.is_file():
        raise ValueError(f"There is no weights file {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tree = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is damaged, or holds pickled Python objects, which could run code and are refused. "
            "Save the model's state_dict() alone, best as .safetensors."
        ) from error
    except Exception as error:  # the readers fail in whatever way the bytes lead them to
        raise ValueError(f"{path} cannot be read; it is truncated or not a weights file. Copy it again.") from error
    tensors = dict(_flatten(tree))
    if not tensors:
        raise ValueError(f"{path} holds no tensors; expected a state dict.")
    return tensors


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        else:
            yield from _flatten(value, f"{prefix}{key}.")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
