"""Ways of learning without labels, one paper per file; method.py is the contract that all of them keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.barlow_twins import BarlowTwins
from sslviz.methods.build import build
from sslviz.methods.byol import BYOL
from sslviz.methods.dino import DINO
from sslviz.methods.lejepa import LeJEPA
from sslviz.methods.method import Batch, Method, Reconstruction, TrainingImages
from sslviz.methods.recipe import Recipe
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.vicreg import VICReg
from sslviz.methods.wmse import WMSE
from sslviz.views import ViewPolicy

METHODS: dict[str, type[Method]] = {
    # pretext tasks
    # contrastive
    "simclr": SimCLR,
    # self-distillation
    "byol": BYOL,
    "simsiam": SimSiam,
    "dino": DINO,
    "lejepa": LeJEPA,
    # redundancy reduction
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
    "wmse": WMSE,
    # clustering
    # masked and generative
    # predictive coding and latent prediction
    # hybrid
}

__all__ = [
    "BYOL",
    "DINO",
    "METHODS",
    "WMSE",
    "BarlowTwins",
    "Batch",
    "LeJEPA",
    "Method",
    "Recipe",
    "Reconstruction",
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
