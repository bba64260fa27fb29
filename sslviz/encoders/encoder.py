"""Encoder: any timm model behind one face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.encoders.preprocessing import Preprocessing


class Encoder(nn.Module):
    """What does this network see in an image?  One face for any timm model.

    Its input is float32 (b, 3, h, w), normalised with `mean` and `std`.

    - model: timm's own module
    - name: what it is called
    - spec: its arguments; `create_encoder(**spec)` builds it again
    - image_size: the height and width in pixels that it was built for
    - mean, std: what its input is normalised with, three numbers each
    - preprocessing: how pictures become its input, and where each value comes from
    - dim: the length of its features

    Example:
        >>> import sslviz, torch
        >>> encoder = sslviz.create_encoder("vit_nano")
        >>> encoder(torch.zeros(5, 3, 32, 32)).shape
        torch.Size([5, 128])
    """

    def __init__(
        self,
        model: nn.Module,
        spec: Mapping[str, Any],
        mean: Sequence[float],
        std: Sequence[float],
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.spec = dict(spec)
        self.name, self.image_size = str(spec["name"]), int(spec["image_size"])
        self.mean, self.std = tuple(mean), tuple(std)
        self.preprocessing = preprocessing or Preprocessing(self.mean, self.std, self.image_size)
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

    def grid(self, x: Tensor, layer: str | None = None) -> Tensor:
        """The grid of one layer; (b, 3, h, w) -> (b, d, rows, columns), without class tokens.

        - layer: as `layers` calls it, such as an earlier stage, whose grid is finer; None: `tokens`, the last grid

        ValueError for models and layers without a grid.
        """
        if not hasattr(self.model, "forward_intermediates"):
            raise ValueError(f"{self.name} shows no grid of features; only its pooled ones can be read.")
        if layer is None:
            return self.tokens(x)
        names = self._names_of_grids()
        if layer not in names:
            raise ValueError(f"{self.name} has no grid of a layer {layer!r}; it has those of: {', '.join(names)}.")
        # What comes after that layer need not be computed.
        at = {"indices": [names.index(layer)], "stop_early": True, "intermediates_only": True}
        return self.model.forward_intermediates(x, **at)[0]

    def _names_of_grids(self) -> list[str]:
        return [info["module"] or "stem" for info in self.model.feature_info]

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """Features of every layer, in order: {block or stage, as timm calls it: its mean over the grid (b, d_l)}.

        The last entry, "pooled", is what `forward` gives; a few models show no other.  Class tokens are left out of the
        means.
        """
        if not hasattr(self.model, "forward_intermediates"):
            return {"pooled": self(x)}
        final, grids = self.model.forward_intermediates(x)
        layers = {name: grid.mean((2, 3)) for name, grid in zip(self._names_of_grids(), grids, strict=True)}
        return layers | {"pooled": self.model.forward_head(final, pre_logits=True).flatten(1)}


@torch.no_grad()
def _output_size(model: Any, name: str, image_size: int) -> int:
    """The features' length, by trying; ValueError if the model does not take images of this size."""
    model.eval()
    try:
        features = model.forward_features(torch.zeros(1, 3, image_size, image_size))
        return model.forward_head(features, pre_logits=True).flatten(1).shape[1]
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(f"{name} does not take {image_size}-pixel images: {first_line(error)}") from error
    finally:
        model.train()


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
