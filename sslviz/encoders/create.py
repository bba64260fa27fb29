"""Encoders by name: any timm model, two small ones of our own, and networks of other libraries and of the user."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import timm
from torch import nn

from sslviz.encoders.any_network import AnyNetwork
from sslviz.encoders.encoder import Encoder
from sslviz.encoders.face import Face
from sslviz.encoders.libraries import is_foreign, open_library
from sslviz.encoders.preprocessing import Preprocessing, resolve
from sslviz.encoders.presets import PRESETS
from sslviz.encoders.published import published
from sslviz.encoders.reinitialised import KeptWeightsWarning
from sslviz.encoders.stated import WeightsFile
from sslviz.encoders.stems import apply_stem
from sslviz.encoders.timm_model import TimmModel, first_line
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
    settings: Mapping[str, Any] | None = None,
) -> Encoder:
    """Which encoder is to be trained or looked at?  One of `list_encoders()`, with weights that `seed` alone decides.

    Also `torchvision/resnet50`, `transformers/NAME` or `transformers/./FOLDER`, `hf_hub:NAME`, and `package.module:function`
    for a function of yours, which is run: without arguments it returns a torch.nn.Module.

    - image_size: the side of its input in pixels; None is the size the model was published for
    - pretrained: take timm's weights (a download), or its own library's
    - stem: how a ResNet begins, a name in `STEMS` or spelled out ("7x7,stride=1,padding=3,no-maxpool"); by default
      "low-resolution" (3x3, stride 1, no max-pool) up to 64 px, unless `pretrained`, and "standard" above
    - mean, std: what pixels from 0 to 1 are normalised with, three numbers each or "imagenet", "inception", "clip"
      (default: as timm publishes the model)
    - interpolation: how pictures of another size are brought to this one: "bilinear" (default), "bicubic", "nearest"
    - crop: the share of the side that is seen, its middle (default: 1, the whole picture)
    - crop_mode: "squash" (default) brings both sides to the size; "center" the shorter one, and cuts the longer
    - settings: what else the library of the network builds it from, as a run folder keeps it

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
    if is_foreign(name):
        return create_foreign(name, given, settings=settings, pretrained=pretrained, seed=seed)[0]
    fed = resolve(name, given)
    said = {key for key in given if fed.origins.get(key) == "given"}  # what is taken by default stays out of the spec
    stored = said | {"image_size", "stem"}
    return build_encoder(name, fed, pretrained=pretrained, seed=seed, stored=stored, settings=settings)


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
    settings: Mapping[str, Any] | None = None,
) -> Encoder:
    """The encoder that is fed so, its weights random by `seed`, or timm's.

    - stored: which settings its spec holds, beside the name; None is all of them
    - kernel: the shape of the first convolution in the file of weights that it is to take; () where that shows none
    - settings: arguments for timm, beside those that follow from the size
    """
    if pretrained and name in PRESETS:
        raise ValueError(f"{name} has no pretrained weights; train it, or take a timm model.")
    with seeded(seed):
        own = name in PRESETS
        model = PRESETS[name](fed.image_size) if own else _timm_model(name, fed.image_size, pretrained, settings or {})
        return _finished(model, name, fed, pretrained, kernel, stored, settings)


def create_foreign(
    name: str,
    given: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    pretrained: bool | None = False,
    seed: int = 0,
    file: WeightsFile | None = None,
) -> tuple[Encoder, str]:
    """The encoder of a network that another library or the user builds, and what its weights are called.

    - pretrained: whether with its own weights; None: with those that are at hand
    - file: the weights that it is to take

    ValueError where mean, std and size are neither given nor stated, and for networks that cannot be read.
    """
    with seeded(seed), warnings.catch_warnings():
        if file is not None:
            warnings.simplefilter("ignore", KeptWeightsWarning)  # weights that stayed are the file's in a moment
        library = open_library(name, settings)
        fed = resolve(name, given, file, default=library.stated)
        own = library.at_hand if pretrained is None else pretrained
        if pretrained is None and not own:
            raise ValueError(f"Say where the weights of {name} come from: either --weights FILE or --pretrained.")
        model, said = library.build(fed.image_size, own)
        name, settings = library.architecture or name, library.settings(model)
        kernel = None if file is None else file.kernel
        encoder = _finished(model, name, fed, own, kernel, None, settings)
    return encoder, said


def _finished(
    model: Any,
    name: str,
    fed: Preprocessing,
    pretrained: bool,
    kernel: tuple[int, ...] | None,
    stored: Collection[str] | None,
    settings: Mapping[str, Any] | None,
) -> Encoder:
    """The encoder around a network, with the stem that is asked for; what is assumed of it is among the notes."""
    asked = (fed.stem, fed.origins["stem"]) if fed.stem else None
    stem = apply_stem(model, name, asked=asked, image_size=fed.image_size, pretrained=pretrained, kernel=kernel)
    fed = fed.with_stem(stem)
    spec = {"name": name, **{key: v for key, v in fed.config.items() if stored is None or key in stored}}
    spec |= {"settings": dict(settings)} if settings else {}
    face = read_network(model, name, fed.image_size)
    return Encoder(model, spec, fed.mean, fed.std, fed.with_notes(face.notes), face)


def read_network(model: Any, name: str, image_size: int) -> Face:
    """How this network is read: as timm's own are, if it has all that those have, else by the outputs of its parts."""
    if type(model).__module__.startswith("timm.") or name in PRESETS:
        return TimmModel(model, name, image_size)
    return AnyNetwork(model, name, image_size)


# --- the networks -----------------------------------------------------------------------------------------------------


def _timm_model(name: str, image_size: int, pretrained: bool, settings: Mapping[str, Any]) -> nn.Module:
    fixed = published(name).fixed_input_size
    # Models of a fixed size have to be told theirs; those that can are also made to take crops of another size.
    options: dict[str, Any] = {"img_size": image_size, "dynamic_img_size": True} if fixed else {}
    options = {**settings, **options}
    try:
        try:
            return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
        except TypeError:
            options.pop("dynamic_img_size", None)
            return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except Exception as error:  # timm's own, a hub's or the network's: there is no common class
        what = "get its pretrained weights (are you online?)" if pretrained else f"build it for {image_size} pixels"
        raise ValueError(f"timm knows {name}, but could not {what}: {first_line(error)}") from error
