"""How a network of timm is read: by the functions that timm gives all its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class TimmModel:
    """The face of a model of timm, or of any with its `forward_features` and `forward_head`."""

    notes: tuple[str, ...] = ()

    def __init__(self, model: Any, name: str, image_size: int) -> None:
        self.model, self.name = model, name
        self.dim = _output_size(model, name, image_size)
        patch = getattr(getattr(model, "patch_embed", None), "patch_size", 0)
        self.patch_size = int(patch[0] if isinstance(patch, tuple | list) else patch)

    @property
    def grid_names(self) -> list[str]:
        """Blocks or stages, as timm calls them."""
        if not hasattr(self.model, "forward_intermediates"):
            return []
        return [info["module"] or "stem" for info in self.model.feature_info]

    def features(self, x: Tensor) -> Tensor:
        """Pooled as the model pools, before any classifier."""
        return self._pooled(self.model.forward_features(x))

    def tokens(self, x: Tensor) -> Tensor:
        """The last grid, before pooling."""
        return self.tokens_and_features(x, features=False)[0]

    def tokens_and_features(self, x: Tensor, *, features: bool = True) -> tuple[Tensor, Tensor]:
        """The last grid, and what the model pools of it; the same twice where no features are wanted."""
        if not hasattr(self.model, "forward_intermediates"):
            raise ValueError(f"{self.name} shows no grid of features; only its pooled ones can be read.")
        final, grids = self.model.forward_intermediates(x, indices=1)
        grid = grids[-1].shape[-2:]
        if not isinstance(final, Tensor) or (final.ndim == 3 and final.shape[1] < grid.numel()):
            raise ValueError(f"{self.name} does not end in one grid of tokens; use its pooled features.")
        tokens = self._placed(final, grid)
        return tokens, self._pooled(final) if features else tokens

    def grid(self, x: Tensor, layer: str) -> Tensor:
        """The grid of one layer; what comes after it is not computed."""
        at = {"indices": [self.grid_names.index(layer)], "stop_early": True, "intermediates_only": True}
        return self.model.forward_intermediates(x, **at)[0]

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """The mean over each grid, without class tokens, and the pooled features."""
        if not hasattr(self.model, "forward_intermediates"):
            return {"pooled": self.features(x)}
        final, grids = self.model.forward_intermediates(x)
        layers = {name: grid.mean((2, 3)) for name, grid in zip(self.grid_names, grids, strict=True)}
        return layers | {"pooled": self._pooled(final)}

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """At the last grid; of transformers at the norm before the last attention, where patches still matter."""
        blocks = getattr(self.model, "blocks", None)
        layer = getattr(blocks[-1], "norm1", None) if isinstance(blocks, nn.Sequential | nn.ModuleList) else None
        if layer is not None:
            return cut_at(layer, x, self.features)
        with torch.no_grad():
            held = self.model.forward_features(x).detach()
        return held.requires_grad_(), self._pooled(held)

    def on_grid(self, held: Tensor, grid: tuple[int, int]) -> Tensor:
        """Tokens, or channels last, as channels first."""
        if held.ndim == 3 and held.shape[1] < grid[0] * grid[1]:
            raise ValueError(f"{self.name} ends in {held.shape[1]} tokens, which are no grid of {grid[0]} x {grid[1]}.")
        placed = self._placed(held, torch.Size(grid))
        if placed.ndim != 4 or tuple(placed.shape[2:]) != grid:
            raise ValueError(f"{self.name} ends in {tuple(held.shape)}, which is no grid of {grid[0]} x {grid[1]}.")
        return placed

    def layer_numbers(self) -> Mapping[str, int]:
        """As timm groups the parameters for learning rates that fall from layer to layer."""
        from timm.models import group_parameters

        if not hasattr(self.model, "group_matcher"):
            raise ValueError(
                f"{self.name} does not say which of its weights belong to which layer; pass layer_decay=1 and "
                'unfreeze="all", which need no layers.'
            )
        return group_parameters(self.model, self.model.group_matcher(coarse=False), reverse=True)

    def _pooled(self, final: Any) -> Tensor:
        return self.model.forward_head(final, pre_logits=True).flatten(1)

    def _placed(self, final: Tensor, grid: torch.Size) -> Tensor:
        if final.ndim == 4:
            return final.movedim(-1, 1) if getattr(self.model, "output_fmt", "") == "NHWC" else final
        return final[:, -grid.numel() :].mT.unflatten(2, grid)  # class and register tokens come first


def cut_at(layer: nn.Module, x: Tensor, features: Any) -> tuple[Tensor, Tensor]:
    """What `layer` gives inside `features(x)`, cut from what made it, and the features computed from it."""
    held: list[Tensor] = []

    def cut(module: Any, inputs: Any, out: Any) -> Any:
        first = out if isinstance(out, Tensor) else next(part for part in out if isinstance(part, Tensor))
        held.append(first.detach().requires_grad_())
        new = held[-1].clone()  # what follows may write into it
        return new if isinstance(out, Tensor) else (new, *list(out)[1:])

    handle = layer.register_forward_hook(cut)
    try:
        made = features(x)
    finally:
        handle.remove()
    return held[-1], made


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


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
