"""What does this checkpoint make of these images?  The one border between torch and numpy."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.features.features import Features
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write
from sslviz.runtime.progress import progress_bar

if TYPE_CHECKING:
    from sslviz.encoders import Encoder
    from sslviz.views import ViewPolicy

BATCH = 512  # images at 32 px; larger images go in proportionally smaller batches


def embed(checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True) -> Features:
    """What does this checkpoint make of these images?

    Returns Features (n, d) of `layer`: "pooled", any name `Encoder.layers` gives, or "projector", the head that only
    training uses.  Images of another size than the encoder's are resized to it.  Runs on the GPU if there is one.
    ValueError for a layer the encoder does not have.
    """
    encoder = _on_device(checkpoint.encoder())
    head = _on_device(_projector(checkpoint, encoder)) if layer == "projector" else None
    title = checkpoint.run if progress else ""
    x = embed_pixels(encoder, images.pixels, layer="pooled" if head else layer, head=head, title=title)
    return Features(x, images.ids, images.table, _source(checkpoint, images, layer))


@torch.inference_mode()
def embed_layers(checkpoint: Checkpoint, images: Images, *, progress: bool = True) -> dict[str, Features]:
    """What is known where?  {layer: Features}, from the first block or stage to "pooled", all in one pass.

    Each layer is averaged over its grid.  Caveat: an average forgets where in the image something was.
    """
    encoder = _on_device(checkpoint.encoder())
    parts: dict[str, list[np.ndarray]] = {}
    for x in _batches(encoder, images.pixels, checkpoint.run if progress else ""):
        for name, value in encoder.layers(x).items():
            parts.setdefault(name, []).append(value.float().cpu().numpy())
    return {
        name: Features(np.concatenate(values), images.ids, images.table, _source(checkpoint, images, name))
        for name, values in parts.items()
    }


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

    encoder = _on_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    seen: Any = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(policy or ViewPolicy(), **seen, views=views, local_views=0)
    chosen = images.rows(np.sort(np.random.default_rng(seed).permutation(len(images))[:objects]))
    generator = torch.Generator().manual_seed(seed)
    step = max(1, _batch(encoder) // views)
    parts = []
    for start in range(0, len(chosen), step):
        pixels = torch.from_numpy(np.array(chosen.pixels[start : start + step]))
        x = policy(pixels, generator)[0].to(device)  # (views, b, 3, s, s)
        parts.append(encoder(x.flatten(0, 1)).unflatten(0, x.shape[:2]).transpose(0, 1).float().cpu())
    table = pd.DataFrame({"object": np.repeat(chosen.ids, views), "view": np.tile(np.arange(views), len(chosen))})
    ids = [f"{name} view {view}" for name, view in zip(table["object"], table["view"], strict=True)]
    rows = torch.cat(parts).flatten(0, 1).numpy()
    return Features(rows, np.array(ids), table, _source(checkpoint, images, "views"))


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
    from sslviz.views.policy import one_by_one

    encoder = _on_device(checkpoint.encoder())
    device = next(encoder.parameters()).device
    always: Any = {"flip_prob": 1.0, "jitter_prob": 1.0, "gray_prob": 1.0, "blur_prob": 1.0, "solarize_prob": 0.0}
    always |= {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std, "views": 1, "local_views": 0}
    policy = dataclasses.replace(policy or ViewPolicy(), **always)
    chosen = images.rows(np.sort(np.random.default_rng(seed).permutation(len(images))[:objects]))
    generator = torch.Generator().manual_seed(seed)
    step = _batch(encoder)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for start in range(0, len(chosen), step):
        pixels = torch.from_numpy(np.array(chosen.pixels[start : start + step]))
        for name, parameters, amount in one_by_one(policy.draw(pixels, generator)[0], *chosen.size):
            x = encoder(policy.render(pixels, [parameters])[0][0].to(device))
            parts.setdefault(name, []).append((x.float().cpu(), amount))
    rows, amounts = (
        torch.cat([torch.cat([part[at] for part in of]) for of in parts.values()]).numpy() for at in (0, 1)
    )
    table = pd.DataFrame({"object": np.tile(chosen.ids, len(parts)), "changed": np.repeat([*parts], len(chosen))})
    ids = [f"{name} {change}".strip() for name, change in zip(table["object"], table["changed"], strict=True)]
    return Features(rows, np.array(ids), table.assign(amount=amounts), _source(checkpoint, images, "altered"))


@torch.inference_mode()
def embed_pixels(
    encoder: Encoder, pixels: np.ndarray, *, layer: str = "pooled", head: nn.Module | None = None, title: str = ""
) -> np.ndarray:
    """The features float32 (n, d) of uint8 pixels (n, h, w, 3), in batches, on the encoder's device; its mode is restored.

    Those of `layer`, or what `head` makes of the pooled ones.
    """

    def read(x: Tensor) -> Tensor:
        if layer != "pooled":
            return _layer(encoder, x, layer)
        return encoder(x) if head is None else head(encoder(x))

    was_training = encoder.training
    encoder.eval()
    try:
        return np.concatenate([read(x).float().cpu().numpy() for x in _batches(encoder, pixels, title)])
    finally:
        encoder.train(was_training)


def _batches(encoder: Encoder, pixels: np.ndarray, title: str) -> Iterator[Tensor]:
    """The pixels as the encoder expects them, batch by batch on its device, with a bar if there is a title."""
    device, batch = next(encoder.parameters()).device, _batch(encoder)
    with progress_bar(f"embedding {title}", len(pixels), "images", shown=bool(title)) as advance:
        for start in range(0, len(pixels), batch):
            chunk = torch.from_numpy(np.array(pixels[start : start + batch])).to(device)
            yield preprocess(chunk, encoder)
            advance(len(chunk))


def _batch(encoder: Encoder) -> int:
    return max(1, BATCH * 32**2 // encoder.image_size**2)


def preprocess(pixels: torch.Tensor, encoder: Encoder) -> torch.Tensor:
    """uint8 (b, h, w, 3) -> what the encoder expects, float32 (b, 3, s, s): resized with anti-aliasing and normalised."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    s = encoder.image_size
    if x.shape[-2:] != (s, s):
        x = F.interpolate(x, (s, s), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(v, device=x.device).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    return ((x - mean) / std).to(next(encoder.parameters()).dtype)


def _layer(encoder: Encoder, x: torch.Tensor, layer: str) -> torch.Tensor:
    layers = encoder.layers(x)
    if layer not in layers:
        raise ValueError(f"{encoder.name} has no layer {layer!r}; it has: {', '.join(layers)}.")
    return layers[layer]


def raw_pixels(images: Images, size: int = 16) -> Features:
    """What would no encoder at all give?  The pixels themselves, at `size` x `size`, as Features (n, 3 size²)."""
    parts = []
    for start in range(0, len(images), 1024):
        x = torch.from_numpy(np.array(images.pixels[start : start + 1024])).permute(0, 3, 1, 2).float() / 255
        parts.append(F.interpolate(x, (size, size), mode="area").flatten(1))
    source = {"run": "pixels", "step": 0, "layer": f"{size}px", "images": images.digest, "spec": images.spec}
    return Features(torch.cat(parts).numpy(), images.ids, images.table, source)


def color_histogram(images: Images, bins: int = 4) -> Features:
    """What would a look at the colours alone give?  The share of pixels in each of bins^3 cells of RGB, (n, bins^3)."""
    cells = np.zeros((len(images), bins**3), np.float32)
    for start in range(0, len(images), 1024):
        part = np.array(images.pixels[start : start + 1024])
        level = part.reshape(len(part), -1, 3) // (256 // bins)
        cell = (level[..., 0] * bins + level[..., 1]) * bins + level[..., 2] + bins**3 * np.arange(len(level))[:, None]
        counts = np.bincount(cell.ravel(), minlength=len(level) * bins**3).reshape(len(level), -1)
        cells[start : start + len(level)] = counts / cell.shape[1]
    source = {
        "run": "color histogram", "step": 0, "layer": f"{bins} bins", "images": images.digest, "spec": images.spec,
    }  # fmt: skip
    return Features(cells, images.ids, images.table, source)


def _on_device(module: Any) -> Any:
    """On the GPU if there is one, in evaluation mode."""
    return module.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")).eval()


def _projector(checkpoint: Checkpoint, encoder: Encoder) -> nn.Module:
    """The head between the features and the loss, with this checkpoint's weights; ValueError where there is none."""
    from safetensors.torch import load_file

    from sslviz.methods import build_method

    if checkpoint.head is None:
        raise ValueError(f"{checkpoint.run} was not pretrained here, so its projector is not known; use another layer.")
    method, _ = build_method(checkpoint.head["method"], encoder, checkpoint.head["settings"], checkpoint.seed)
    projector = getattr(method, "projector", None)
    if not isinstance(projector, nn.Module):
        raise ValueError(f"{checkpoint.head['method']} has no projector; use another layer.")
    if checkpoint.path is not None:
        tensors = load_file(checkpoint.path)
        projector.load_state_dict(
            {k.removeprefix("projector."): v for k, v in tensors.items() if k.startswith("projector.")}
        )
    return projector


def _source(checkpoint: Checkpoint, images: Images, layer: str) -> dict[str, Any]:
    return {
        "run": checkpoint.run, "step": checkpoint.step, "layer": layer, "images": images.digest, "spec": images.spec,
        "weights": checkpoint.digest,
    }  # fmt: skip


# --- kept in the run folder -------------------------------------------------------------------------------------------


def stored_embed(
    run: Run, checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, layer, lambda: embed(checkpoint, images, layer=layer, progress=progress))


def stored_views(run: Run, checkpoint: Checkpoint, images: Images) -> Features:
    """`embed_views`, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, "views", lambda: embed_views(checkpoint, images))


def stored_altered(run: Run, checkpoint: Checkpoint, images: Images) -> Features:
    """`embed_altered`, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, "altered", lambda: embed_altered(checkpoint, images))


def stored_corrupted(run: Run, checkpoints: Sequence[Checkpoint], images: Images, *, objects: int = 100) -> None:
    """Keeps in the run folder what these make of `objects` of the images, each under every corruption, unless it lies there.

    The pictures are drawn once for all of them, and not at all if nothing is wanting.
    """
    from sslviz.data.corruptions import corrupted

    @cache
    def drawn() -> Images:
        chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:objects])
        return corrupted(images.rows(chosen), progress=False)

    for checkpoint in checkpoints:
        _stored(run, checkpoint, images, "corrupted", partial(_embed_drawn, checkpoint, drawn))


def _embed_drawn(checkpoint: Checkpoint, drawn: Callable[[], Images]) -> Features:
    return embed(checkpoint, drawn(), progress=False)


def stored_layers(run: Run, checkpoint: Checkpoint, images: Images) -> None:
    """Keeps `embed_layers` in the run folder, unless they lie there: the features of each, then the list of them."""
    index = run.features_stem(checkpoint.key, images.digest, "layers").with_suffix(".json")
    try:
        if json.loads(index.read_text())["weights"] == checkpoint.digest:
            return
    except (OSError, ValueError, KeyError):
        pass  # never embedded, or damaged
    layers = embed_layers(checkpoint, images, progress=False)
    for name, features in layers.items():
        features.save(run.features_stem(checkpoint.key, images.digest, name))
    with atomic_write(index) as file:
        file.write(json.dumps({"layers": list(layers), "weights": checkpoint.digest}).encode())


def _stored(run: Run, checkpoint: Checkpoint, images: Images, layer: str, make: Callable[[], Features]) -> Features:
    stem = run.features_stem(checkpoint.key, images.digest, layer)
    try:
        features = Features.load(stem)
        if features.source.get("weights") == checkpoint.digest:
            return features
    except ValueError:
        pass  # never embedded, or damaged
    make().save(stem)
    return Features.load(stem)
