"""Loading of weights: any container, any library's names, and nothing dropped without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sslviz.encoders.foreign_files import few
from sslviz.encoders.load_report import LoadReport, resizing
from sslviz.encoders.misfits import classifier_of, misfit, problems_of
from sslviz.encoders.name_mapping import Tensors
from sslviz.encoders.network_choice import choose
from sslviz.encoders.networks import Network, find_networks, is_left_out
from sslviz.encoders.order_match import changes_features, matched_in_order, part_of
from sslviz.encoders.weight_files import WeightFile, read_weights

if TYPE_CHECKING:
    from sslviz.encoders.encoder import Encoder

__all__ = ["LoadReport", "inspect_weights", "load_own_weights", "load_weights"]

Match = Literal["names", "order"]
OWN = "encoder.model."  # what the names in our own checkpoints begin with


def load_weights(
    encoder: Encoder, path: str | Path, *, key: str | None = None, allow_unused: bool = False, match: Match = "names"
) -> LoadReport:
    """Loads a file of weights into the encoder, and reports what it took.

    - path: .safetensors, what torch.save writes, the index of several shards, or a folder with one of these
    - key: which network in the file, e.g. "student"; by default the one that its paper evaluates
    - allow_unused: go on if something in the encoder's own part of the file has no place in it
    - match: "order" takes the tensors one after the other, whatever they are called, if kinds and shapes agree

    Containers ("state_dict", "teacher") and prefixes ("module.", "backbone.") may have any name.  Names of other
    libraries are translated, by timm's own functions where it has them.

    Raises ValueError for files that are missing, truncated or hold calls of code.  Also for weights of another
    architecture (it names the layers that differ), and where several networks fit and none is known to be meant.  The
    encoder is then unchanged.

    Caveat: the number of attention heads leaves no trace in the weights, nor do the mean and std that the pixels were
    normalised with.
    """
    report, tensors = _examine(encoder, path, key, allow_unused, match)
    if report.problems:
        raise ValueError(" ".join(report.problems))
    if match == "order":
        _load_in_order(encoder, tensors, path)
    else:
        encoder.model.load_state_dict(tensors, strict=False)
    return report


def inspect_weights(
    encoder: Encoder, path: str | Path, *, key: str | None = None, allow_unused: bool = False, match: Match = "names"
) -> LoadReport:
    """What would `load_weights` take from this file?  The same report, with `problems` instead of an error.

    ValueError only for a file that cannot be read at all.
    """
    return replace(_examine(encoder, path, key, allow_unused, match)[0], loaded=False)


def load_own_weights(encoder: Encoder, path: Path) -> None:
    """Loads a checkpoint that sslviz wrote: the same names, so that nothing has to be found; else as any other file."""
    ours = {name: tensor.shape for name, tensor in encoder.model.state_dict().items()}
    try:
        with safe_open(path, "pt") as file:
            own = [name for name in file.keys() if name.startswith(OWN)]
            tensors = {name.removeprefix(OWN): file.get_tensor(name) for name in own}
    except (OSError, SafetensorError):
        tensors = {}
    if {name: tensor.shape for name, tensor in tensors.items()} == ours:
        encoder.model.load_state_dict(tensors)
    else:
        load_weights(encoder, path)


def _load_in_order(encoder: Encoder, tensors: Tensors, path: str | Path) -> None:
    """Loads them; ValueError, and the encoder as it was, where its features stay what they were."""
    before, kept = _tried(encoder), {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    encoder.model.load_state_dict(tensors, strict=False)
    after = _tried(encoder)
    if not changes_features(before, after) or not after.isfinite().all():
        encoder.model.load_state_dict(kept)
        found = "the same features as before" if after.isfinite().all() else "NaN or infinite features"
        raise ValueError(f"With {path} in this order the encoder gives {found}; the order is not that of its weights.")


@torch.inference_mode()
def _tried(encoder: Encoder) -> Tensor:
    x = torch.randn(2, 3, encoder.image_size, encoder.image_size, generator=torch.Generator().manual_seed(0))
    was_training = encoder.training
    encoder.eval()
    try:
        return encoder(x.to(next(encoder.parameters())))
    finally:
        encoder.train(was_training)


def _examine_order(encoder: Encoder, file: WeightFile, key: str | None) -> tuple[LoadReport, Tensors]:
    """The report on tensors that are taken by their order."""
    names = part_of(list(file.tensors), key)
    if not names:
        return LoadReport(str(file.path), file.format, problems=(f"{file.path} has no network under {key!r}.",)), {}
    found = matched_in_order({name: file.tensors[name] for name in names}, encoder.model.state_dict(), str(file.path))
    network = Network("", "", found.tensors, frozenset(names), {}, (), {}, (), len(encoder.model.state_dict()))
    broken = problems_of(encoder, file, network, ()) if found.tensors else []
    report = LoadReport(
        str(file.path),
        file.format,
        prefix=f"{key.strip('.')}." if key else "",
        matched=tuple(found.tensors),
        size=network.size,
        heads=found.left,
        others=tuple(name for name in file.tensors if name not in names),
        ignored_objects=dict(file.ignored),
        pairs=found.pairs,
        notes=(*_notes(file), *filter(None, [found.caveat])),
        problems=tuple(filter(None, [found.problem, *broken])),
    )
    return report, {} if report.problems else found.tensors


def _examine(
    encoder: Encoder, path: str | Path, key: str | None, allow_unused: bool, match: Match
) -> tuple[LoadReport, Tensors]:
    """The report, and the tensors to load if there are no problems."""
    if match not in get_args(Match):
        raise ValueError(f"Weights are matched by names or by order; got {match!r}.")
    file = read_weights(path)
    if match == "order":
        return _examine_order(encoder, file, key)
    networks = find_networks(file.tensors, encoder)
    fitting = [network for network in networks if network.fits]
    report = LoadReport(
        str(file.path),
        file.format,
        candidates={network.key: len(network.used) for network in fitting},
        size=networks[0].size,
        ignored_objects=dict(file.ignored),
        notes=_notes(file),
    )
    meant = networks if key is None else _called(networks, key)
    if not meant:
        return replace(report, problems=(_unknown_key(file, networks, key),)), {}
    if not meant[0].fits:
        return replace(report, problems=(_why_none_fits(encoder, file, meant[0]),)), {}
    network, why = choose([network for network in meant if network.fits], list(file.tensors))
    if network is None:
        return replace(report, problems=(_ask(file, [network for network in meant if network.fits]),)), {}
    reasons = [f"asked for by --from {key}"] * (key is not None) + [why] * bool(why)
    report = replace(report, chosen_by="; ".join(reasons))
    return _of_network(report, encoder, file, network, fitting, allow_unused)


def _why_none_fits(encoder: Encoder, file: WeightFile, closest: Network) -> str:
    """What differs; and, where nothing but the names does, how to load the weights all the same."""
    if matched_in_order(file.tensors, encoder.model.state_dict(), str(file.path)).tensors:
        return (
            f"{file.path} has other names than {encoder.name}, but its tensors agree with the encoder's in order, kind and "
            "shape. If it is the same network, load it with --match order."
        )
    return misfit(encoder, file, closest)


def _of_network(
    report: LoadReport, encoder: Encoder, file: WeightFile, network: Network, fitting: Sequence[Network], allow: bool
) -> tuple[LoadReport, Tensors]:
    """The report on the network that was chosen; with its tensors if nothing speaks against loading them."""
    elsewhere = {name for other in fitting if other is not network for name in other.used}
    inside = {name: ours for name, ours in network.left.items() if name not in elsewhere}
    ours, classifier = encoder.model.state_dict(), classifier_of(encoder.model)
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
        problems=tuple(problems_of(encoder, file, network, [inside[name] for name in unused if not allow])),
    )
    return report, {} if report.problems else network.tensors


def _notes(file: WeightFile) -> tuple[str, ...]:
    notes = list(file.notes)
    if file.modules:
        notes.append(f"The file also holds a whole pickled network ({file.modules[0]}), which was not read.")
    elif file.hidden:
        notes.append(f"{file.hidden} tensors lie inside these objects and were not read.")
    return tuple(notes)


def _patch(model: Any) -> int | None:
    """The side of a ViT's patches in pixels."""
    size = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    return size[0] if isinstance(size, tuple) else None


# --- which network -----------------------------------------------------------------------------------------------------


def _called(networks: Sequence[Network], key: str) -> list[Network]:
    """Those whose prefix is `key`; if there is none, those of whose prefix it is one or several whole parts."""
    wanted = key.strip(".")
    exactly = [network for network in networks if network.key == wanted]
    return exactly or [network for network in networks if f".{wanted}." in f".{network.prefix}"]


def _unknown_key(file: WeightFile, networks: Sequence[Network], key: str | None) -> str:
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
