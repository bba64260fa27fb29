"""Networks of other libraries by name: `torchvision/NAME`, `transformers/NAME`, `hf_hub:NAME`, `package.module:function`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslviz.encoders import hub_model, own_function, torchvision_model, transformers_model
from sslviz.encoders.library import Library


def is_foreign(name: str) -> bool:
    """Whether this names a network that is neither timm's nor ours."""
    return name.startswith(("torchvision/", "transformers/", "hf_hub:", "hf-hub:")) or ":" in name


def open_library(name: str, settings: Mapping[str, Any] | None = None) -> Library:
    """The network of this name; ValueError, in one sentence, where its library lacks it or cannot be had.

    - settings: what is stored beside the name, so that nothing has to be fetched again
    """
    library, _, rest = name.partition("/")
    if library == "torchvision":
        return torchvision_model.open_model(rest)
    if library == "transformers":
        return transformers_model.open_model(rest, settings)
    if name.startswith(("hf_hub:", "hf-hub:")):
        return hub_model.open_model(name)
    return own_function.open_function(name)
