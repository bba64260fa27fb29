"""Encoders by name: any timm model, and two small ones of our own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import timm
from torch import nn

from sslviz.encoders.encoder import Encoder, first_line
from sslviz.encoders.preprocessing import Preprocessing, resolve
from sslviz.encoders.presets import PRESETS
from sslviz.encoders.published import published
from sslviz.encoders.stems import apply_stem
from sslviz.runtime.random_state import seeded


def create_encoder(
    name: str = "conv_nano",
    *,
    image_size: int | None = 32,
    pretrained: bool = False,
    stem: str | None = None,
    mean: Sequence[float] | str | None = None,
    std: Sequence[float] | str | None = None,
    interpolation: str | None = None,
    crop: float | None = None,
    crop_mode: str | None = None,
    seed: int = 0,
) -> Encoder:
    """Which encoder is to be trained or looked at?  One of `list_encoders()`, with weights that `seed` alone decides.

    - image_size: the side of its input in pixels; None is the size the model was published for
    - pretrained: take timm's weights (a download)
    - stem: how a ResNet begins, a name in `STEMS` or spelled out ("7x7,stride=1,padding=3,no-maxpool"); by default
      "low-resolution" (3x3, stride 1, no max-pool) up to 64 px, unless `pretrained`, and "standard" above
    - mean, std: what pixels from 0 to 1 are normalised with, three numbers each or "imagenet", "inception", "clip"
      (default: as timm publishes the model)
    - interpolation: how pictures of another size are brought to this one: "bilinear" (default), "bicubic", "nearest"
    - crop: the share of the side that is seen, its middle (default: 1, the whole picture)
    - crop_mode: "squash" (default) brings both sides to the size; "center" the shorter one, and cuts the longer

    The global random state is left as it was.  Raises ValueError for unknown names and settings, for image sizes that the
    model does not take, and when weights cannot be had.

    Example:
        >>> import sslviz
        >>> encoder = sslviz.create_encoder("conv_nano", image_size=64)
        >>> encoder.name, encoder.dim
        ('conv_nano', 128)
    """
    given = {"mean": mean, "std": std, "interpolation": interpolation, "crop": crop, "crop_mode": crop_mode}
    given |= {"image_size": image_size, "stem": stem}
    fed = resolve(name, given)
    said = {key for key in given if fed.origins.get(key) == "given"}  # what is taken by default stays out of the spec
    return build_encoder(name, fed, pretrained=pretrained, seed=seed, stored=said | {"image_size", "stem"})


def list_encoders() -> list[str]:
    """Names of all encoders: our presets for small images first, then every timm model."""
    return [*PRESETS, *timm.list_models()]


def build_encoder(
    name: str,
    fed: Preprocessing,
    *,
    pretrained: bool = False,
    seed: int = 0,
    stored: Collection[str] | None = None,
    kernel: tuple[int, ...] | None = None,
) -> Encoder:
    """The encoder that is fed so, its weights random by `seed`, or timm's.

    - stored: which settings its spec holds, beside the name; None is all of them
    - kernel: the shape of the first convolution in the file of weights that it is to take; () where that shows none
    """
    if pretrained and name in PRESETS:
        raise ValueError(f"{name} has no pretrained weights; train it, or take a timm model.")
    with seeded(seed):
        model = PRESETS[name](fed.image_size) if name in PRESETS else _timm_model(name, fed.image_size, pretrained)
        asked = (fed.stem, fed.origins["stem"]) if fed.stem else None
        stem = apply_stem(model, name, asked=asked, image_size=fed.image_size, pretrained=pretrained, kernel=kernel)
        fed = fed.with_stem(stem)
        spec = {"name": name, **{key: v for key, v in fed.config.items() if stored is None or key in stored}}
        return Encoder(model, spec, fed.mean, fed.std, fed)


# --- the networks -----------------------------------------------------------------------------------------------------


def _timm_model(name: str, image_size: int, pretrained: bool) -> nn.Module:
    fixed = published(name).fixed_input_size
    # Models of a fixed size have to be told theirs; those that can are also made to take crops of another size.
    options: dict[str, Any] = {"img_size": image_size, "dynamic_img_size": True} if fixed else {}
    try:
        try:
            return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
        except TypeError:
            options.pop("dynamic_img_size", None)
            return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except Exception as error:  # timm's own, a hub's or the network's: there is no common class
        what = "get its pretrained weights (are you online?)" if pretrained else f"build it for {image_size} pixels"
        raise ValueError(f"timm knows {name}, but could not {what}: {first_line(error)}") from error
