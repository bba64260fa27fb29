"""An encoder before it looks at many pictures: does it give one row of numbers each, and in which precision?"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

from sslviz.encoders import Encoder
from sslviz.encoders.precision import PROBE, chosen_precision, in_precision, quick_copy
from sslviz.features.batches import NO_ROOM, out_of_memory

STEADY = 1e-3  # of the largest feature: rounding by batches is a hundred times less, dropout a hundred times more


@torch.inference_mode()
def checked_encoder(encoder: Encoder, x: Tensor, asked: str, *, said: bool = True) -> tuple[Encoder, dict[str, Any]]:
    """The encoder in the precision that is asked for, and what `source` keeps of it: "precision", and why where it says.

    - x: pictures as it expects them, (b, 3, s, s) on its device; a few are enough
    - asked: one of `PRECISIONS`
    - said: whether the user is told in a line where bfloat16 was possible and not taken

    ValueError where it does not give finite features (b, d) that stay the same.  Also where it does not run in the
    precision that was named, and where memory does not hold a picture.
    """
    reasons: list[str] = []
    try:
        full = _checked_output(encoder, x[:PROBE])
        quick = quick_copy(encoder, x[:1])
        precision = chosen_precision(quick, x[:PROBE], asked, reasons.append, full=full)
        network = in_precision(quick, precision)
        if asked.startswith("bf16"):
            _try(network, x[:1].to(next(network.parameters()).dtype), asked)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        if len(x) == 1:
            raise ValueError(NO_ROOM.format(name=encoder.name)) from error
        return checked_encoder(encoder, x[: min(len(x), PROBE) // 2], asked, said=said)
    if reasons and said:
        print(reasons[0], file=sys.stderr, flush=True)
    return network, {"precision": precision} | ({"precision_note": reasons[0]} if reasons else {})


def _checked_output(encoder: Encoder, x: Tensor) -> Tensor:
    """The features (b, d); ValueError, in a sentence, for what cannot be any, or differs when it is asked again."""
    expected = f"{encoder.name} has to give a tensor of features ({len(x)}, d) for {len(x)} pictures"
    out: Any = encoder(x)
    if not isinstance(out, Tensor):
        keys = f" with {', '.join(map(str, out))}" if isinstance(out, dict) else ""
        raise ValueError(
            f"{expected}, and gives a {type(out).__name__}{keys}; wrap it so that it gives the features alone."
        )
    if out.ndim != 2 or len(out) != len(x):
        raise ValueError(f"{expected}, and gives one of shape {tuple(out.shape)}.")
    if not out.isfinite().all():
        raise ValueError(f"{encoder.name} gives values that are not finite; check its weights, mean and std.")
    again = encoder(x[:1])
    if not (out[:1] - again).abs().max() <= STEADY * out.abs().max():
        raise ValueError(
            f"{encoder.name} gives a picture other features when it is asked again, alone: in evaluation mode it still "
            "draws random numbers (dropout?) or mixes the pictures of a batch (statistics of the batch?)."
        )
    return out


def _try(network: Encoder, x: Tensor, precision: str) -> None:
    try:
        network(x)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        if out_of_memory(error):
            raise
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{network.name} does not run in {precision} ({line}); take --precision fp32.") from error
