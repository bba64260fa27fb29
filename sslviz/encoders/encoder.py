"""Encoder: any network behind one face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sslviz.encoders.face import Face
from sslviz.encoders.preprocessing import Preprocessing
from sslviz.encoders.timm_model import TimmModel


class Encoder(nn.Module):
    """What does this network see in an image?  One face for any network, whatever library it comes from.

    Its input is float32 (b, 3, h, w), normalised with `mean` and `std`.

    - model: the network itself: timm's own module, torchvision's, or anyone's
    - face: how it is read
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
        face: Face | None = None,
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.spec = dict(spec)
        self.name, self.image_size = str(spec["name"]), int(spec["image_size"])
        self.mean, self.std = tuple(mean), tuple(std)
        self.preprocessing = preprocessing or Preprocessing(self.mean, self.std, self.image_size)
        self.face: Face = face or TimmModel(model, self.name, self.image_size)
        self.dim = self.face.dim

    def forward(self, x: Tensor) -> Tensor:
        """The features: pooled as the model pools, before any classifier; (b, 3, h, w) -> (b, dim)."""
        return self.face.features(x)

    def tokens(self, x: Tensor) -> Tensor:
        """The last grid of features, before pooling; (b, 3, h, w) -> (b, d, rows, columns), without class tokens.

        ValueError for networks that end in no grid (CrossViT, PiT, EfficientViM, a plain multi-layer perceptron).
        """
        return self.face.tokens(x)

    def grid(self, x: Tensor, layer: str | None = None) -> Tensor:
        """The grid of one layer; (b, 3, h, w) -> (b, d, rows, columns), without class tokens.

        - layer: as `layers` calls it, such as an earlier stage, whose grid is finer; None: `tokens`, the last grid

        ValueError for models and layers without a grid.
        """
        if layer is None:
            return self.face.tokens(x)
        names = self.face.grid_names
        if not names:
            raise ValueError(f"{self.name} shows no grid of features; only its pooled ones can be read.")
        if layer not in names:
            raise ValueError(f"{self.name} has no grid of a layer {layer!r}; it has those of: {', '.join(names)}.")
        return self.face.grid(x, layer)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """Features of every layer, in order: {block or stage, as the model calls it: its mean over the grid (b, d_l)}.

        The last entry, "pooled", is what `forward` gives; a few models show no other.  Class tokens are left out of the
        means.
        """
        return self.face.layers(x)
