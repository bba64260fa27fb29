"""The attribution methods: one literal table that Python, the app and `sslviz list maps` read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attribution import cam, gradients, occlusion
from sslviz.explanations.attribution.question import Answer
from sslviz.explanations.passes import Passes
from sslviz.explanations.targets.from_images import Reference, target_passes
from sslviz.explanations.targets.targets import Target


@dataclass(frozen=True)
class AttributionMethod:
    """One way to share a number out among pixels.

    - compute: makes the maps; its options are the keywords behind `question`, its docstring begins with what it says
    - title: the method's name where it is offered to be chosen
    - passes: how often it asks, (encoder, images, number of baselines, **options) -> Passes
    - at_image: whether it follows the gradient at the image itself
    - baselines: those it is measured against unless others are given; none where it has none
    - samples: whether it draws samples, so that maps of their halves are at hand
    - signed: whether a map has negative values, which speak against
    - target: what is explained unless another target is given
    """

    compute: Callable[..., Answer]
    title: str
    passes: Callable[..., Passes]
    at_image: bool = False
    baselines: tuple[str, ...] = ()
    samples: bool = False
    signed: bool = True
    target: str = "self"


BOTH = ("mean", "blur")
ATTRIBUTION_METHODS = {
    "integrated_gradients": AttributionMethod(
        gradients.integrated_gradients, "Integrated gradients", gradients.passes_of_integrated, baselines=BOTH
    ),
    "saliency": AttributionMethod(
        gradients.saliency, "Saliency", gradients.passes_of_gradient, at_image=True, signed=False
    ),
    "input_x_gradient": AttributionMethod(
        gradients.input_x_gradient, "Input x gradient", gradients.passes_of_gradient, at_image=True
    ),
    "smoothgrad": AttributionMethod(
        gradients.smoothgrad, "SmoothGrad", gradients.passes_of_smoothgrad, at_image=True, samples=True, signed=False
    ),
    "grad_cam": AttributionMethod(cam.grad_cam, "Grad-CAM", cam.passes_of_cam, at_image=True, signed=False),
    "layer_cam": AttributionMethod(cam.layer_cam, "LayerCAM", cam.passes_of_cam, at_image=True, signed=False),
    "occlusion": AttributionMethod(occlusion.occlusion, "Occlusion", occlusion.passes_of_occlusion, baselines=BOTH),
    "feature_ablation": AttributionMethod(
        occlusion.feature_ablation, "Feature ablation", occlusion.passes_of_ablation, baselines=BOTH
    ),
    "kernel_shap": AttributionMethod(occlusion.kernel_shap, "KernelShap", occlusion.passes_of_shap, baselines=BOTH),
    "relax": AttributionMethod(
        occlusion.relax, "RELAX", occlusion.passes_of_relax, baselines=("mean",), samples=True, target="self_cosine"
    ),
}


def attribution_passes(
    method: str,
    images: Images,
    encoder: Encoder,
    *,
    target: str | Target | None = None,
    reference: Reference | None = None,
    baseline: Any = None,
    check: bool = True,
    **options: Any,
) -> Passes:
    """How many pictures go through the encoder for `attribute` with these arguments?  ValueError as there.

    The target, the values at the images and their baselines and the check in a second way are counted too.  Of
    integrated gradients it is about as many, because a path takes the steps that it needs.

    Example:
        >>> import sslviz
        >>> encoder = sslviz.create_encoder("conv_nano", image_size=32)
        >>> attribution_passes("saliency", sslviz.shapes(n=4), encoder)
        Passes(forward=16, backward=8)
    """
    known, n = attribution_method(method, baseline, options), len(images)
    k = len(baseline) if isinstance(baseline, tuple) else len(known.baselines) if baseline is None else 1
    once = known.passes(encoder, images, k, **options)
    mirrored = once if check and k < 2 and not known.samples else Passes()
    asked = target_passes(target, reference, images, default=known.target)
    return asked + n * Passes(1 + k) + once + mirrored


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
