"""One encoder in several precisions: fp32, bf16, and int8 in its linear layers; the encoder itself stays as it is."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.encoders.timm_model import first_line
from sslviz.features.embed import batch_size, preprocess
from sslviz.transfer.operations import linear_layers

LOWER = ("bf16", "int8")  # precisions below that of training


@dataclass(frozen=True)
class Variant:
    """An encoder in one precision.

    - network: what computes
    - encoder: says how pictures become its input
    - dtype: of its input
    """

    network: nn.Module
    encoder: Encoder
    dtype: torch.dtype = torch.float32

    def __call__(self, pixels: Tensor) -> Tensor:
        """The features (b, d) of uint8 pixels (b, h, w, 3)."""
        return self.network(preprocess(pixels, self.encoder).to(self.dtype))


def make_variants(encoder: Encoder) -> tuple[dict[str, Variant], dict[str, str]]:
    """{precision: variant} where the encoder lies, and {precision: why it cannot be had}."""
    made, missing = {"fp32": Variant(encoder, encoder)}, {}
    for name in LOWER:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch about its own plans, once for every layer
                made[name] = _half(encoder) if name == "bf16" else _int8(encoder)
        except _Impossible as error:
            missing[name] = str(error)
    return made, missing


@torch.inference_mode()
def compare_precisions(
    variants: Mapping[str, Variant], pixels: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Cosines (n,) of features in each precision with those in fp32: below fp32 of the same picture, and of the next one.

    The mean of the features in fp32 is taken away first: most of a feature is what all pictures share.
    """
    full = _features(variants["fp32"], pixels)
    center = full.mean(0)
    same, other = {}, {}
    for name, variant in variants.items():
        x = (full if name == "fp32" else _features(variant, pixels)) - center
        if name != "fp32":
            same[name] = F.cosine_similarity(x, full - center).cpu().numpy()
        other[name] = F.cosine_similarity(x, (full - center).roll(1, 0)).cpu().numpy()
    return same, other


def _features(variant: Variant, pixels: np.ndarray) -> Tensor:
    """The features (n, d) in float32, in batches."""
    device, step = next(variant.encoder.parameters()).device, batch_size(variant.encoder)
    chunks = (torch.from_numpy(np.array(pixels[i : i + step])) for i in range(0, len(pixels), step))
    return torch.cat([variant(chunk.to(device)).float() for chunk in chunks])


class _Impossible(Exception):
    """Why a precision cannot be had."""


def _half(encoder: Encoder) -> Variant:
    return _tried(Variant(copy.deepcopy(encoder).to(torch.bfloat16), encoder, torch.bfloat16))


def _int8(encoder: Encoder) -> Variant:
    """Weights of linear layers as int8 from the start, what they are multiplied with in each pass (dynamic)."""
    if not linear_layers(encoder):
        raise _Impossible("it has no linear layers, and dynamic int8 changes nothing else")
    if next(encoder.parameters()).is_cuda:
        raise _Impossible("dynamic int8 runs on processors only, and this was measured on a GPU")
    quantize = _quantizer()
    try:
        return _tried(Variant(quantize(encoder, {nn.Linear}, dtype=torch.qint8), encoder))
    except (RuntimeError, AttributeError) as error:
        raise _Impossible(first_line(error)) from error


def _quantizer() -> Any:
    """torch's own function, which newer versions announce to drop."""
    try:
        return importlib.import_module("torch.ao.quantization").quantize_dynamic
    except (ImportError, AttributeError):
        raise _Impossible(f"torch {torch.__version__} has no dynamic int8 (torch.ao.quantization)") from None


@torch.inference_mode()
def _tried(variant: Variant) -> Variant:
    """The variant, if it takes a picture; not all operations exist in all precisions."""
    s, device = variant.encoder.image_size, next(variant.encoder.parameters()).device
    try:
        variant(torch.zeros(2, s, s, 3, dtype=torch.uint8, device=device))
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise _Impossible(first_line(error)) from error
    return variant
