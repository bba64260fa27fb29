"""Ways of learning without labels, one paper per file; method.py is the contract that all of them keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.autoregressive import Autoregressive
from sslviz.methods.barlow_twins import BarlowTwins
from sslviz.methods.build import build
from sslviz.methods.byol import BYOL
from sslviz.methods.colorization import Colorization
from sslviz.methods.contrastive_reconstruction import ContrastiveReconstruction
from sslviz.methods.cpc import CPC
from sslviz.methods.deepcluster import DeepCluster
from sslviz.methods.denoising import Denoising
from sslviz.methods.dino import DINO
from sslviz.methods.hard_negatives import HardNegatives
from sslviz.methods.ijepa import IJEPA
from sslviz.methods.inpainting import Inpainting
from sslviz.methods.jigsaw import Jigsaw
from sslviz.methods.lejepa import LeJEPA
from sslviz.methods.mae import MAE
from sslviz.methods.method import Batch, Method, MethodChoice, Reconstruction, TrainingImages
from sslviz.methods.moco import MoCo
from sslviz.methods.nnclr import NNCLR
from sslviz.methods.patch_codes import PatchCodes
from sslviz.methods.recipe import Recipe
from sslviz.methods.relative_position import RelativePosition
from sslviz.methods.rotation import Rotation
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simmim import SimMIM
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.supcon import SupCon
from sslviz.methods.swav import SwAV
from sslviz.methods.vicreg import VICReg
from sslviz.methods.wmse import WMSE
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
    "moco": MoCo,
    "nnclr": NNCLR,
    "hard_negatives": HardNegatives,
    "supcon": SupCon,
    # self-distillation
    "byol": BYOL,
    "simsiam": SimSiam,
    "dino": DINO,
    # redundancy reduction
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
    "wmse": WMSE,
    "lejepa": LeJEPA,
    # clustering
    "swav": SwAV,
    "deepcluster": DeepCluster,
    # masked and generative
    "mae": MAE,
    "simmim": SimMIM,
    "denoising": Denoising,
    "patch_codes": PatchCodes,
    "autoregressive": Autoregressive,
    # predictive coding and latent prediction
    "cpc": CPC,
    "ijepa": IJEPA,
    # hybrid
    "contrastive_reconstruction": ContrastiveReconstruction,
}

__all__ = [
    "BYOL",
    "CPC",
    "DINO",
    "IJEPA",
    "MAE",
    "METHODS",
    "NNCLR",
    "WMSE",
    "Autoregressive",
    "BarlowTwins",
    "Batch",
    "Colorization",
    "ContrastiveReconstruction",
    "DeepCluster",
    "Denoising",
    "HardNegatives",
    "Inpainting",
    "Jigsaw",
    "LeJEPA",
    "Method",
    "MethodChoice",
    "MoCo",
    "PatchCodes",
    "Recipe",
    "Reconstruction",
    "RelativePosition",
    "Rotation",
    "SimCLR",
    "SimMIM",
    "SimSiam",
    "SupCon",
    "SwAV",
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
