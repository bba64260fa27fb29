"""Networks of timm that lie on a hub: `hf_hub:NAME`, as timm reads them."""

from __future__ import annotations

from typing import Any

import timm
from timm.models import load_model_config_from_hf
from torch import nn

from sslviz.encoders.library import Library
from sslviz.encoders.stated import Stated, timm_values
from sslviz.encoders.timm_model import first_line


def open_model(name: str) -> Library:
    """The model that this repository holds; ValueError, in one sentence, where the hub cannot be asked."""
    try:
        config, architecture, arguments = load_model_config_from_hf(name.partition(":")[2])
    except Exception as error:  # the hub's or the network's: there is no common class
        raise ValueError(f"timm could not read {name} from the hub (are you online?): {first_line(error)}") from error
    settings = dict(arguments or {})

    def build(image_size: int, pretrained: bool) -> tuple[nn.Module, str]:
        options: dict[str, Any] = {"img_size": image_size} if config.get("fixed_input_size") else {}
        source = name if pretrained else architecture
        try:
            model = timm.create_model(source, pretrained=pretrained, num_classes=0, **{**settings, **options})
        except Exception as error:  # timm's own, the hub's or the network's: there is no common class
            raise ValueError(f"timm could not build {name} (are you online?): {first_line(error)}") from error
        return model, f"the weights of {name}"

    return Library(
        build, Stated(timm_values(config), f"the config.json of {name}"), False, lambda network: settings, architecture
    )
