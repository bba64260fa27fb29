"""ViewParameters: what was drawn for each view."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

ALTERED = {  # steps of a view that can be taken alone, and the parameter of each
    **{"crop": "box", "flip": "flip", "brightness": "brightness", "contrast": "contrast"},
    **{"saturation": "saturation", "hue": "hue", "gray": "gray", "blur": "sigma"},
}


@dataclass(frozen=True, eq=False)
class ViewParameters:
    """What was drawn for the views of one size: a number for each view and image, shape (views, b) unless said.

    - size: height and width of the views in pixels
    - box: top, left, height and width of the crop in whole pixels of the image, (views, b, 4)
    - flip: whether left and right are exchanged, bool
    - brightness, contrast, saturation: factors; 1 changes nothing
    - hue: in turns; 0 changes nothing
    - gray: whether colour is taken out, bool; it overrules saturation and hue
    - sigma: the blur in pixels of the view, 0 for none; None where the policy never blurs
    - solarize: whether bright pixels are inverted, bool; None where the policy never does

    To see what a step does, `dataclasses.replace` it and render.
    """

    size: int
    box: Tensor
    flip: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    gray: Tensor
    sigma: Tensor | None = None
    solarize: Tensor | None = None

    def of(self, images: slice) -> ViewParameters:
        """The parameters of some of the images."""
        tensors: dict[str, Any] = {name: x[:, images] for name, x in vars(self).items() if isinstance(x, Tensor)}
        return replace(self, **tensors)


def single_steps(p: ViewParameters, height: int, width: int) -> Iterator[tuple[str, ViewParameters, Tensor]]:
    """Views with one of the steps in ALTERED at a time, after one with none, whose name is "".

    `p` is of images of `height` x `width` pixels.  Yields the name, the parameters to render and how much was changed,
    (b,).  That is log2 of the crop's share of the area, a factor, turns or pixels of blur.  It is NaN for flips and greys,
    which are all or nothing.
    """
    one, nothing = torch.ones_like(p.hue), torch.zeros_like(p.flip)
    whole = torch.tensor([0.0, 0.0, height, width], device=p.box.device).expand_as(p.box)
    plain = ViewParameters(p.size, whole, nothing, one, one, one, 0 * one, nothing)
    yield "", plain, torch.full_like(one[0], math.nan)
    for name, field in ALTERED.items():
        value = getattr(p, field)
        if name == "crop":
            amount = (value[..., 2] * value[..., 3] / (height * width)).log2()
        else:
            amount = torch.full_like(one, math.nan) if value.dtype == torch.bool else value
        yield name, replace(plain, **{field: value}), amount[0]
