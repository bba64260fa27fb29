"""Networks of torchvision: `torchvision/resnet50`, without their classifier."""

from __future__ import annotations

import difflib
import inspect
import warnings
from typing import Any

from torch import nn
from torchvision import models

from sslviz.encoders.library import Library
from sslviz.encoders.stated import Stated
from sslviz.encoders.timm_model import first_line

# Those whose position embeddings, or windows, are for one size, and how that is said.
SIZED = {"vit_": lambda size: {"image_size": size}, "maxvit_": lambda size: {"input_size": (size, size)}}


def open_model(name: str) -> Library:
    """The model of this name; ValueError, with close names, for an unknown one.

    How it is fed is stated by the transforms of its default weights.
    """
    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "torchvision.models.list_models() names all."
        raise ValueError(f"torchvision has no classifier {name!r} whose network could be taken; {hint}")
    weights: Any = models.get_model_weights(name)

    def build(image_size: int, pretrained: bool) -> tuple[nn.Module, str]:
        model: Any = _built(name, image_size, weights.DEFAULT if pretrained else None)
        head = _classifier(model)
        model.set_submodule(head, nn.Identity())
        model.pretrained_cfg = {"classifier": head}  # by which the reader of weights knows what it may leave out
        return model, f"torchvision's {weights.DEFAULT}" if pretrained else ""

    return Library(build, _stated(name, weights))


def _stated(name: str, weights: Any) -> Stated:
    if not len(weights):
        return Stated()
    fed = weights.DEFAULT.transforms()
    size, resized = fed.crop_size[0], fed.resize_size[0]
    values = {"mean": tuple(fed.mean), "std": tuple(fed.std), "image_size": size, "crop": round(size / resized, 3)}
    return Stated(values | {"interpolation": fed.interpolation.value}, f"torchvision's {weights.DEFAULT}")


def _built(name: str, image_size: int | None, weights: Any) -> nn.Module:
    options = next((given(image_size) for start, given in SIZED.items() if name.startswith(start) and image_size), {})
    if weights is None and "init_weights" in inspect.signature(models.get_model_builder(name)).parameters:
        options["init_weights"] = False  # GoogLeNet's and Inception's own take a minute
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torchvision, on how GoogLeNet's weights begin
        try:
            return models.get_model(name, weights=weights, **options)
        except Exception as error:  # torchvision's own, or the network's: there is no common class
            lacking = "its weights could not be had (are you online?)"
            what = lacking if weights else f"not for {image_size} pixels"
            raise ValueError(f"torchvision has {name}, but {what}: {first_line(error)}") from error


def _classifier(model: nn.Module) -> str:
    """The last layer that gives scores of classes."""
    last = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and "aux" not in n.lower()}
    return list(last)[-1]
