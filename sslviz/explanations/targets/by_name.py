"""Which number do these words mean?  Targets by name, with the features of images to compare with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.targets import targets
from sslviz.explanations.targets.targets import Target
from sslviz.features.embed import embed_pixels, load_projector
from sslviz.methods import build_method
from sslviz.views import ViewPolicy

Reference = Images | tuple[Images, Images]
NAMES = {
    "self": "the image itself, by dot product", "self_cosine": "the image itself, by cosine",
    "similarity": "reference: the images whose mean it is compared with", "partners": "reference: one image for each",
    "contrast": "reference: two groups of images, near the first and not the second",
    "loss": "its own views, against those of the others",
}  # fmt: skip
NEEDED = {"similarity": 1, "partners": 1, "contrast": 2}  # groups of images to compare with
VIEWS = 8  # of each image, for the loss


def target_named(
    name: str | Target | None,
    reference: Reference | None,
    checkpoint: Any,
    encoder: Encoder,
    images: Images,
    *,
    default: str = "self",
    seed: int = 0,
) -> Target:
    """The target that is meant.  None: `default` without a reference, "similarity" with one, "contrast" with two.

    ValueError for an unknown name, and for a reference where none is wanted, or none where one is.
    """
    groups = _groups(reference)
    if isinstance(name, Target):
        return _checked(name, groups, images)
    name = name or {0: default, 1: "similarity", 2: "contrast"}[len(groups)]
    if name not in NAMES:
        listed = "; ".join(f"{key} ({what})" for key, what in NAMES.items())
        raise ValueError(f"There is no target {name!r}; there are: {listed}; or a Target from sslviz.maps.targets.")
    if len(groups) != (needed := NEEDED.get(name, 0)):
        raise ValueError(f"The target {name!r} needs {needed} groups of images as reference; got {len(groups)}.")
    if name == "loss":
        return _loss(checkpoint, encoder, images, seed)
    if needed:
        return _compared(name, groups, encoder, images)
    features = _features(encoder, images)
    return targets.own(features) if name == "self" else targets.own_cosine(features)


def _groups(reference: Reference | None) -> tuple[Images, ...]:
    groups = () if reference is None else (reference,) if isinstance(reference, Images) else tuple(reference)
    if len(groups) > 2 or not all(isinstance(group, Images) and len(group) for group in groups):
        raise ValueError("A reference is Images, or two of them (near these, not those), none empty.")
    return groups


def _checked(target: Target, groups: tuple[Images, ...], images: Images) -> Target:
    if groups:
        raise ValueError("A Target holds what it compares with already; leave out the reference.")
    if any(len(rows) != len(images) for rows in target.references):
        raise ValueError(
            f"This target holds references for {len(target.references[0])} images, but {len(images)} are explained."
        )
    return target


def _compared(name: str, groups: tuple[Images, ...], encoder: Encoder, images: Images) -> Target:
    known = [_features(encoder, group) for group in groups]
    itself = [targets.same_pixels(images.pixels, group.pixels) for group in groups]
    counts = [f"image {group.ids[0]}" if len(group) == 1 else f"{len(group)} images" for group in groups]
    if name == "partners":
        if len(groups[0]) != len(images):
            raise ValueError(f"partners needs one reference image for each of {len(images)}; got {len(groups[0])}.")
        return targets.similarity(known[0], "similarity to its partner")
    if name == "similarity":
        if len(groups[0]) == 1:
            return targets.similarity(known[0].expand(len(images), -1), f"similarity to {counts[0]}")
        return targets.similarity(targets.mean_without_itself(known[0], itself[0]), f"similarity to {counts[0]}' mean")
    near, far = (targets.mean_without_itself(F.normalize(f, dim=1), own) for f, own in zip(known, itself, strict=True))
    return targets.contrast(near - far, f"near {counts[0]} and not {counts[1]}")


def _features(encoder: Encoder, images: Images) -> Tensor:
    return torch.from_numpy(embed_pixels(encoder, images.pixels))


@torch.no_grad()
def _loss(checkpoint: Any, encoder: Encoder, images: Images, seed: int) -> Target:
    """As the views of the pretraining, and through its projector, where they are known."""
    told: Mapping[str, Any] | None = getattr(checkpoint, "head", None)
    device = next(encoder.parameters()).device
    seen: Any = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy, head, temperature = dataclasses.replace(ViewPolicy(), **seen), None, 0.2
    if told is not None:
        policy = build_method(told["method"], encoder, told["settings"], checkpoint.seed)[1]
        temperature = float(told["settings"].get("temperature", temperature))
        head = load_projector(checkpoint, encoder).to(device).eval().requires_grad_(False)
    policy = dataclasses.replace(policy, views=VIEWS, local_views=0)
    generator, parts = torch.Generator().manual_seed(seed), []
    for start in range(0, len(images), 16):
        pixels = torch.from_numpy(np.array(images.pixels[start : start + 16]))
        x = policy(pixels, generator)[0].to(device)  # (views, b, 3, s, s)
        z = encoder(x.flatten(0, 1))
        z = F.normalize(z if head is None else head(z), dim=1)
        parts.append(z.unflatten(0, x.shape[:2]).transpose(0, 1).cpu())
    return targets.agreement(torch.cat(parts), temperature, head)
