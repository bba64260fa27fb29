"""Targets of images: what they are compared with is embedded by the encoder that is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.encoders import Encoder
from sslviz.explanations.passes import Passes
from sslviz.explanations.targets import targets
from sslviz.explanations.targets.question import (
    GROUP,
    TARGET_KINDS,
    TEXT_KINDS,
    Rows,
    TargetQuestion,
    question_in_text,
    target_of,
)
from sslviz.explanations.targets.targets import Target
from sslviz.features import Features
from sslviz.features.embed import embed, embed_pixels
from sslviz.features.projector import load_projector
from sslviz.methods import build_method
from sslviz.runs import Checkpoint
from sslviz.views import ViewPolicy

Reference = Images | tuple[Images, Images]

GROUP_FIELDS = ("near", "far")  # of a question: each is one group of images to compare with
VIEWS = 8  # of each image, for the loss
NOT_FINITE = "The encoder's features of these images are not finite; load other weights."


def target_from_images(
    target: str | Target | None,
    reference: Reference | None,
    checkpoint: Any,
    encoder: Encoder,
    images: Images,
    *,
    default: str = "self",
    seed: int = 0,
) -> Target:
    """The target that a name and its reference images mean, as `attribute` takes them.

    None means `default` without a reference, "similarity" with one group and "contrast" with two.  ValueError for an
    unknown name, for a reference where none is needed, and for none where one is.
    """
    groups = _groups(reference)
    if isinstance(target, Target):
        return _checked(target, groups, images)
    kind = target or {0: default, 1: "similarity", 2: "contrast"}[len(groups)]
    names = {name: known.python_words for name, known in TARGET_KINDS.items() if known.python_words}
    if kind not in names:
        listed = "; ".join(f"{name} ({words})" for name, words in names.items())
        raise ValueError(
            f"There is no target {kind!r}; there are: {listed}; or a Target from sslviz.explanations.targets.targets."
        )
    if len(groups) != (needed := len(set(GROUP_FIELDS) & set(TARGET_KINDS[kind].needs))):
        raise ValueError(f"The target {kind!r} needs {needed} groups of images as reference; got {len(groups)}.")
    if kind == "loss":
        return _loss(checkpoint, encoder, images, seed)
    question = _question_about(kind, groups, images)
    x = np.concatenate([embed_pixels(encoder, part.pixels) for part in (images, *groups)])
    if not np.isfinite(x).all():
        raise ValueError(NOT_FINITE)
    found = target_of(question, np.arange(len(images)), Features.from_array(x))
    assert found is not None  # only "itself" means none, and it has no name here
    return found


def target_passes(
    target: str | Target | None, reference: Reference | None, images: Images, *, default: str = "self"
) -> Passes:
    """How many pictures `target_from_images` embeds: the images and what they are compared with, or views of them."""
    if isinstance(target, Target):
        return Passes()
    if (target or default) == "loss":
        return Passes(VIEWS * len(images))
    return Passes(len(images) + sum(len(group) for group in _groups(reference)))


def target_from_text(
    text: str | None, checkpoint: Checkpoint, images: Images, among: Images, precision: str = "auto"
) -> str | Target | None:
    """The target of `images` that a text of the command line means, as `attribute` takes it; see `question_in_text`.

    `among` are the images that the text may speak of.  Texts that need nothing but the image itself stay as they are.
    Directions that many images spread in are looked for in this precision, as of `embed`.
    """
    if text is None or text in TEXT_KINDS:
        return text
    question = question_in_text(text, among)
    if question.kind == "component":
        sample = among.rows(sample_rows(len(among), 10 * GROUP))
        return target_of(question, np.arange(0), embed(checkpoint, sample, precision=precision, progress=False))
    if not question.near:
        return target_of(question, np.arange(0), None)
    groups = [among.rows(np.array(rows)) for rows in (*question.near, *question.far)]
    reference = groups[0] if len(groups) == 1 else (groups[0], groups[1])
    target = target_from_images(None, reference, checkpoint, checkpoint.encoder(), images)
    return dataclasses.replace(target, words=question.words)


def text_passes(text: str | None, images: Images, among: Images) -> Passes:
    """How many pictures `target_from_text` embeds with one encoder; ValueError as there."""
    if text is None or text in TEXT_KINDS:
        return Passes()
    question = question_in_text(text, among)
    if question.kind == "component":
        return Passes(min(len(among), 10 * GROUP))
    groups = [len(rows) for rows in (*question.near, *question.far)]
    return Passes(len(images) + sum(groups)) if groups else Passes()


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


def _question_about(kind: str, groups: tuple[Images, ...], images: Images) -> TargetQuestion:
    """The question about images and groups to compare with, whose features lie one below the other in this order."""
    starts = np.cumsum([len(images), *(len(group) for group in groups)])
    titles = [f"image {group.ids[0]}" if len(group) == 1 else f"{len(group)} images" for group in groups]
    if kind == "paired_reference":
        if len(groups[0]) != len(images):
            raise ValueError(f"{kind} needs one reference image for each of {len(images)}; got {len(groups[0])}.")
        pairs = tuple((int(starts[0]) + i,) for i in range(len(images)))
        return TargetQuestion(kind, "similarity to its partner", near=pairs)
    if kind == "similarity" and len(groups[0]) == 1:
        return TargetQuestion("image", f"similarity to {titles[0]}", near=((int(starts[0]),),))
    rows = [_rows_without_itself(images, group, int(start)) for group, start in zip(groups, starts, strict=False)]
    if kind == "similarity":
        return TargetQuestion(kind, f"similarity to {titles[0]}' mean", near=rows[0])
    if kind == "contrast":
        return TargetQuestion(kind, f"near {titles[0]} and not {titles[1]}", near=rows[0], far=rows[1])
    return TargetQuestion(kind)


def _rows_without_itself(images: Images, group: Images, start: int) -> tuple[Rows, ...]:
    """For each image the rows of a group, counted from `start`, that show another picture: ids may repeat by chance."""
    pictures, others = ([p.tobytes() for p in np.ascontiguousarray(part.pixels)] for part in (images, group))
    return tuple(tuple(start + row for row, other in enumerate(others) if other != picture) for picture in pictures)


@torch.no_grad()
def _loss(checkpoint: Any, encoder: Encoder, images: Images, seed: int) -> Target:
    """As the views of the pretraining, and through its projector, where they are known."""
    pretraining: Mapping[str, Any] | None = getattr(checkpoint, "head", None)
    device = next(encoder.parameters()).device
    shown: Any = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy, head, temperature = dataclasses.replace(ViewPolicy(), **shown), None, 0.2
    if pretraining is not None:
        policy = build_method(pretraining["method"], encoder, pretraining["settings"], checkpoint.seed)[1]
        temperature = float(pretraining["settings"].get("temperature", temperature))
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
