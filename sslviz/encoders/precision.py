"""Precision of an encoder that only looks: float32, or bfloat16 where that is faster and says the same.

"bf16" has all numbers in bfloat16; "bf16-mixed" has the products in it, and sums and norms in float32.
"""

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

Precision = Literal["auto", "fp32", "bf16-mixed", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
SAME = 0.999  # the least cosine of a picture's features in bfloat16 with those in float32
# The same after the mean over pictures is taken away from each: rounding is 6 % of the variance of features, then.  An
# untrained encoder's features are nearly the same for all pictures, and a plain cosine near 1 says nothing of their
# differences.  Measured at 0.98 (EfficientNet-Lite0 untrained, 240 pictures): RankMe 21.2 and 21.4, accuracy of a probe
# 0.68 and 0.67.  Of an untrained ViT-S "bf16" is at 0.92 (RankMe 4.9 and 5.8), "bf16-mixed" at 0.98 (4.9 and 5.2; probe
# 0.55 and 0.57).
SAME_CENTERED = 0.97
PROBE = 4  # pictures that are compared: rounding is alike in all, and a hundred pictures should not wait for eight
SMALLEST = 96  # pixels; below, an encoder of ours is too small for any of this to pay, and stays as it always was


def chosen_precision(
    encoder: Encoder,
    x: Tensor,
    asked: str = "auto",
    say: Callable[[str], None] = lambda reason: None,
    *,
    full: Tensor | None = None,
) -> str:
    """The precision an encoder is to compute in: one of `PRECISIONS` but "auto".

    - x: some pictures as the encoder expects them, (b, 3, s, s) on its device; the first `PROBE` are compared
    - asked: one of `PRECISIONS`.  "auto" is the first of "bf16" and "bf16-mixed" whose features point where those in
      float32 do.  It is asked only if the processor is faster at it and pictures have `SMALLEST` pixels a side or more
    - say: is told why where the features are what speaks against bfloat16
    - full: the features of x in float32, where they are known already

    The same encoder, pictures and machine give the same answer: nothing is timed.  The encoder is in evaluation mode.
    ValueError for another word.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"There is no precision {asked!r}; there are: {', '.join(PRECISIONS)}.")
    if asked != "auto":
        return asked
    if x.shape[-1] < SMALLEST or not multiplies_bfloat16(x.device.type):
        return "fp32"
    x, reason = x[:PROBE], ""
    with torch.inference_mode():
        full = encoder(x) if full is None else full[:PROBE]
    for precision in ("bf16", "bf16-mixed"):  # the faster first: of a ViT-S 2.8 and 2.7 times as fast as float32
        reason = _difference(encoder, x, full.float().flatten(1), precision)
        if not reason:
            return precision
    say(f"{encoder.name} is computed in fp32: {reason}.")
    return "fp32"


def quick_copy(encoder: Encoder, x: Tensor) -> Encoder:
    """`folded`, for pictures x (b, 3, s, s) of `SMALLEST` pixels or more; the encoder itself for smaller ones."""
    return folded(encoder, x) if x.shape[-1] >= SMALLEST else encoder


class MixedEncoder(Encoder):
    """An encoder whose products are in bfloat16 and whose sums are in float32, as its features are."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder.model, encoder.spec, encoder.mean, encoder.std, encoder.preprocessing, encoder.face)
        self.plain = encoder
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """The features (b, dim) in float32."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.plain(x).float()

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """{layer: features (b, d)} in float32."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return {name: value.float() for name, value in self.plain.layers(x).items()}


def in_precision(encoder: Encoder, precision: str) -> Encoder:
    """The encoder itself for "fp32", a `MixedEncoder` for "bf16-mixed", a copy with all numbers in bfloat16 for "bf16".

    Its input has the type of its numbers (`features.embed.preprocess` sees to it), and so have its features.
    A copy, since autocast casts the weights in every pass.
    """
    if precision == "fp32":
        return encoder
    return MixedEncoder(encoder) if precision == "bf16-mixed" else copy.deepcopy(encoder).to(torch.bfloat16)


@torch.inference_mode()
def _difference(encoder: Encoder, x: Tensor, full: Tensor, precision: str) -> str:
    """What speaks against this precision, beside the features in float32; empty where nothing does."""
    try:
        half = in_precision(encoder, precision)(x.to(torch.bfloat16 if precision == "bf16" else x.dtype))
        half = half.float().flatten(1)
    except (RuntimeError, NotImplementedError, TypeError) as error:  # not all operations exist in bfloat16
        return f"it does not run in {precision} ({first_line(error)})"
    plain = float(F.cosine_similarity(full, half).min())
    if not plain > SAME:  # NaN does not either
        return f"a picture's features in {precision} have a cosine of {plain:.4f} with those in fp32, where {SAME} is asked"
    if len(x) == 1:
        return ""
    centered = float(F.cosine_similarity(full - full.mean(0), half - half.mean(0)).min())
    if not centered > SAME_CENTERED:
        return f"what tells pictures apart has a cosine of {centered:.3f} in {precision} with that in fp32"
    return ""
