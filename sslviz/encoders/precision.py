"""Precision of an encoder that only looks: float32, or bfloat16 where that is faster and says the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.encoders.encoder import Encoder
from sslviz.encoders.folding import folded
from sslviz.encoders.timm_model import first_line
from sslviz.runtime.hardware import multiplies_bfloat16

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
SAME = 0.999  # the least cosine of a picture's features in bfloat16 with those in float32
# The same after the pictures' mean is taken away: rounding is 6 % of the variance of features, then.  An untrained
# encoder's features are nearly the same for all pictures, and a plain cosine near 1 says nothing of their differences.
# Measured at 0.98 (EfficientNet-Lite0 untrained, 240 pictures): RankMe 21.2 and 21.4, accuracy of a probe 0.68 and 0.67.
SAME_CENTERED = 0.97
PROBE = 4  # pictures that are compared: rounding is alike in all, and a hundred pictures should not wait for eight
SMALLEST = 96  # pixels; below, an encoder of ours is too small for any of this to pay, and stays as it always was


def chosen_precision(
    encoder: Encoder, x: Tensor, asked: str = "auto", say: Callable[[str], None] = lambda reason: None
) -> str:
    """The precision an encoder is to compute in: "fp32" or "bf16".

    - x: some pictures as the encoder expects them, (b, 3, s, s) on its device; the first `PROBE` are compared
    - asked: one of `PRECISIONS`.  "auto" is "bf16" where the processor multiplies it faster, the pictures have `SMALLEST`
      pixels or more a side, and all features in bfloat16 point where those in float32 do
    - say: is told why where the features are what speaks against bfloat16

    The same encoder, pictures and machine give the same answer: nothing is timed.  The encoder is in evaluation mode.
    ValueError for another word.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"There is no precision {asked!r}; there are: {', '.join(PRECISIONS)}.")
    if asked != "auto":
        return asked
    if x.shape[-1] < SMALLEST or not multiplies_bfloat16(x.device.type):
        return "fp32"
    reason = _difference(encoder, x[:PROBE])
    if reason:
        say(f"{encoder.name} is computed in fp32: {reason}.")
    return "fp32" if reason else "bf16"


def quick_copy(encoder: Encoder, x: Tensor) -> Encoder:
    """`folded`, for pictures x (b, 3, s, s) of `SMALLEST` pixels or more; the encoder itself for smaller ones."""
    return folded(encoder, x) if x.shape[-1] >= SMALLEST else encoder


def in_precision(encoder: Encoder, precision: str) -> Encoder:
    """The encoder itself for "fp32", a copy with all numbers in bfloat16 for "bf16".

    Its input has the type of its numbers (`features.embed.preprocess` sees to it), and so have its features.
    A copy, since autocast would cast the weights in every pass.
    """
    return encoder if precision == "fp32" else copy.deepcopy(encoder).to(torch.bfloat16)


@torch.inference_mode()
def _difference(encoder: Encoder, x: Tensor) -> str:
    """What speaks against bfloat16; empty where nothing does."""
    full = encoder(x).float().flatten(1)
    try:
        half = in_precision(encoder, "bf16")(x.to(torch.bfloat16)).float().flatten(1)
    except (RuntimeError, NotImplementedError, TypeError) as error:  # not all operations exist in bfloat16
        return f"it does not run in bf16 ({first_line(error)})"
    plain = float(F.cosine_similarity(full, half).min())
    if not plain > SAME:  # NaN does not either
        return f"a picture's features in bf16 have a cosine of {plain:.4f} with those in fp32, where {SAME} is asked"
    if len(x) == 1:
        return ""
    center = full.mean(0)
    centered = float(F.cosine_similarity(full - center, half - center).min())
    if not centered > SAME_CENTERED:
        return f"what tells pictures apart has a cosine of {centered:.3f} in bf16 with that in fp32"
    return ""
