"""Stems of ResNets: the first convolution and the max-pool, which libraries build in several ways for small pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from timm.models.resnet import ResNet
from torch import nn

LOW_RESOLUTION = 64  # up to this many pixels a ResNet trained here gets the small stem (arXiv 2002.05709, App. B.9)
DEEP = ("standard", "low-resolution")  # what there is to choose where the stem is three convolutions of 3x3


@dataclass(frozen=True)
class Stem:
    """How a ResNet begins.

    - kernel, stride, padding: of its first convolution
    - pool: whether the max-pool follows
    - used_by: who builds it so
    """

    kernel: int
    stride: int
    padding: int
    pool: bool
    used_by: str = ""

    def __str__(self) -> str:
        pool = "max-pool" if self.pool else "no max-pool"
        return f"{self.kernel}x{self.kernel}, stride {self.stride}, padding {self.padding}, {pool}"


# Of those with the same kernel the first is taken: a file of weights holds the kernel, and nothing of the rest.
STEMS = {
    "standard": Stem(7, 2, 3, True, "torchvision and timm at every size; lightly's examples, also at 32 px"),
    "low-resolution": Stem(3, 1, 1, False, "SimCLR for CIFAR-10 (arXiv 2002.05709, App. B.9), and most after it"),
    "solo-learn": Stem(3, 1, 2, False, "solo-learn for CIFAR (solo/methods/base.py)"),
    "3x3-maxpool": Stem(3, 1, 1, True, "W-MSE for STL-10 and Tiny ImageNet (htdt/self-supervised, model.py)"),
}
SPELLED = "7x7,stride=1,padding=3,no-maxpool"  # how any other stem is given


class ChosenStem(NamedTuple):
    """The stem's name, what it is in words, and where the choice comes from."""

    name: str
    layers: str
    origin: str


def apply_stem(
    model: nn.Module,
    name: str,
    *,
    asked: tuple[str, str] | None,
    image_size: int,
    pretrained: bool,
    kernel: tuple[int, ...] | None,
) -> ChosenStem | None:
    """Builds the stem that is asked for, that the file's kernel tells, or that is the default; None where there is none.

    - asked: a stem, and who asks for it
    - kernel: the shape of the file's first convolution; None where there is no file, () where the file shows none

    ValueError for a stem nobody knows, and for a kernel that does not fit it.
    """
    resnet: Any = model
    if not isinstance(model, ResNet):
        if asked:
            raise ValueError(
                f"Only ResNets have a stem to choose, and only those of timm; {name} has none: leave out --stem."
            )
        return None
    deep = isinstance(resnet.conv1, nn.Sequential)
    first = resnet.conv1[0] if deep else resnet.conv1
    if pretrained:
        kernel = tuple(first.weight.shape)
    if kernel and (kernel[0] != first.out_channels or kernel[2] % 2 == 0):
        kernel = ()  # another network, perhaps of patches: the reader of weights says so
    chosen, origin = asked or _default(name, image_size, pretrained, kernel, deep)
    stem = parse_stem(chosen)
    _check(name, chosen, stem, kernel, deep)
    if not deep:
        _change(resnet, stem)
        return ChosenStem(chosen, str(stem), origin)
    if chosen == "low-resolution":
        first.stride, resnet.maxpool = (1, 1), nn.Identity()
    return ChosenStem(
        chosen, "three of 3x3, " + str(stem).split(", ", 1)[1].replace(f"padding {stem.padding}, ", ""), origin
    )


def parse_stem(text: str) -> Stem:
    """The stem of this name, or spelled out ("7x7,stride=1,padding=3,no-maxpool"); ValueError for anything else."""
    if text in STEMS:
        return STEMS[text]
    found = re.fullmatch(r"(\d+)x\1,stride=(\d+),padding=(\d+),(no-)?maxpool", text.replace(" ", ""))
    if not found or "0" in found.group(1, 2):
        raise ValueError(f"There is no stem {text!r}; it is one of {', '.join(STEMS)}, or spelled out, as {SPELLED}.")
    kernel, stride, padding = map(int, found.group(1, 2, 3))
    return Stem(kernel, stride, padding, pool=not found[4])


def input_kernel(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> tuple[int, ...]:
    """The shape of the convolution that pictures enter, which alone has three channels; () where none or several do."""
    entering = {name: shape for name, shape in shapes if len(shape) == 4 and shape[1] == 3}
    named = {shape for name, shape in entering.items() if name.endswith("conv1.weight")}
    found = named if len(set(entering.values())) > 1 else set(entering.values())
    return found.pop() if len(found) == 1 else ()


def _default(
    name: str, image_size: int, pretrained: bool, kernel: tuple[int, ...] | None, deep: bool
) -> tuple[str, str]:
    """The stem where none is asked for, and why."""
    if pretrained:
        return "standard", "timm's own"
    if kernel is None:
        small = image_size <= LOW_RESOLUTION
        return ("low-resolution", "standard")[
            not small
        ], f"sslviz's default {'up to' if small else 'above'} {LOW_RESOLUTION} px"
    if deep or not kernel:
        return "standard", "timm's own; stride and max-pool leave no trace in a file (--stem low-resolution)"
    fitting = [key for key, row in STEMS.items() if kernel[2:] == (row.kernel, row.kernel)]
    if not fitting:
        known = " and ".join(sorted({f"{row.kernel}x{row.kernel}" for row in STEMS.values()}))
        raise ValueError(
            f"The weights' first convolution has the shape {kernel}, and {name} is known with {known}. "
            f"Spell its stem out, as --stem {SPELLED}."
        )
    others = "".join(f"; --stem {key}: {STEMS[key]}" for key in fitting[1:])
    return fitting[0], f"the shapes in the file; stride, padding and max-pool leave no trace in it{others}"


def _check(name: str, chosen: str, stem: Stem, kernel: tuple[int, ...] | None, deep: bool) -> None:
    if deep and chosen not in DEEP:
        raise ValueError(
            f"{name} begins with three convolutions of 3x3; its stem is {' or '.join(DEEP)}, not {chosen}."
        )
    size = 3 if deep else stem.kernel
    if kernel and kernel[2:] != (size, size):
        ours = f"{name}, which begins with three convolutions of 3x3" if deep else f"the stem {chosen} ({stem})"
        raise ValueError(f"The weights' first convolution has the shape {kernel}, which does not fit {ours}.")


def _change(model: Any, stem: Stem) -> None:
    old = model.conv1
    if (stem.kernel, stem.stride, stem.padding) != (old.kernel_size[0], old.stride[0], old.padding[0]):
        model.conv1 = nn.Conv2d(
            old.in_channels, old.out_channels, stem.kernel, stride=stem.stride, padding=stem.padding, bias=False
        )
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    if not stem.pool:
        model.maxpool = nn.Identity()
