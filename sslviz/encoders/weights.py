"""Loading of weights: any container, any library's names, and nothing dropped without a word."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sslviz.encoders.load_report import LoadReport, few, resizing
from sslviz.encoders.name_mapping import Tensors
from sslviz.encoders.networks import Network, choose, find_networks, is_left_out
from sslviz.encoders.weight_files import WeightFile, read_weights

if TYPE_CHECKING:
    from sslviz.encoders.encoder import Encoder

__all__ = ["LoadReport", "inspect_weights", "load_own_weights", "load_weights"]

OWN = "encoder.model."  # what the names in our own checkpoints begin with
STRANGE = 0.05  # of the encoder's tensors: with fewer found, the file's own names say more than what is missing
OPTIMIZER = re.compile(r"(^|\.)(state\.\d+|optimizer\w*|exp_avg\w*|momentum_buffer|master_params)(\.|$)")
FLAT = re.compile(r"(^|[._])flat_param")
QUANTIZED = {torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2}


def load_weights(
    encoder: Encoder, path: str | Path, *, key: str | None = None, allow_unused: bool = False
) -> LoadReport:
    """Loads a file of weights into the encoder, and reports what it took.

    - path: .safetensors, what torch.save writes, the index of several shards, or a folder with one of these
    - key: which network in the file, e.g. "student"; by default the one that its paper evaluates
    - allow_unused: go on if something in the encoder's own part of the file has no place in it

    Containers ("state_dict", "teacher") and prefixes ("module.", "backbone.") may have any name.  Names of other
    libraries are translated, by timm's own functions where it has them.

    Raises ValueError for files that are missing, truncated or hold calls of code, for weights of another architecture
    (it names the layers that differ), and where several networks fit and none is known to be meant.  The encoder is then
    unchanged.

    Caveat: the number of attention heads leaves no trace in the weights, nor do the mean and std that the pixels were
    normalised with.
    """
    report, tensors = _examine(encoder, path, key, allow_unused)
    if report.problems:
        raise ValueError(" ".join(report.problems))
    encoder.model.load_state_dict(tensors, strict=False)
    return report


def inspect_weights(
    encoder: Encoder, path: str | Path, *, key: str | None = None, allow_unused: bool = False
) -> LoadReport:
    """What would `load_weights` take from this file?  The same report, with `problems` instead of an error.

    ValueError only for a file that cannot be read at all.
    """
    return _examine(encoder, path, key, allow_unused)[0]


def load_own_weights(encoder: Encoder, path: Path) -> None:
    """Loads a checkpoint that sslviz wrote: the same names, so that nothing has to be found; else as any other file."""
    names = [name for name in encoder.model.state_dict() if not name.endswith("num_batches_tracked")]
    try:
        with safe_open(path, "pt") as file:
            tensors = {name.removeprefix(OWN): file.get_tensor(name) for name in file.keys() if name.startswith(OWN)}
    except (OSError, SafetensorError):
        tensors = {}
    ours = encoder.model.state_dict()
    if all(name in tensors for name in names) and all(
        t.shape == ours[k].shape for k, t in tensors.items() if k in ours
    ):
        encoder.model.load_state_dict(tensors, strict=False)
    else:
        load_weights(encoder, path)


def _examine(encoder: Encoder, path: str | Path, key: str | None, allow_unused: bool) -> tuple[LoadReport, Tensors]:
    file = read_weights(path)
    networks = find_networks(file.tensors, encoder)
    report = LoadReport(
        str(file.path), file.format, ignored_objects=dict(file.ignored), notes=_notes(file), size=networks[0].size
    )
    if key is not None:
        networks = [network for network in networks if _is_called(network, key)]
        if not networks:
            return replace(report, problems=(_unknown_key(file, find_networks(file.tensors, encoder), key),)), {}
    fitting = [network for network in networks if network.fits]
    if not fitting:
        return replace(report, problems=(_misfit(encoder, file, networks[0]),)), {}
    report = replace(report, candidates={network.key: len(network.used) for network in fitting})
    network, why = choose(fitting, list(file.tensors))
    if network is None:
        return replace(report, problems=(_ask(file, fitting),)), {}
    why = f"asked for by --from {key}" if key is not None else why if len(fitting) > 1 else ""
    return _of_network(replace(report, chosen_by=why), encoder, file, network, fitting, allow_unused)


def _of_network(
    report: LoadReport, encoder: Encoder, file: WeightFile, network: Network, fitting: Sequence[Network], allow: bool
) -> tuple[LoadReport, Tensors]:
    """The report on the network that was chosen; with its tensors if nothing speaks against loading them."""
    elsewhere = {name for other in fitting if other is not network for name in other.used}
    inside = {name: ours for name, ours in network.left.items() if name not in elsewhere}
    ours, classifier = encoder.model.state_dict(), _classifier(encoder.model)
    heads = tuple(name for name, ours_ in inside.items() if is_left_out(ours_, ours, classifier))
    unused = tuple(name for name in inside if name not in heads)
    known = network.used | set(inside)
    report = replace(
        report,
        prefix=network.prefix,
        matched=tuple(network.tensors),
        heads=heads,
        unused=unused,
        others=tuple(name for name in file.tensors if name not in known),
        converted_by=network.layout,
        resized=tuple(resizing(*change, _patch(encoder.model)) for change in network.resized),
        problems=tuple(_problems(encoder, file, network, [inside[name] for name in unused if not allow])),
    )
    return report, {} if report.problems else network.tensors


def _notes(file: WeightFile) -> tuple[str, ...]:
    notes = list(file.notes)
    if file.modules:
        notes.append(f"The file also holds a whole pickled network ({file.modules[0]}), which was not read.")
    elif file.hidden:
        notes.append(f"{file.hidden} tensors lie inside these objects and were not read.")
    return tuple(notes)


def _classifier(model: Any) -> tuple[str, ...]:
    """Where this model would have its classifier; timm's usual places for one that does not say."""
    places = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or ("head.fc", "head", "fc", "classifier")
    return (places,) if isinstance(places, str) else tuple(places)


def _patch(model: Any) -> int | None:
    """The side of a ViT's patches in pixels."""
    size = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    return size[0] if isinstance(size, tuple) else None


# --- which network -----------------------------------------------------------------------------------------------------


def _is_called(network: Network, key: str) -> bool:
    """Whether `key` is the network's prefix, or one or several whole parts of it."""
    wanted = key.strip(".")
    return network.key == wanted or f".{wanted}." in f".{network.prefix}"


def _unknown_key(file: WeightFile, networks: Sequence[Network], key: str) -> str:
    fitting = [network.key for network in networks if network.fits]
    there = f"networks that fit: {few(fitting, 6)}" if fitting else f"its names begin with {few(_first_parts(file), 6)}"
    return f"{file.path} has no network under {key!r}; {there}."


def _first_parts(file: WeightFile) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] for name in file.tensors))


def _ask(file: WeightFile, fitting: Sequence[Network]) -> str:
    keys = [network.key for network in fitting]
    return (
        f"{file.path} holds {len(keys)} networks that fit ({few(keys, 6)}), and which is meant cannot be told. "
        f"Choose one with --from {keys[0]}."
    )


# --- what speaks against it -----------------------------------------------------------------------------------------


def _problems(encoder: Encoder, file: WeightFile, network: Network, unused: Sequence[str]) -> list[str]:
    problems = []
    if unused:
        problems.append(
            f"{_another(encoder, file)}: {len(unused)} in the file have no place in it ({few(unused)}). Name the encoder "
            "it was trained with, or go on without them with --allow-unused."
        )
    ours = encoder.model.state_dict()
    quantized = [
        name for name, t in network.tensors.items() if t.dtype in QUANTIZED and ours[name].dtype not in QUANTIZED
    ]
    if quantized:
        problems.append(f"{file.path} holds quantised weights ({few(quantized)}). Take those from before quantisation.")
    broken = [name for name, t in network.tensors.items() if t.is_floating_point() and not t.float().isfinite().all()]
    if broken and not quantized:
        problems.append(
            f"{file.path} holds NaN or infinite weights in {len(broken)} tensors ({few(broken)}): the training diverged. "
            "Take an earlier checkpoint."
        )
    return problems


def _another(encoder: Encoder, file: WeightFile) -> str:
    return f"{file.path} holds weights of another architecture than {json.dumps(encoder.spec)}"


def _misfit(encoder: Encoder, file: WeightFile, network: Network) -> str:
    """Why no network of the file fits, in one sentence or two, by the one that comes closest."""
    if found := _kind_of_file(file):
        return found
    ours = encoder.model.state_dict()
    channels = _channels(network, ours)
    if channels:
        way_out = (
            "For grey pictures shown as RGB, save its first weight w as `w.repeat(1, 3, 1, 1) / 3`."
            if channels == 1
            else "If its first three are red, green and blue, save its first weight w as `w[:, :3]`."
        )
        many = f"{channels} channel{'s' * (channels > 1)}"
        return f"{file.path} is of a network for pictures of {many}; encoders here see 3 (RGB). {way_out}"
    missing, differ = network.missing, network.differ
    parts = [f"{len(missing)} of its {len(ours)} tensors are missing ({few(missing)})"] if missing else []
    shapes = [f"{k} {shape} instead of {tuple(ours[k].shape)}" for k, shape in differ.items()]
    parts += [f"{len(differ)} have another shape ({few(shapes)})"] if differ else []
    if len(network.used) < STRANGE * len(ours):
        parts.append(f"the file's names match next to nothing; the first are {few(list(file.tensors))}")
    elif left := [name for name in network.left.values() if not is_left_out(name, ours, _classifier(encoder.model))]:
        parts.append(f"{len(left)} in the file have no place in it ({few(left)})")
    shard = re.search(r"-(\d{5})-of-(\d{5})", file.path.name)
    end = "Name the encoder and the image size it was trained with."
    if shard:
        end = f"It is one of {int(shard[2])} shards: name their index (*.index.json) or the folder."
    return f"{_another(encoder, file)}: {'; '.join(parts)}. {end}"


def _kind_of_file(file: WeightFile) -> str | None:
    """A sentence for files that hold no plain network at all."""
    names = list(file.tensors)
    if any(FLAT.search(name) for name in names) or re.search("DTensor|ShardedTensor", " ".join(file.ignored)):
        return (
            f"{file.path} holds weights that FSDP flattened or spread over processes. Save a full state dict: "
            "torch.distributed.checkpoint.state_dict.get_model_state_dict with full_state_dict=True."
        )
    if file.modules:
        return (
            f"{file.path} holds a whole pickled network of class {file.modules[0]}, and building it would run its code. "
            "Save its weights alone where the class is known: `torch.save(model.state_dict(), FILE)`."
        )
    if "quantised tensor" in file.ignored:
        return f"{file.path} holds quantised tensors. Take the weights from before quantisation."
    if all(OPTIMIZER.search(name) for name in names):
        return f"{file.path} holds the state of an optimiser and no network. Take the file that was saved beside it."
    if sum(name.endswith((".kernel", ".scale", ".embedding")) for name in names) > len(names) / 4:
        return f"{file.path} has the names of a Flax model ({few(names)}). Convert it to a PyTorch state dict first."
    return None


def _channels(network: Network, ours: Mapping[str, Tensor]) -> int | None:
    """How many channels the network takes, if its first convolution differs from ours in that alone."""
    for name, shape in network.differ.items():
        mine = tuple(ours[name].shape)
        if (
            len(shape) == 4
            and len(mine) == 4
            and mine[1] == 3 != shape[1]
            and (shape[0], *shape[2:]) == (mine[0], *mine[2:])
        ):
            return shape[1]
    return None
