"""Which networks a file of weights holds, how well each fits an encoder, and which of several is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.encoders.name_mapping import Tensors, layouts, sources, timms_filter, traced, without_wrappers

SHARE = 0.4  # of the encoder's tensors: what a part of the file must hold to be tried as a network
RESIZED = re.compile(r"(^|\.)(pos_embed(_\w+)?|relative_position_bias_table|rel_pos_[hw])$")  # what timm resizes
COUNTS = "num_batches_tracked"  # of batch normalisation; old files lack it, and evaluation does not use it
COMPUTED = {
    "relative_position_index",
    "relative_coords_table",
    "attn_mask",
    "bias_mask",
    "periods",
    COUNTS,
}  # not learned
TRAINING_ONLY = {  # first names, beside an encoder's own, of what its features do not pass through; and why
    r"head|heads|head_dist|fc|classifier|linear|lin_cls|mlp_head|last_linear": "a classifier or projection on the features",
    r"pre_logits|aux|aux\d|aux_\w+|AuxLogits": "a layer before the classifier that timm dropped, or a second classifier",
    r"online_(classifier|head|linear)\w*|linear_probe\w*|probe\w*": "a probe trained along",
    r"proj|projectors?|projection|projection_head|proj_head|contrastive_head|neck|bottleneck": "a projection (SimCLR)",
    r"predictors?|prediction|prediction_head|pred_head|pred": "a predictor (BYOL, SimSiam)",
    r"prototypes\w*|dino_head|ibot_head|last_layer|swav_head|dino_loss|ibot_patch_loss|koleo_loss": "prototypes (SwAV, DINO)",
    r"queue\w*|center|centers|criterion|loss|loss_fn|loss_func": "the state of a loss (MoCo, DINO)",
    r"mask_token|masked_embed|mask_embed": "what stands for hidden patches in training (MAE, iBOT, DINOv2)",
    r"decoder|decoder_\w+": "a decoder of pixels (MAE, SimMIM)",
    r"pooler": "a layer behind the class token that transformers adds untrained",
    r"logit_scale|logit_bias|text_\w+|token_embedding|ln_final|textual": "the text side of CLIP",
    r"n_averaged|initted|steps?|epoch|global_step|num_updates|iterations?": "a counter of the training",
    r"pixel_mean|pixel_std|mean|std|normalize|normalizer": "the mean and std of the pixels: see --mean and --std",
}


@dataclass(frozen=True)
class Network:
    """A part of a file, read as weights of an encoder.

    - prefix: what stands before its names in the file
    - layout: whose names they are; "" for timm's own
    - tensors: what is to be loaded, by our names
    - used: names in the file of all that went into these
    - left: {name in the file: our name} for what lies in the same part and was not used
    - missing: our names that it does not have
    - differ: {our name: shape in the file} where the shape is another
    - resized: (our name, shape in the file, our shape)
    - size: how many tensors the encoder has
    """

    prefix: str
    layout: str
    tensors: Tensors
    used: frozenset[str]
    left: Mapping[str, str]
    missing: tuple[str, ...]
    differ: Mapping[str, tuple[int, ...]]
    resized: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    size: int

    @property
    def fits(self) -> bool:
        """Whether each tensor of the encoder has its like here."""
        return not self.missing and not self.differ

    @property
    def key(self) -> str:
        """What `--from` calls it."""
        return self.prefix.rstrip(".") or "(the whole file)"


def find_networks(theirs: Mapping[str, Tensor], encoder: Any) -> list[Network]:
    """Every part of the file that may be the encoder: those that fit first, then by how many names they share.

    Parts that would be read from the same tensors are one.
    """
    ours = encoder.model.state_dict()
    clean = without_wrappers(theirs, ours)
    of_file = {short: name for name, short in clean.items()}
    marked = traced({short: theirs[name] for short, name in of_file.items()})
    filter_ = timms_filter(encoder.model, encoder.name)
    found: dict[frozenset[str], Network] = {}
    for prefix in _parts(list(marked), len(ours)):
        inside = {name.removeprefix(prefix): tensor for name, tensor in marked.items() if name.startswith(prefix)}
        network = _best(prefix, inside, encoder.model, ours, filter_, of_file)
        known = found.get(network.used)
        if known is None or (network.fits, len(network.prefix)) > (known.fits, len(known.prefix)):
            found[network.used] = network
    return sorted(found.values(), key=lambda n: (not n.fits, -len(n.used)))


def _parts(names: Sequence[str], size: int) -> list[str]:
    """Prefixes under which the file has enough names for a network; the whole file is one."""
    counts: dict[str, int] = {"": len(names)}
    for name in names:
        parts = name.split(".")[:-1]
        for i in range(1, len(parts) + 1):
            prefix = ".".join(parts[:i]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    return [prefix for prefix, n in counts.items() if n >= SHARE * size or n == len(names)]


def _best(
    prefix: str, inside: Tensors, model: nn.Module, ours: Tensors, filter_: Any, of_file: Mapping[str, str]
) -> Network:
    """The reading of one part of the file that fits, or else shares most names with the encoder."""
    best: Network | None = None
    for layout, tensors in layouts(inside, model):
        readings = [(layout, tensors)]
        if filter_:
            readings.append(
                (f"{layout}, by timm" if layout else f"the model's authors, by timm ({filter_[0]})", tensors)
            )
        for whose, spelled in readings:
            converted = filter_[1](spelled) if whose != layout else spelled
            network = _read(prefix, whose, inside, spelled, converted, ours, of_file)
            if best is None or (network.fits, len(network.tensors), len(network.used)) > (
                best.fits,
                len(best.tensors),
                len(best.used),
            ):
                best = network
            if best.fits:
                return best
    assert best is not None
    return best


def _read(
    prefix: str,
    layout: str,
    inside: Tensors,
    spelled: Tensors,
    tensors: Tensors,
    ours: Tensors,
    of_file: Mapping[str, str],
) -> Network:
    """One reading of a part of the file: `inside` as it is there, `spelled` in timm's names, `tensors` also converted."""
    shared = {name: tensors[name] for name in ours if name in tensors}
    resized, differ = {}, {}
    for name, tensor in shared.items():
        before = _shape_before(tensor, prefix, inside)
        grown = before is not None and torch.Size(before).numel() != tensor.numel()
        if tensor.shape != ours[name].shape or (grown and not RESIZED.search(name) and not name.endswith("cls_token")):
            differ[name] = before if grown and before is not None else tuple(tensor.shape)
        elif grown and before is not None and RESIZED.search(name) and not _same_grid(before, tuple(tensor.shape)):
            resized[name] = (name, before, tuple(tensor.shape))
    used = frozenset().union(*(sources(tensor) for tensor in shared.values())) if shared else frozenset()
    named = [*spelled.items(), *tensors.items()]
    names = {next(iter(sources(tensor))): name for name, tensor in named if len(sources(tensor)) == 1}
    if all(sources(tensor) == {prefix + name} for name, tensor in shared.items()):
        layout = ""  # only sizes changed
    own = prefix if not layout else _common_prefix(used) or prefix
    spelled_prefix = _prefix_in_file(own, used, of_file)
    beside = [f"{prefix}{name}" for name in inside if f"{prefix}{name}" not in used]
    beside = [name for name in beside if name.startswith(own) and of_file[name].startswith(spelled_prefix)]
    left = {of_file[name]: names.get(name, name.removeprefix(own)) for name in beside}
    return Network(
        spelled_prefix,
        layout,
        {name: tensor.as_subclass(Tensor) for name, tensor in shared.items()},
        frozenset(of_file[name] for name in used),
        left,
        tuple(name for name in ours if name not in shared and not name.endswith(COUNTS)),
        differ,
        tuple(resized.values()),
        len(ours),
    )


def _shape_before(tensor: Tensor, prefix: str, inside: Tensors) -> tuple[int, ...] | None:
    """The shape in the file of what became this tensor; None for one that was made of several."""
    made_of = [name.removeprefix(prefix) for name in sources(tensor)]
    return tuple(inside[made_of[0]].shape) if len(made_of) == 1 else None


def _same_grid(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return grid(a) is not None and grid(a) == grid(b)


def grid(shape: tuple[int, ...]) -> int | None:
    """The side of the square grid of patches that position embeddings (1, n, d) are for; None if there is none."""
    tokens = shape[1] if len(shape) == 3 else 0
    sides = [
        round((tokens - extra) ** 0.5) for extra in (0, 1, 2, 5) if tokens > extra
    ]  # class, distillation, registers
    return next((side for side, extra in zip(sides, (0, 1, 2, 5), strict=False) if side * side == tokens - extra), None)


def _common_prefix(names: frozenset[str]) -> str:
    """The dotted prefix that all names share."""
    paths = [name.split(".")[:-1] for name in names]
    shared = 0
    while paths and all(len(path) > shared and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    return "".join(f"{part}." for part in paths[0][:shared]) if paths else ""


def _prefix_in_file(own: str, used: frozenset[str], of_file: Mapping[str, str]) -> str:
    """The prefix as the file spells it, wrappers and all."""
    depth = own.count(".")
    spelled = []
    for short in used:
        parts, kept = of_file[short].split("."), short.split(".")
        i = j = 0
        while i < len(parts) and (j < depth or parts[i] != kept[j]):
            j += parts[i] == kept[j]
            i += 1
        spelled.append("".join(f"{part}." for part in parts[:i]))
    return min(spelled, key=len, default=own)


def is_left_out(name: str, ours: Mapping[str, Tensor], classifier: Sequence[str]) -> bool:
    """Whether the tensor that timm would call so is a head, by its position, or a table that is computed.

    A head is the classifier that this model would have, or a known part of training beside the encoder's own names.
    """
    if name.split(".")[-1] in COMPUTED:
        return True
    if any(name.startswith(f"{head}.") for head in classifier if not any(one.startswith(f"{head}.") for one in ours)):
        return True
    first = name.split(".")[0]
    beside = first not in {one.split(".")[0] for one in ours}
    return beside and any(re.fullmatch(pattern, first) for pattern in TRAINING_ONLY)
