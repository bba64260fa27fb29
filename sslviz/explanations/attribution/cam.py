"""Class activation maps: Grad-CAM and LayerCAM, for networks that end in a grid."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attribution.question import Answer, Question
from sslviz.explanations.passes import Passes


def grad_cam(question: Question) -> Answer:
    """Which places of the last grid raise s?  Channels weighted by their mean gradient, only what is positive.

    ReLU(sum_c mean(ds/da_c) a_c), enlarged bilinearly (arXiv:1610.02391).  The grid is the last before pooling.  Of
    transformers it is `blocks[-1].norm1`: after it the gradient of every patch is zero where a class token is read out.

    Caveat: As coarse as the grid; for transformers the mean gradient says little, and LayerCAM more.
    """

    def read(a: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.mean((2, 3), keepdim=True) * a).sum(1).relu()

    return _maps(question, read)


def layer_cam(question: Question) -> Answer:
    """Which places of the last grid raise s?  Each activation times its own positive gradient, only what is positive.

    ReLU(sum_c ReLU(ds/da_c) a_c) (LayerCAM, doi:10.1109/TIP.2021.3089943), on the same grid as Grad-CAM.

    Caveat: As coarse as the grid, and what speaks against s is left out.
    """

    def read(a: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.relu() * a).sum(1).relu()

    return _maps(question, read)


def passes_of_cam(encoder: Encoder, images: Images, baselines: int) -> Passes:
    """One answer of each picture, whose gradient goes back to the last grid only; and one that shows the grid."""
    return Passes(len(images) + 1)


def _maps(question: Question, read: Any) -> Answer:
    grid = last_grid(question)
    parts = []
    for _, x, references in question.chunks():
        a, gradient = activations(question, x, references, grid)
        if not gradient.any():
            raise ValueError(
                f"No gradient of {question.target.words} reaches the last grid of {question.encoder.name}; take "
                "integrated gradients, or a method that covers parts of the image."
            )
        small = read(a, gradient)[:, None].float()
        parts.append(F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)[:, 0].cpu())
    return Answer(torch.cat(parts)[None])


@torch.no_grad()
def last_grid(question: Question) -> tuple[int, int]:
    """Rows and columns of the last grid of features; ValueError for an encoder that has none."""
    encoder = question.encoder
    try:
        grid = encoder.tokens(question.x[:1].to(question.device)).shape[-2:]
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"{encoder.name} does not end in a grid of places, so there is nothing for Grad-CAM to weigh; take "
            "integrated gradients or occlusion."
        ) from error
    return int(grid[0]), int(grid[1])


def activations(
    question: Question, x: Tensor, references: tuple[Tensor, ...], grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """What the last grid holds, and the gradient of s there: two (b, c, rows, columns)."""
    held, features = question.encoder.face.split(x)
    s = question.target.value(features, *references)
    (gradient,) = torch.autograd.grad(s.sum(), held, allow_unused=True, materialize_grads=True)
    on_grid = question.encoder.face.on_grid
    return on_grid(held.detach(), grid), on_grid(gradient.detach(), grid)
