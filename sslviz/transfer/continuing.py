"""Pretraining that goes on from a checkpoint: its own method, heads and all, on other pictures without labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.methods import METHODS, MethodChoice, build_method
from sslviz.runs import Checkpoint
from sslviz.training.optimizers import choose_recipe
from sslviz.training.pretrain import pretrain
from sslviz.views import ViewPolicy

BATCH = 64  # pictures of a step: a few hundred pictures of a domain are then several batches an epoch
WATCHED = 16  # pictures that the loop looks at before and after, which nobody reads


def head_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Method and settings that it was pretrained with; ValueError for an encoder from elsewhere."""
    if checkpoint.head is None:
        raise ValueError(
            f"{checkpoint.run} was not pretrained here, so neither the method nor the head is known with which it would go "
            "on; continue it with its own code, or leave this question out."
        )
    return dict(checkpoint.head)


def continued(
    checkpoint: Checkpoint, stages: list[np.ndarray], steps: int, rate: float, seed: int, *, fresh: bool
) -> Encoder:
    """The encoder after it was trained on these pictures, stage by stage, each with its share of the steps."""
    start = checkpoint.untrained(seed + 1) if fresh else checkpoint
    shares = np.diff(np.round(np.linspace(0, steps, len(stages) + 1)).astype(int))
    with TemporaryDirectory() as folder:
        for i, (pixels, of_stage) in enumerate(zip(stages, shares, strict=True)):
            if of_stage:
                start = _trained(start, pixels, int(of_stage), rate, seed, Path(folder) / f"{i}")
        return start.encoder()


def _trained(start: Checkpoint, pixels: np.ndarray, steps: int, rate: float, seed: int, out: Path) -> Checkpoint:
    """The last checkpoint of a run in `out` that begins with this one, heads and all."""
    head, size = head_of(start), start.encoder().image_size
    given = Images(_resized(pixels, size), np.arange(len(pixels)).astype(str), pd.DataFrame(index=range(len(pixels))))
    recipe, _ = choose_recipe(head["method"], METHODS[head["method"]], {}, None)

    def build(encoder: Encoder, seed: int) -> tuple[nn.Module, ViewPolicy]:
        method, policy = build_method(head["method"], encoder, head["settings"] or {}, seed)
        load_method(method, start)
        return method, policy

    run = pretrain(
        given,
        head["method"],
        out=out,
        encoder=start.config["name"],
        steps=steps,
        batch_size=min(BATCH, len(pixels)),
        learning_rate=recipe.learning_rate * rate,
        seed=seed,
        held_out=given.rows(np.arange(min(WATCHED, len(given)))),
        eval_every=steps,
        checkpoint_every=steps,
        progress=False,
        choice=MethodChoice(head["method"], build),
    )
    return replace(run.last, run=start.run, head=start.head)


def load_method(method: Any, start: Checkpoint) -> None:
    """Puts the weights of the checkpoint into the method: encoder, heads and buffers; slow copies begin as their models."""
    from safetensors.torch import load_file

    method.encoder.model.load_state_dict(start.encoder().model.state_dict())
    if start.path is not None:
        own = {name: tensor.shape for name, tensor in method.state_dict().items()}
        kept = {name: x for name, x in load_file(start.path).items() if own.get(name) == x.shape}
        method.load_state_dict(kept, strict=False)
    for slow, online in getattr(method, "ema", {}).items():
        method.get_submodule(slow).load_state_dict(method.get_submodule(online).state_dict())


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """The pictures at the encoder's size, uint8 (n, size, size, 3)."""
    if pixels.shape[1:3] == (size, size):
        return np.array(pixels)
    x = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float()
    x = F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
