"""Why weights do not fit an encoder, each reason in its own sentence with the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sslviz.encoders.foreign_files import few
from sslviz.encoders.networks import Network, is_left_out
from sslviz.encoders.weight_files import WeightFile

if TYPE_CHECKING:
    from sslviz.encoders.encoder import Encoder

STRANGE = 0.05  # of the encoder's tensors: with fewer found, the file's own names say more than what is missing
OPTIMIZER = re.compile(r"(^|\.)(state\.\d+|optimizer\w*|exp_avg\w*|momentum_buffer|master_params)(\.|$)")
FLAT = re.compile(r"(^|[._])flat_param")
QUANTIZED = re.compile(r"\.(absmax|quant_map|quant_state\S*|SCB|qweight|qzeros|weight_format)$")  # bitsandbytes, GPTQ
ADAPTER = re.compile(r"(^|\.)(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector)(\.|$)")  # peft, loralib
RUNNING = re.compile(r"(^|\.)running_(mean|var)$")  # of batch normalisation; parameters() is without them
EIGHT_BITS = {torch.float8_e4m3fn, torch.float8_e5m2}


def classifier_of(model: Any) -> tuple[str, ...]:
    """Where this model would have its classifier; timm's usual places for one that does not say."""
    places = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or ("head.fc", "head", "fc", "classifier")
    return (places,) if isinstance(places, str) else tuple(places)


def problems_of(encoder: Encoder, file: WeightFile, network: Network, unused: Sequence[str]) -> list[str]:
    """What speaks against loading a network whose names and shapes fit; `unused` has no place in the encoder."""
    problems = []
    if any(ADAPTER.search(name) for name in unused):
        problems.append(_adapter(file))
    elif unused:
        problems.append(
            f"{_another(encoder, file)}: {len(unused)} in the file have no place in it ({few(unused)}). Name the encoder "
            "it was trained with, or go on without them with --allow-unused."
        )
    ours = encoder.model.state_dict()
    real = {name: tensor for name, tensor in network.tensors.items() if ours[name].is_floating_point()}
    quantized = [name for name, t in real.items() if t.dtype in EIGHT_BITS or not t.is_floating_point()]
    if quantized:
        kind = str(real[quantized[0]].dtype).removeprefix("torch.")
        problems.append(
            f"{file.path} holds quantised weights ({kind}: {few(quantized)}). Take those from before quantisation."
        )
    broken = [name for name, t in real.items() if not t.float().isfinite().all() and ours[name].isfinite().all()]
    if broken and not quantized:
        problems.append(
            f"{file.path} holds NaN or infinite weights in {len(broken)} tensors ({few(broken)}): the training diverged. "
            "Take an earlier checkpoint."
        )
    return problems


def _another(encoder: Encoder, file: WeightFile) -> str:
    asked = {key: encoder.spec[key] for key in ("name", "image_size", "stem") if key in encoder.spec}
    return f"{file.path} holds weights of another architecture than {json.dumps(asked)}"


def misfit(encoder: Encoder, file: WeightFile, network: Network) -> str:
    """Why no network of the file fits, in one sentence or two, by the one that comes closest."""
    if found := _kind_of_file(file):
        return found
    ours = encoder.model.state_dict()
    if network.missing and not network.differ and all(RUNNING.search(name) for name in network.missing):
        return (
            f"{file.path} lacks the running mean and variance of batch normalisation ({few(network.missing)}), without "
            "which no features are told. Save model.state_dict(), which has them, instead of the parameters."
        )
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
    elif left := [name for name in network.left.values() if not is_left_out(name, ours, classifier_of(encoder.model))]:
        parts.append(f"{len(left)} in the file have no place in it ({few(left)})")
    if file.hidden:
        parts.append(f"{file.hidden} tensors lie inside objects that are not read ({few(list(file.ignored))})")
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
    if "quantised tensor" in file.ignored or any(QUANTIZED.search(name) for name in names):
        return f"{file.path} holds quantised tensors. Take the weights from before quantisation."
    if any(ADAPTER.search(name) for name in names):
        return _adapter(file)
    if names == ["tensor"]:
        return f"{file.path} holds one tensor and no network. Save a state dict, {{name: tensor}}."
    if all(re.fullmatch(r"(\w+\.)?\d+", name) for name in names):
        return (
            f"{file.path} holds a list of {len(names)} tensors without names, of which none can be placed. "
            "Save model.state_dict() instead of the parameters."
        )
    if all(OPTIMIZER.search(name) for name in names):
        return f"{file.path} holds the state of an optimiser and no network. Take the file that was saved beside it."
    if sum(name.endswith((".kernel", ".scale", ".embedding")) for name in names) > len(names) / 4:
        return f"{file.path} has the names of a Flax model ({few(names)}). Convert it to a PyTorch state dict first."
    return None


def _adapter(file: WeightFile) -> str:
    return (
        f"{file.path} holds adapters (LoRA), which change the weights of another file. Merge them where they were trained "
        "(peft: `model.merge_and_unload()`), and save the state_dict() of that."
    )


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
