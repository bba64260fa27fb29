"""Features of views: several of one image, or an image with one parameter of its views changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.batches import BatchSize, batch_size, in_batches
from sslviz.features.checked_encoder import checked_encoder
from sslviz.features.embed import feature_source, to_device
from sslviz.features.features import Features
from sslviz.runs import Checkpoint

if TYPE_CHECKING:
    from sslviz.encoders import Encoder
    from sslviz.views import ViewPolicy


def embed_views(
    checkpoint: Checkpoint,
    images: Images,
    *,
    policy: ViewPolicy | None = None,
    objects: int = 200,
    views: int = 10,
    seed: int = 0,
    precision: str = "auto",
) -> Features:
    """What does this checkpoint make of several views of one image?

    - policy: draws the views (default: SimCLR's, whatever the checkpoint was trained on, so that checkpoints compare)
    - objects: number of images at most, the same ones for every checkpoint
    - views: number of views of each
    - precision: as of `embed`

    Returns Features, one row a view, with the columns `object` (the image's id) and `view` (0, 1, ...).  `lidar` and
    `alignment` are asked of these.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
        >>> sslviz.embed_views(checkpoint, sslviz.shapes(n=3), views=2).table["object"].tolist()
        ['0', '0', '1', '1', '2', '2']

    Caveat: An encoder looks the steadier the more the views are like those it was trained on.
    """
    asked: Any = {"policy": policy, "objects": objects, "views": views, "seed": seed, "precision": precision}
    return embed_views_many([checkpoint], images, **asked)[0]


def embed_altered(
    checkpoint: Checkpoint,
    images: Images,
    *,
    policy: ViewPolicy | None = None,
    objects: int = 100,
    seed: int = 0,
    precision: str = "auto",
) -> Features:
    """What does this checkpoint make of the same picture with one parameter of its views changed?

    Each image comes as it is, and once for each of `ALTERED` in views/parameters.py with everything else left alone.
    - policy: draws the parameters (default: SimCLR's)
    - objects: number of images at most, the same ones for every checkpoint
    - precision: as of `embed`

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
    asked: Any = {"policy": policy, "objects": objects, "seed": seed, "precision": precision}
    return embed_altered_many([checkpoint], images, **asked)[0]


# --- several encoders, the same pictures ------------------------------------------------------------------------------


@torch.inference_mode()
def embed_views_many(
    checkpoints: Sequence[Checkpoint],
    images: Images,
    *,
    policy: ViewPolicy | None = None,
    objects: int = 200,
    views: int = 10,
    seed: int = 0,
    precision: str = "auto",
) -> list[Features]:
    """`embed_views` of several checkpoints that are fed alike, such as a trained one and the same untrained.

    Views are drawn once, and every encoder sees the same batch.
    """
    from sslviz.views import ViewPolicy

    encoders = _fed_alike(checkpoints)
    policy = dataclasses.replace(policy or ViewPolicy(), **_input_of(encoders[0]), views=views, local_views=0)
    chosen = images.rows(sample_rows(len(images), objects, seed))
    generator = torch.Generator().manual_seed(seed)

    def draw(pixels: np.ndarray) -> Tensor:  # (b, views, 3, s, s)
        return policy(torch.from_numpy(np.array(pixels)), generator)[0].transpose(0, 1)

    read = _read(encoders, draw, chosen.pixels, max(1, batch_size(encoders[0]) // views), precision)
    table = pd.DataFrame({"object": np.repeat(chosen.ids, views), "view": np.tile(np.arange(views), len(chosen))})
    ids = np.array([f"{name} view {view}" for name, view in zip(table["object"], table["view"], strict=True)])
    return [
        Features(rows.flatten(0, 1).numpy(), ids, table, feature_source(checkpoint, images, "views", kept))
        for checkpoint, (rows, kept) in zip(checkpoints, read, strict=True)
    ]


@torch.inference_mode()
def embed_altered_many(
    checkpoints: Sequence[Checkpoint],
    images: Images,
    *,
    policy: ViewPolicy | None = None,
    objects: int = 100,
    seed: int = 0,
    precision: str = "auto",
) -> list[Features]:
    """`embed_altered` of several checkpoints that are fed alike, such as a trained one and the same untrained.

    Pictures are altered once, and every encoder sees the same batch.
    """
    from sslviz.views import ViewPolicy
    from sslviz.views.parameters import single_steps

    encoders = _fed_alike(checkpoints)
    always: Any = {"flip_prob": 1.0, "jitter_prob": 1.0, "gray_prob": 1.0, "blur_prob": 1.0, "solarize_prob": 0.0}
    always |= _input_of(encoders[0])
    policy = dataclasses.replace(policy or ViewPolicy(), **always, views=1, local_views=0)
    chosen = images.rows(sample_rows(len(images), objects, seed))
    generator = torch.Generator().manual_seed(seed)
    amounts: dict[str, list[Tensor]] = {}

    def draw(pixels: np.ndarray) -> Tensor:  # (b, changes, 3, s, s)
        batch, views = torch.from_numpy(np.array(pixels)), []
        for name, parameters, amount in single_steps(policy.draw(batch, generator)[0], *chosen.size):
            amounts.setdefault(name, []).append(amount)
            views.append(policy.render(batch, [parameters])[0][0])
        return torch.stack(views, 1)

    read = _read(encoders, draw, chosen.pixels, batch_size(encoders[0]), precision)
    table = pd.DataFrame({"object": np.tile(chosen.ids, len(amounts)), "changed": np.repeat([*amounts], len(chosen))})
    table["amount"] = torch.cat([torch.cat(of) for of in amounts.values()]).numpy()
    ids = np.array([f"{name} {change}".strip() for name, change in zip(table["object"], table["changed"], strict=True)])
    return [
        Features(
            rows.transpose(0, 1).flatten(0, 1).numpy(), ids, table, feature_source(checkpoint, images, "altered", kept)
        )
        for checkpoint, (rows, kept) in zip(checkpoints, read, strict=True)
    ]


def _fed_alike(checkpoints: Sequence[Checkpoint]) -> list[Encoder]:
    """Their encoders, on their device; ValueError where views for one are none for another."""
    with torch.inference_mode(False):  # some methods take gradients while they are built
        encoders = [to_device(checkpoint.encoder()) for checkpoint in checkpoints]
    if any(_input_of(encoder) != _input_of(encoders[0]) for encoder in encoders):
        raise ValueError(
            "Encoders are shown the same views where they have one image size, mean and std; show each its own."
        )
    return encoders


def _input_of(encoder: Encoder) -> dict[str, Any]:
    """What views have to be like for an encoder."""
    return {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}


def _read(
    encoders: Sequence[Encoder], draw: Callable[[np.ndarray], Tensor], pixels: np.ndarray, step: int, precision: str
) -> list[tuple[Tensor, dict[str, Any]]]:
    """Of each encoder its features (n, views, d) of what is drawn of the pictures, and what `source` keeps of it.

    Batches of pictures have `step`, since what is drawn of one depends on how many came with it.
    """
    device, most = next(encoders[0].parameters()).device, batch_size(encoders[0])
    checked: list[tuple[Encoder, dict[str, Any]]] = []

    def read(x: Tensor) -> list[Tensor]:
        if not checked:
            checked.extend(checked_encoder(encoder, x[:, 0], precision) for encoder in encoders)
        return [_seen(network, x, most) for network, _ in checked]

    def load(pixels: np.ndarray) -> Tensor:
        return draw(pixels).to(device)

    parts = list(in_batches(read, load, pixels, BatchSize(encoders[0], step)))
    return [(torch.cat(rows), kept) for rows, (_, kept) in zip(zip(*parts, strict=True), checked, strict=True)]


def _seen(network: Encoder, x: Tensor, most: int) -> Tensor:
    """The features (b, views, d) of views (b, views, 3, s, s), of which at most so many go through at once."""
    parts = x.flatten(0, 1).to(next(network.parameters()).dtype).split(most)
    return torch.cat([network(part).float().cpu() for part in parts]).unflatten(0, x.shape[:2])
