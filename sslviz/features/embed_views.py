"""Features of views: several of one image, and one step of a view at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.features.embed import batch_size, feature_source, to_device
from sslviz.features.features import Features
from sslviz.runs import Checkpoint

if TYPE_CHECKING:
    from sslviz.views import ViewPolicy


@torch.inference_mode()
def embed_views(
    checkpoint: Checkpoint,
    images: Images,
    *,
    policy: ViewPolicy | None = None,
    objects: int = 200,
    views: int = 10,
    seed: int = 0,
) -> Features:
    """What does this checkpoint make of several views of one image?

    Of at most `objects` images, the same ones for every checkpoint, `views` views each are drawn by `policy` (default:
    SimCLR's, whatever the checkpoint was trained on, so that checkpoints can be compared).  Returns Features, one row a
    view, with the columns `object` (the image's id) and `view` (0, 1, ...): what `lidar` and `alignment` are asked of.
    Caveat: an encoder looks the steadier the more the views are like those it was trained on.
    """
    from sslviz.views import ViewPolicy

    encoder = to_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    seen: Any = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(policy or ViewPolicy(), **seen, views=views, local_views=0)
    chosen = images.rows(np.sort(np.random.default_rng(seed).permutation(len(images))[:objects]))
    generator = torch.Generator().manual_seed(seed)
    step = max(1, batch_size(encoder) // views)
    parts = []
    for start in range(0, len(chosen), step):
        pixels = torch.from_numpy(np.array(chosen.pixels[start : start + step]))
        x = policy(pixels, generator)[0].to(device)  # (views, b, 3, s, s)
        parts.append(encoder(x.flatten(0, 1)).unflatten(0, x.shape[:2]).transpose(0, 1).float().cpu())
    table = pd.DataFrame({"object": np.repeat(chosen.ids, views), "view": np.tile(np.arange(views), len(chosen))})
    ids = [f"{name} view {view}" for name, view in zip(table["object"], table["view"], strict=True)]
    rows = torch.cat(parts).flatten(0, 1).numpy()
    return Features(rows, np.array(ids), table, feature_source(checkpoint, images, "views"))


@torch.inference_mode()
def embed_altered(
    checkpoint: Checkpoint, images: Images, *, policy: ViewPolicy | None = None, objects: int = 100, seed: int = 0
) -> Features:
    """What does this checkpoint make of the same picture with one parameter of its views changed?

    Of at most `objects` images, the same ones for every checkpoint, each comes as it is and once for each of `views.ALTERED`,
    drawn by `policy` (default: SimCLR's) with everything else left alone.  Returns Features with the columns `object` (the
    image's id), `changed` ("crop", "hue", ..., "" for the image itself) and `amount` (the crop's area as log2 of its
    share, a factor, turns, or pixels of blur; NaN for flips and greys): what `invariance` is asked of.
    Caveat: a parameter is drawn as far as the policy goes, so that parameters cannot be compared with each other.
    """
    from sslviz.views import ViewPolicy
    from sslviz.views.parameters import single_steps

    encoder = to_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    always: Any = {"flip_prob": 1.0, "jitter_prob": 1.0, "gray_prob": 1.0, "blur_prob": 1.0, "solarize_prob": 0.0}
    always |= {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std, "views": 1, "local_views": 0}
    policy = dataclasses.replace(policy or ViewPolicy(), **always)
    chosen = images.rows(np.sort(np.random.default_rng(seed).permutation(len(images))[:objects]))
    generator = torch.Generator().manual_seed(seed)
    step = batch_size(encoder)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for start in range(0, len(chosen), step):
        pixels = torch.from_numpy(np.array(chosen.pixels[start : start + step]))
        for name, parameters, amount in single_steps(policy.draw(pixels, generator)[0], *chosen.size):
            x = encoder(policy.render(pixels, [parameters])[0][0].to(device))
            parts.setdefault(name, []).append((x.float().cpu(), amount))
    rows, amounts = (
        torch.cat([torch.cat([part[at] for part in of]) for of in parts.values()]).numpy() for at in (0, 1)
    )
    table = pd.DataFrame({"object": np.tile(chosen.ids, len(parts)), "changed": np.repeat([*parts], len(chosen))})
    ids = [f"{name} {change}".strip() for name, change in zip(table["object"], table["changed"], strict=True)]
    return Features(rows, np.array(ids), table.assign(amount=amounts), feature_source(checkpoint, images, "altered"))
