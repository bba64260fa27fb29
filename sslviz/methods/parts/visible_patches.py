"""A vision transformer that is run on some patches of a picture alone (arXiv 2111.06377, §3)."""

from __future__ import annotations

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from sslviz.encoders import Encoder


def patch_grid(encoder: Encoder) -> tuple[int, int]:
    """Patches along a side, and pixels along the side of a patch; ValueError for encoders that cannot leave patches out.

    Convolutions need the neighbours of a pixel.  So do windows of attention, and patches that overlap.
    """
    model = encoder.model
    if not isinstance(model, VisionTransformer) or not isinstance(model.patch_embed, PatchEmbed):
        raise ValueError(
            f"Only a plain vision transformer runs on some patches of a picture alone; {encoder.name} is none. "
            "Take vit_nano or one of timm's vit_* models."
        )
    height, width = model.patch_embed.patch_size
    if height != width or encoder.image_size % height:
        raise ValueError(
            f"The patches of a transformer must be squares that fill the picture; {encoder.name} has patches of "
            f"{height}x{width} pixels at {encoder.image_size} pixels."
        )
    return encoder.image_size // height, height


def run_on_patches(encoder: Encoder, x: Tensor, places: Tensor) -> Tensor:
    """The last tokens of these patches alone: x (b, 3, s, s), places int64 (b, k) -> (b, prefix + k, d).

    Class and register tokens come first.  No token has seen a patch that is not among `places`.
    """
    model = encoder.model
    tokens = model._pos_embed(model.patch_embed(x))  # (b, prefix + patches, d)
    prefix, patches = tokens.tensor_split([model.num_prefix_tokens], dim=1)
    tokens = torch.cat([prefix, at_places(patches, places)], dim=1)
    return model.norm(model.blocks(model.norm_pre(tokens)))


def at_places(patches: Tensor, places: Tensor) -> Tensor:
    """The patches at these places: (b, n, d), int64 (b, k) -> (b, k, d)."""
    return patches.gather(1, places[..., None].expand(-1, -1, patches.shape[2]))
