"""Networks of other libraries by name: `torchvision/NAME`, `transformers/NAME`, `hf_hub:NAME`, `package.module:function`."""

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


def is_foreign(name: str) -> bool:
    """Whether this names a network that is neither timm's nor ours."""
    return name.startswith(("torchvision/", "transformers/", "hf_hub:", "hf-hub:")) or ":" in name


def open_library(name: str, settings: Mapping[str, Any] | None = None) -> Library:
    """The network of this name; ValueError, in one sentence, where its library lacks it or cannot be had.

    - settings: what is stored beside the name, so that nothing has to be fetched again
    """
    from sslviz.encoders import hub_model, own_function, torchvision_model, transformers_model

    library, _, rest = name.partition("/")
    if library == "torchvision":
        return torchvision_model.open_model(rest)
    if library == "transformers":
        return transformers_model.open_model(rest, settings)
    if name.startswith(("hf_hub:", "hf-hub:")):
        return hub_model.open_model(name)
    return own_function.open_function(name)
