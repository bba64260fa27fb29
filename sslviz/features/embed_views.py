"""Features of views: several of one image, or an image with one parameter of its views changed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
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

    - policy: draws the views (default: SimCLR's, whatever the checkpoint was trained on, so that checkpoints compare)
    - objects: number of images at most, the same ones for every checkpoint
    - views: number of views of each

    Returns Features, one row a view, with the columns `object` (the image's id) and `view` (0, 1, ...).  `lidar` and
    `alignment` are asked of these.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> sslviz.embed_views(checkpoint, sslviz.shapes(n=3), views=2).table["object"].tolist()
        ['0', '0', '1', '1', '2', '2']

    Caveat: An encoder looks the steadier the more the views are like those it was trained on.
    """
    from sslviz.views import ViewPolicy

    encoder = to_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    as_trained: Any = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(policy or ViewPolicy(), **as_trained, views=views, local_views=0)
    chosen = images.rows(sample_rows(len(images), objects, seed))
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

    Each image comes as it is, and once for each of `ALTERED` in views/parameters.py with everything else left alone.
    - policy: draws the parameters (default: SimCLR's)
    - objects: number of images at most, the same ones for every checkpoint

    Returns Features, which `invariance` is asked of, with the columns
    - object: the image's id
    - changed: "crop", "hue", ...; "" for the image itself
    - amount: log2 of the crop's share of the area, a factor, turns, or pixels of blur; NaN for flips and greys

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> altered = sslviz.embed_altered(checkpoint, sslviz.shapes(n=3))
        >>> altered.table["changed"].unique()[:4].tolist()
        ['', 'crop', 'flip', 'brightness']

    Caveat: A parameter is drawn as far as the policy goes, so that parameters cannot be compared with each other.
    """
    from sslviz.views import ViewPolicy
    from sslviz.views.parameters import single_steps

    encoder = to_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    always: Any = {"flip_prob": 1.0, "jitter_prob": 1.0, "gray_prob": 1.0, "blur_prob": 1.0, "solarize_prob": 0.0}
    always |= {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std, "views": 1, "local_views": 0}
    policy = dataclasses.replace(policy or ViewPolicy(), **always)
    chosen = images.rows(sample_rows(len(images), objects, seed))
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
