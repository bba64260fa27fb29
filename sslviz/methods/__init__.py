"""Ways of learning without labels, one paper per file; method.py is the contract that all of them keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.autoregressive import Autoregressive
from sslviz.methods.build import build
from sslviz.methods.byol import BYOL
<<<<<<< HEAD
<<<<<<< HEAD
<<<<<<< HEAD
from sslviz.methods.hard_negatives import HardNegatives
=======
from sslviz.methods.contrastive_reconstruction import ContrastiveReconstruction
from sslviz.methods.ijepa import IJEPA
from sslviz.methods.mae import MAE
>>>>>>> masked
=======
from sslviz.methods.denoising import Denoising
>>>>>>> pictures
from sslviz.methods.method import Batch, Method, Reconstruction, TrainingImages
from sslviz.methods.moco import MoCo
from sslviz.methods.nnclr import NNCLR
from sslviz.methods.recipe import Recipe
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simmim import SimMIM
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.supcon import SupCon
=======
from sslviz.methods.cpc import CPC
from sslviz.methods.deepcluster import DeepCluster
from sslviz.methods.method import Batch, Method, Reconstruction, TrainingImages
from sslviz.methods.patch_codes import PatchCodes
from sslviz.methods.recipe import Recipe
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.swav import SwAV
>>>>>>> clusters
from sslviz.methods.vicreg import VICReg
from sslviz.views import ViewPolicy

METHODS: dict[str, type[Method]] = {
    # pretext tasks
    # contrastive
    "simclr": SimCLR,
    "moco": MoCo,
    "nnclr": NNCLR,
    "hard_negatives": HardNegatives,
    "supcon": SupCon,
    # self-distillation
    "byol": BYOL,
    "simsiam": SimSiam,
    # redundancy reduction
    "vicreg": VICReg,
    # clustering
    "swav": SwAV,
    "deepcluster": DeepCluster,
    # masked and generative
<<<<<<< HEAD
<<<<<<< HEAD
    "patch_codes": PatchCodes,
    "autoregressive": Autoregressive,
=======
    "denoising": Denoising,
>>>>>>> pictures
    # predictive coding and latent prediction
    "cpc": CPC,
=======
    "mae": MAE,
    "simmim": SimMIM,
    # predictive coding and latent prediction
    "ijepa": IJEPA,
>>>>>>> masked
    # hybrid
    "contrastive_reconstruction": ContrastiveReconstruction,
}

__all__ = [
    "BYOL",
<<<<<<< HEAD
    "CPC",
=======
    "IJEPA",
    "MAE",
>>>>>>> masked
    "METHODS",
<<<<<<< HEAD
    "NNCLR",
    "Batch",
<<<<<<< HEAD
<<<<<<< HEAD
    "HardNegatives",
=======
    "ContrastiveReconstruction",
>>>>>>> masked
=======
    "Denoising",
>>>>>>> pictures
    "Method",
    "MoCo",
=======
    "Autoregressive",
    "Batch",
    "DeepCluster",
    "Method",
    "PatchCodes",
>>>>>>> clusters
    "Recipe",
    "Reconstruction",
    "SimCLR",
    "SimMIM",
    "SimSiam",
<<<<<<< HEAD
    "SupCon",
=======
    "SwAV",
>>>>>>> clusters
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
