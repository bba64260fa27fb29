"""The attribution methods: one literal table that Python, the app and `sslviz list maps` read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sslviz.explanations.attribution import cam, gradients, occlusion
from sslviz.explanations.attribution.question import Answer


@dataclass(frozen=True)
class AttributionMethod:
    """One way to share a number out among pixels.

    - compute: makes the maps; its options are the keywords behind `question`, its docstring begins with what it says
    - title: the method's name where it is offered to be chosen
    - passes: about how many forward passes one picture takes, the check by a second way included; a gradient counts as
      two more
    - at_image: whether it follows the gradient at the image itself
    - baselines: those it is measured against unless others are given; none where it has none
    - signed: whether a map has negative values, which speak against
    - target: what is explained unless another target is given
    """

    compute: Callable[..., Answer]
    title: str
    passes: int
    at_image: bool = False
    baselines: tuple[str, ...] = ()
    signed: bool = True
    target: str = "self"


BOTH = ("mean", "blur")
ATTRIBUTION_METHODS = {
    "integrated_gradients": AttributionMethod(
        gradients.integrated_gradients, "Integrated gradients", 300, baselines=BOTH
    ),
    "saliency": AttributionMethod(gradients.saliency, "Saliency", 6, at_image=True, signed=False),
    "input_x_gradient": AttributionMethod(gradients.input_x_gradient, "Input x gradient", 6, at_image=True),
    "smoothgrad": AttributionMethod(gradients.smoothgrad, "SmoothGrad", 100, at_image=True, signed=False),
    "grad_cam": AttributionMethod(cam.grad_cam, "Grad-CAM", 6, at_image=True, signed=False),
    "layer_cam": AttributionMethod(cam.layer_cam, "LayerCAM", 6, at_image=True, signed=False),
    "occlusion": AttributionMethod(occlusion.occlusion, "Occlusion", 500, baselines=BOTH),
    "feature_ablation": AttributionMethod(occlusion.feature_ablation, "Feature ablation", 140, baselines=BOTH),
    "kernel_shap": AttributionMethod(occlusion.kernel_shap, "KernelShap", 1100, baselines=BOTH),
    "relax": AttributionMethod(occlusion.relax, "RELAX", 1000, baselines=("mean",), target="self_cosine"),
}


def attribution_method(name: str, baseline: Any, options: Mapping[str, Any]) -> AttributionMethod:
    """The method of this name; ValueError for another, for options that are not its own, for a baseline it has not."""
    if name not in ATTRIBUTION_METHODS:
        close = difflib.get_close_matches(name, ATTRIBUTION_METHODS, n=1)
        start = f"did you mean {close[0]}? There" if close else "there"
        raise ValueError(f"There is no method {name!r}; {start} are: {', '.join(ATTRIBUTION_METHODS)}.")
    method = ATTRIBUTION_METHODS[name]
    own_options = list(inspect.signature(method.compute).parameters)[1:]
    if unknown := sorted(set(options) - set(own_options)):
        raise ValueError(f"{name} has no option {unknown[0]!r}; it has {', '.join(own_options) or 'none'}.")
    if baseline is not None and not method.baselines:
        raise ValueError(f"{name} looks at the image alone and has no baseline; leave it out.")
    if isinstance(baseline, tuple) and not baseline:
        raise ValueError(f"{name} needs at least one baseline; got an empty tuple.")
    return method
