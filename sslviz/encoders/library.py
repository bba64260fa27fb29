"""What a library of networks answers of one: how it is built, and how its pictures are fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from sslviz.encoders.stated import Stated


@dataclass(frozen=True)
class Library:
    """A network that somebody else's code builds.

    - build: (image size, whether with its own weights) -> the network, and what its own weights are called; random ones are
      drawn from torch's generator
    - stated: how its pictures are fed, as far as it says
    - at_hand: whether it has weights of its own that need no download
    - settings: of a network that was built, what else `create_encoder` has to be told to build it again
    - architecture: timm's name where the network is timm's; "" for others
    """

    build: Callable[[int, bool], tuple[nn.Module, str]]
    stated: Stated
    at_hand: bool = False
    settings: Callable[[Any], Mapping[str, Any]] = lambda network: {}
    architecture: str = ""
