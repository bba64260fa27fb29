"""Features of the projector, the head between an encoder and its loss: from features that are known, without a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from sslviz.features.features import Features
from sslviz.runs import Checkpoint

if TYPE_CHECKING:
    from sslviz.encoders import Encoder

PROJECTOR = "projector."  # what names of its tensors begin with, in a file of weights
NO_PROJECTOR = "{method} has no projector; use another layer."
ROWS = 4096  # at a time: a head is narrow, so that this is a few megabytes


def project(checkpoint: Checkpoint, features: Features) -> Features:
    """What does the head make of these features (n, d) of the checkpoint's own encoder?  As `embed_projector`, unseen.

    ValueError for an encoder that was not trained here, `NoProjectorError` for a method without a projector.

    Example:
        >>> import sslviz
        >>> from sslviz.features.projector import project
        >>> head = {"method": "simclr", "settings": {"hidden": 8, "out": 4}}
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None, head=head)
        >>> images = sslviz.shapes(n=6)
        >>> project(checkpoint, sslviz.embed(checkpoint, images, progress=False)).x.shape
        (6, 4)
    """
    head = load_projector(checkpoint, checkpoint.encoder()).eval()
    with torch.inference_mode():
        parts = [
            head(torch.from_numpy(np.array(features.x[start : start + ROWS]))).numpy()
            for start in range(0, len(features), ROWS)
        ]
    source = dict(features.source) | {"layer": "projector"}
    return Features(np.concatenate(parts), features.ids, features.table, source, features.group)


class NoProjectorError(ValueError):
    """The method that a checkpoint was trained by has no head between the features and the loss."""


def load_projector(checkpoint: Checkpoint, encoder: Encoder) -> nn.Module:
    """The head between the features and the loss, with this checkpoint's weights; ValueError where there is none."""
    from safetensors.torch import load_file

    from sslviz.methods import build_method

    if checkpoint.head is None:
        raise ValueError(f"{checkpoint.run} was not pretrained here, so its projector is not known; use another layer.")
    if not has_projector(checkpoint):
        raise NoProjectorError(NO_PROJECTOR.format(method=checkpoint.head["method"]))
    method, _ = build_method(checkpoint.head["method"], encoder, checkpoint.head["settings"], checkpoint.seed)
    projector = dict(method.named_children()).get("projector")
    if projector is None:  # fresh weights, of which no file tells
        raise NoProjectorError(NO_PROJECTOR.format(method=checkpoint.head["method"]))
    if checkpoint.path is not None:
        tensors = load_file(checkpoint.path)
        projector.load_state_dict({k.removeprefix(PROJECTOR): v for k, v in tensors.items() if k.startswith(PROJECTOR)})
    return projector


def has_projector(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint has weights of a head between the features and the loss, by the names in its file alone.

    Nothing is built, which a method that has none would be at every diagnosis.  Fresh weights may be of any method.
    """
    from safetensors import safe_open

    if checkpoint.head is None or checkpoint.path is None:
        return checkpoint.head is not None
    with safe_open(checkpoint.path, "pt") as file:
        return any(name.startswith(PROJECTOR) for name in file.keys())
