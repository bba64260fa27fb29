"""Weights by their order: where names differ, tensors are paired one after the other, if kinds and shapes agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sslviz.encoders.foreign_files import few
from sslviz.encoders.networks import COMPUTED

KINDS = {  # what the last part of a name says of a tensor; the number of its dimensions says it of the others
    r"running_mean|moving_mean|mean": "running mean",
    r"running_var|moving_variance|moving_var|var|variance": "running variance",
    r"bias|beta|b": "bias",
}
BY_DIMENSIONS = {1: "norm", 2: "linear", 4: "conv"}
HEAD = 2  # tensors that may be left at the end: weight and bias of a classifier

Pairs = tuple[tuple[str, str], ...]


class Ordered(NamedTuple):
    """Tensors of a file, paired with an encoder's by their order.

    - tensors: {our name: tensor}
    - pairs: (name in the file, our name)
    - left: names behind the last pair
    - caveat: which of these pairs only the order tells apart
    - problem: the first that does not agree; "" where all do
    """

    tensors: dict[str, Tensor]
    pairs: Pairs = ()
    left: tuple[str, ...] = ()
    caveat: str = ""
    problem: str = ""


def matched_in_order(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], path: str) -> Ordered:
    """The file's tensors in the encoder's places; with a problem, and no tensors, where they do not agree.

    Tables that are computed and counters are left out on both sides.  At the end of the file a classifier may be left.
    """
    theirs, ours = (
        {name: tensor for name, tensor in side.items() if name.split(".")[-1] not in COMPUTED}
        for side in (theirs, ours)
    )
    pairs = tuple(zip(theirs, ours, strict=False))
    for number, (their, our) in enumerate(pairs, 1):
        mine, other = (kind_of(our, ours[our]), ours[our].shape), (kind_of(their, theirs[their]), theirs[their].shape)
        if mine != other:
            words = [f"{name} ({kind} {tuple(shape)})" for name, (kind, shape) in ((their, other), (our, mine))]
            sorted_ = (
                " A .safetensors file keeps no order: save with torch.save." if path.endswith(".safetensors") else ""
            )
            return Ordered(
                {},
                problem=f"{path} does not agree in order with the encoder: tensor {number} of the file is {words[0]}, "
                f"where the encoder has {words[1]}.{sorted_}",
            )
    left = tuple(list(theirs)[len(pairs) :])
    if len(pairs) < len(ours) or len(left) > HEAD:
        return Ordered(
            {},
            problem=f"{path} does not agree in order with the encoder: it has {len(theirs)} tensors, the encoder {len(ours)}"
            f"{f', and at its end are {few(left)}' if left else ''}.",
        )
    return Ordered({our: theirs[their] for their, our in pairs}, pairs, left, _caveat(pairs, ours))


def kind_of(name: str, tensor: Tensor) -> str:
    """conv, linear, norm, bias, running mean or running variance, by the last part of the name, else by the dimensions."""
    last = name.split(".")[-1].lower()
    found = next((kind for pattern, kind in KINDS.items() if re.fullmatch(rf"(.*_)?({pattern})", last)), None)
    return found if found and tensor.ndim == 1 else BY_DIMENSIONS.get(tensor.ndim, f"{tensor.ndim}-dimensional")


def _caveat(pairs: Pairs, ours: Mapping[str, Tensor]) -> str:
    """How many could be exchanged with another of the same kind and shape, which no check of shapes would notice."""
    looks = {our: (kind_of(our, ours[our]), tuple(ours[our].shape)) for _, our in pairs}
    counts = Counter(looks.values())
    alike = [our for our, look in looks.items() if counts[look] > 1]
    if not alike:
        return ""
    return (
        f"{len(alike)} of {len(pairs)} tensors have the kind and shape of another ({few(alike)}), so that only the order says "
        "which is which: compare with features that are known to be right."
    )


@torch.no_grad()
def changes_features(before: Tensor, after: Tensor) -> bool:
    """Whether features after loading differ from those of the untrained encoder."""
    return not torch.allclose(before, after, rtol=1e-3, atol=1e-6)


def part_of(names: Sequence[str], key: str | None) -> dict[str, str]:
    """{name in the file: the same without the prefix} of the part that `--from` names; the whole file without it."""
    start = f"{key.strip('.')}." if key else ""
    return {name: name.removeprefix(start) for name in names if name.startswith(start)}
