"""Face: what an encoder is asked of the network inside it, whatever library that comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class Face(Protocol):
    """One way to read a network: timm's own (`TimmModel`), or outputs of its parts by hooks (`AnyNetwork`).

    - dim: the length of the features
    - patch_size: how many pixels a token spans; 0 where that is not known
    - notes: what had to be assumed, a sentence each
    """

    dim: int
    patch_size: int
    notes: tuple[str, ...]

    @property
    def grid_names(self) -> list[str]:
        """The layers that have a grid, in order."""

    def features(self, x: Tensor) -> Tensor:
        """The features: (b, 3, h, w) -> (b, dim)."""

    def tokens(self, x: Tensor) -> Tensor:
        """The last grid: (b, 3, h, w) -> (b, d, rows, columns); ValueError for a network without."""

    def grid(self, x: Tensor, layer: str) -> Tensor:
        """The grid of a layer that `grid_names` names: (b, 3, h, w) -> (b, d, rows, columns)."""

    def tokens_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `tokens` and `features` give, of one pass."""

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """{layer: the mean over its grid (b, d_l)}, and "pooled" last."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(the grid that Grad-CAM weighs, cut from what made it; the features computed from it)."""

    def on_grid(self, held: Tensor, grid: tuple[int, int]) -> Tensor:
        """What `split` gave first, or its gradient, as (b, d, rows, columns); ValueError for another grid."""

    def layer_numbers(self) -> Mapping[str, int]:
        """The layer of each parameter, 0 next to the pixels; ValueError for a network that does not say."""
