"""Encoders for small pictures that timm does not have."""

from __future__ import annotations

from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.vision_transformer import VisionTransformer
from torch import nn


def _conv_nano(image_size: int) -> nn.Module:
    """Three residual stages, of which the last has a grid of 4x4 at 32 px: what two CPU cores can train in a minute."""
    widths, strides = (24, 48, 128), (1, 2, 2)  # as narrow as a minute allows; the last is the length of the features
    stages = tuple(ByoBlockCfg(type="basic", d=1, c=c, s=s, gs=0) for c, s in zip(widths, strides, strict=True))
    config = ByoModelCfg(blocks=stages, stem_type="3x3", stem_pool="", stem_chs=widths[0])
    # Residual branches that start at zero pay off in long training; here they cost half the accuracy of a short one.
    model = ByobNet(config, num_classes=0, zero_init_last=False)
    model.feature_info[-1]["module"] = "stages.2"  # timm says final_conv, which is the identity here
    return model


def _vit_nano(image_size: int) -> nn.Module:
    if image_size % 8:
        raise ValueError(f"vit_nano divides an image into 8x8 patches; {image_size} pixels are no multiple of 8.")
    return patch_grid_transformer(image_size, width=128, depth=6, heads=4)


def patch_grid_transformer(image_size: int, *, width: int, depth: int, heads: int) -> VisionTransformer:
    """A ViT with 8x8 patches whatever the size, so that its attention is a map worth looking at; smaller crops pass."""
    return VisionTransformer(
        img_size=image_size,
        patch_size=image_size // 8,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        num_classes=0,
        dynamic_img_size=True,  # crops of another size pass
    )


PRESETS = {"conv_nano": _conv_nano, "vit_nano": _vit_nano}
