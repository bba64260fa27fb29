"""Encoders by name: any timm model, and two small ones of our own."""

from __future__ import annotations

import difflib
from typing import Any, Literal, cast

import timm
from timm.models import PretrainedCfg
from timm.models.resnet import ResNet
from torch import nn

from sslviz.encoders.encoder import Encoder, first_line
from sslviz.encoders.presets import PRESETS
from sslviz.runtime.random_state import seeded

LOW_RESOLUTION = 64  # up to this many pixels a ResNet gets the small stem (arXiv 2002.05709, App. B.9)


def create_encoder(
    name: str = "conv_nano",
    *,
    image_size: int | None = 32,
    pretrained: bool = False,
    stem: Literal["standard", "low-resolution"] | None = None,
    seed: int = 0,
) -> Encoder:
    """Which encoder is to be trained or looked at?  One of `list_encoders()`, with weights that `seed` alone decides.

    `image_size` None is the size the model was published for.  `pretrained` takes timm's weights (a download).  `stem`
    matters to ResNets only: "standard" or "low-resolution" (3x3, stride 1, no max-pool).  The latter is the default up to
    64 px, unless `pretrained`, whose weights know only the standard one.  The global random state is left as it was.

    Raises ValueError for unknown names, for image sizes that the model does not take, and when weights cannot be had.

    Example:
        >>> import sslviz
        >>> encoder = sslviz.create_encoder("conv_nano", image_size=64)
        >>> encoder.name, encoder.dim
        ('conv_nano', 128)
    """
    with seeded(seed):
        if name not in PRESETS:
            return _from_timm(name, image_size, pretrained, stem)
        if pretrained:
            raise ValueError(f"{name} has no pretrained weights; train it, or take a timm model.")
        image_size = image_size or 32
        spec = {"name": name, "image_size": image_size}
        return Encoder(PRESETS[name](image_size), spec, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def list_encoders() -> list[str]:
    """Names of all encoders: our presets for small images first, then every timm model."""
    return [*PRESETS, *timm.list_models()]


# --- the networks -----------------------------------------------------------------------------------------------------


def _from_timm(name: str, image_size: int | None, pretrained: bool, stem: str | None) -> Encoder:
    config = _published(name)
    image_size = image_size or config.input_size[-1]
    model = _timm_model(name, image_size, pretrained, fixed=config.fixed_input_size)
    spec = {"name": name, "image_size": image_size}
    if isinstance(model, ResNet):
        spec["stem"] = stem or ("low-resolution" if image_size <= LOW_RESOLUTION and not pretrained else "standard")
        if spec["stem"] == "low-resolution":
            _low_resolution_stem(model)
    return Encoder(model, spec, config.mean, config.std)


def _published(name: str) -> PretrainedCfg:
    """How timm's authors fed this model: image size, mean and std; ValueError, with close names, for an unknown one."""
    try:
        if timm.is_model(name):
            return cast(PretrainedCfg, timm.get_pretrained_cfg(name))
        close = difflib.get_close_matches(name, list_encoders(), n=3, cutoff=0.5)
    except RuntimeError:  # the model is known, the tag after the dot is not
        close = timm.list_pretrained(f"{name.split('.')[0]}.*")[:3]
    hint = f"did you mean {' or '.join(close)}?" if close else "see `sslviz list encoders`."
    raise ValueError(f"There is no encoder {name!r}; {hint}")


def _timm_model(name: str, image_size: int, pretrained: bool, *, fixed: bool) -> nn.Module:
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


def _low_resolution_stem(model: Any) -> None:
    """A 3x3 convolution of stride 1 and no max-pool: at 32 px the standard stem would leave 8x8 of the picture."""
    if isinstance(model.conv1, nn.Sequential):  # the "deep" stems are 3x3 already
        stem: Any = model.conv1[0]
        stem.stride = (1, 1)
    else:
        model.conv1 = nn.Conv2d(model.conv1.in_channels, model.conv1.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
