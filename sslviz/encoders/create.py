"""Which network turns images into features?  Any timm model behind one small face, and two of our own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import timm
import torch
from timm.models import PretrainedCfg
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.resnet import ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from sslviz.encoders.weights import LoadReport, load_weights

__all__ = ["PRESETS", "Encoder", "LoadReport", "create_encoder", "list_encoders", "load_weights", "seeded"]

LOW_RESOLUTION = 64  # up to this many pixels a ResNet gets the small stem (arXiv 2002.05709, App. B.9)


class Encoder(nn.Module):
    """What does this network see in an image?  One face for any timm model.

    Images are float32 (b, 3, h, w), normalised with `mean` and `std`; `image_size` is what the network was built for.
    `dim` is the length of its features, `name` what it is called, and `create_encoder(**spec)` builds it again; `model`
    is timm's own module.
    """

    def __init__(self, model: nn.Module, spec: Mapping[str, Any], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model: Any = model
        self.spec = dict(spec)
        self.name, self.image_size = str(spec["name"]), int(spec["image_size"])
        self.mean, self.std = tuple(mean), tuple(std)
        self.dim = _output_size(model, self.name, self.image_size)

    def forward(self, x: Tensor) -> Tensor:
        """The features: pooled as the model pools, before any classifier; (b, 3, h, w) -> (b, dim)."""
        return self.model.forward_head(self.model.forward_features(x), pre_logits=True).flatten(1)

    def tokens(self, x: Tensor) -> Tensor:
        """The last grid of features, before pooling; (b, 3, h, w) -> (b, d, rows, columns), without class tokens.

        ValueError for the few models that end in no grid (CrossViT, PiT, EfficientViM).
        """
        final, grids = self.model.forward_intermediates(x, indices=1)
        grid = grids[-1].shape[-2:]
        if not isinstance(final, Tensor) or (final.ndim == 3 and final.shape[1] < grid.numel()):
            raise ValueError(f"{self.name} does not end in one grid of tokens; use its pooled features.")
        if final.ndim == 4:
            return final.movedim(-1, 1) if getattr(self.model, "output_fmt", "") == "NHWC" else final
        return final[:, -grid.numel() :].mT.unflatten(2, grid)  # class and register tokens come first

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """What is known where?  {block or stage, as timm calls it: its mean over the grid (b, d_l)}, in order.

        The last entry, "pooled", is what `forward` gives, and the only one of the few models that show no others.
        Class tokens are left out of the others.
        """
        if not hasattr(self.model, "forward_intermediates"):
            return {"pooled": self(x)}
        final, grids = self.model.forward_intermediates(x)
        names = [info["module"] or "stem" for info in self.model.feature_info]
        layers = {name: grid.mean((2, 3)) for name, grid in zip(names, grids, strict=True)}
        return layers | {"pooled": self.model.forward_head(final, pre_logits=True).flatten(1)}


def create_encoder(
    name: str = "conv_nano",
    *,
    image_size: int | None = 32,
    pretrained: bool = False,
    stem: Literal["standard", "low-resolution"] | None = None,
    seed: int = 0,
) -> Encoder:
    """Which encoder is to be trained or looked at?  One of `list_encoders()`, with weights that `seed` alone decides.

    `image_size` None is the size the model was published for.  `pretrained` takes timm's weights (a download).
    `stem` matters to ResNets only: "low-resolution" (3x3, stride 1, no max-pool; the default up to 64 px, unless
    `pretrained`, whose weights know only the standard one) or "standard".  The global random state is left as it was.

    Raises ValueError for unknown names, for image sizes that the model does not take, and when weights cannot be had.
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
    """Which encoders are there?  Our presets for small images first, then every timm model."""
    return [*PRESETS, *timm.list_models()]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """How do weights depend on `seed` alone?  Draw them in here; the global random state is then as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's only: weights are drawn there
        yield


# --- the networks -----------------------------------------------------------------------------------------------------


def _conv_nano(image_size: int) -> nn.Module:
    """Three residual stages, of which the last has a grid of 4x4 at 32 px: what two CPU cores can train in a minute."""
    widths, strides = (24, 48, 128), (1, 2, 2)
    stages = tuple(ByoBlockCfg(type="basic", d=1, c=c, s=s, gs=0) for c, s in zip(widths, strides, strict=True))
    config = ByoModelCfg(blocks=stages, stem_type="3x3", stem_pool="", stem_chs=widths[0])
    # Residual branches that start at zero pay off in long training; here they cost half the accuracy of a short one.
    model = ByobNet(config, num_classes=0, zero_init_last=False)
    model.feature_info[-1]["module"] = "stages.2"  # timm says final_conv, which is the identity here
    return model


def _vit_nano(image_size: int) -> nn.Module:
    """A ViT with 8x8 patches whatever the size, so that its attention is a map worth looking at; smaller crops pass."""
    if image_size % 8:
        raise ValueError(f"vit_nano divides an image into 8x8 patches; {image_size} pixels are no multiple of 8.")
    return VisionTransformer(
        img_size=image_size, patch_size=image_size // 8, embed_dim=128, depth=6, num_heads=4, num_classes=0,
        dynamic_img_size=True,
    )  # fmt: skip


PRESETS = {"conv_nano": _conv_nano, "vit_nano": _vit_nano}


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
        raise ValueError(f"timm knows {name}, but could not {what}: {_first_line(error)}") from error


def _low_resolution_stem(model: Any) -> None:
    """A 3x3 convolution of stride 1 and no max-pool: at 32 px the standard stem would leave 8x8 of the picture."""
    if isinstance(model.conv1, nn.Sequential):  # the "deep" stems are 3x3 already
        stem: Any = model.conv1[0]
        stem.stride = (1, 1)
    else:
        model.conv1 = nn.Conv2d(model.conv1.in_channels, model.conv1.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()


@torch.no_grad()
def _output_size(model: Any, name: str, image_size: int) -> int:
    """The features' length, by trying; ValueError if the model does not take images of this size."""
    model.eval()
    try:
        features = model.forward_features(torch.zeros(1, 3, image_size, image_size))
        return model.forward_head(features, pre_logits=True).flatten(1).shape[1]
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(f"{name} does not take {image_size}-pixel images: {_first_line(error)}") from error
    finally:
        model.train()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
