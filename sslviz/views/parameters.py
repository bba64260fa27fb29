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
    """How was each view made?  One number per view and image, shape (views, b), for the views of one size.

    `box` (views, b, 4) is top, left, height and width of the crop in whole pixels of the image; `flip` is bool.
    `brightness`, `contrast` and `saturation` are factors (1 changes nothing), `hue` is in turns (0 changes nothing);
    `gray` is bool and overrules saturation and hue.  `sigma` is the blur in pixels of the view (0 is none), `solarize`
    is bool; each is None where the policy never does it.  To see what a step does, `dataclasses.replace` it and render.
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
        """How were the views of some of the images made?"""
        tensors: dict[str, Any] = {name: x[:, images] for name, x in vars(self).items() if isinstance(x, Tensor)}
        return replace(self, **tensors)


def one_by_one(p: ViewParameters, height: int, width: int) -> Iterator[tuple[str, ViewParameters, Tensor]]:
    """What does each step of a view do alone?  First no step at all (""), then one of ALTERED at a time.

    `p` is of images of `height` x `width` pixels.  Yields the name, the parameters to render and how much was changed,
    (b,): log2 of the crop's share of the area, factors, turns, pixels of blur; NaN for flips and greys, which are all or
    nothing.
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
