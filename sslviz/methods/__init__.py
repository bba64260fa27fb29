"""Ways of learning without labels, one paper per file; method.py is the contract that all of them keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.build import build
from sslviz.methods.byol import BYOL
from sslviz.methods.colorization import Colorization
from sslviz.methods.inpainting import Inpainting
from sslviz.methods.jigsaw import Jigsaw
from sslviz.methods.method import Batch, Method, Reconstruction, TrainingImages
from sslviz.methods.recipe import Recipe
from sslviz.methods.relative_position import RelativePosition
from sslviz.methods.rotation import Rotation
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.vicreg import VICReg
from sslviz.views import ViewPolicy

METHODS: dict[str, type[Method]] = {
    # pretext tasks
    "rotation": Rotation,
    "jigsaw": Jigsaw,
    "relative_position": RelativePosition,
    "colorization": Colorization,
    "inpainting": Inpainting,
    # contrastive
    "simclr": SimCLR,
    # self-distillation
    "byol": BYOL,
    "simsiam": SimSiam,
    # redundancy reduction
    "vicreg": VICReg,
    # clustering
    # masked and generative
    # predictive coding and latent prediction
    # hybrid
}

__all__ = [
    "BYOL",
    "METHODS",
    "Batch",
    "Colorization",
    "Inpainting",
    "Jigsaw",
    "Method",
    "Recipe",
    "Reconstruction",
    "RelativePosition",
    "Rotation",
    "SimCLR",
    "SimSiam",
    "TrainingImages",
    "VICReg",
    "build_method",
]


def build_method(
    name: str, encoder: Encoder, settings: Mapping[str, Any], seed: int = 0
) -> tuple[nn.Module, ViewPolicy]:
    """The method of this name around this encoder, and its views; ValueError for unknown names and settings."""
    if name not in METHODS:
        raise ValueError(f"There is no method {name!r}; the methods are: {', '.join(METHODS)}.")
    return build(name, METHODS[name], encoder, settings, seed)
