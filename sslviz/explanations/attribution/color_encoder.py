"""An encoder whose weights are set by hand, so that the true attribution is known."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.data.worlds import COLORS
from sslviz.encoders import Encoder
from sslviz.explanations.pictures import as_inputs


class ColorFilters(nn.Module):
    """A matched filter per colour on x - mean_c x, ReLU, mean over the picture.

    (b, 3, h, w) -> grid (b, k, h, w) -> features (b, k).  Greys have no colour, so all of them read exactly 0 and have a
    gradient of exactly 0.
    """

    def __init__(self, colors: np.ndarray) -> None:
        super().__init__()
        chroma = torch.as_tensor(colors, dtype=torch.float32)
        chroma = chroma - chroma.mean(1, keepdim=True)
        self.filters = nn.Parameter(F.normalize(chroma, dim=1))  # (k, 3)

    def forward_features(self, x: Tensor) -> Tensor:
        """How much of each colour there is at each place."""
        # Differences between channels: for greys exactly zero, where x - mean would leave rounding.
        r, g, b = x.unbind(1)
        chroma = torch.stack([(r - g) + (r - b), (g - r) + (g - b), (b - r) + (b - g)], dim=1) / 3
        return torch.einsum("kc,bchw->bkhw", self.filters, chroma).relu()

    def forward_head(self, grid: Tensor, pre_logits: bool = True) -> Tensor:
        """How much of each colour there is in all."""
        return grid.mean((2, 3))

    def forward_intermediates(self, x: Tensor, indices: int = 1) -> tuple[Tensor, list[Tensor]]:
        """As timm's models show their grids."""
        grid = self.forward_features(x)
        return grid, [grid]


def color_encoder(image_size: int = 32) -> Encoder:
    """Which encoder's true attribution is known?  One that knows four colours and nothing else.

    Features (b, 4): how much there is of orange, green, blue and purple, the `COLORS` of `sslviz.data.worlds`.  It never
    trained, so what it uses is certain (in the manner of AttributionLab, arXiv:2310.06514): see `true_attribution`.

    Example:
        >>> import sslviz
        >>> from sslviz.explanations.attribution.color_encoder import true_attribution
        >>> encoder, images = sslviz.color_encoder(), sslviz.shapes(n=4)
        >>> maps = sslviz.attribute(encoder, images, baseline="grey", progress=False).maps
        >>> bool(abs(maps - true_attribution(encoder, images)).max() < 1e-6)
        True

    Caveat: A method may be right about so simple an encoder and wrong about a deep one; wrong here, it is wrong.
    """
    model = ColorFilters(np.array(list(COLORS.values())) / 255)
    spec = {"name": "color_encoder", "image_size": image_size}
    return Encoder(model, spec, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()


@torch.no_grad()
def true_attribution(encoder: Encoder, images: Images, *, weights: np.ndarray | None = None) -> np.ndarray:
    """What does each pixel truly contribute, against any grey baseline?  float32 (n, s, s); exactly 0 where it is grey.

    s(x) = <w, f(x)> with `weights` w (4,) or (n, 4); by default the image's own features, which is target "self".  The
    encoder adds up its pixels, so every method that shares s out must give exactly this.  Covered patches must give the
    sum over the patch, and Grad-CAM the same up to a factor.  ValueError for another encoder.

    Caveat: Exact for linear readouts only; a cosine divides by a length that all pixels make up together.
    """
    if not isinstance(encoder.model, ColorFilters):
        raise ValueError(f"Only of color_encoder is the true attribution known; got {encoder.name}.")
    x = as_inputs(images.pixels, encoder)
    device = encoder.model.filters.device
    grid = encoder.model.forward_features(x.to(device)).cpu()  # (n, k, s, s)
    if weights is None:
        w = grid.mean((2, 3))
    else:
        w = torch.as_tensor(np.asarray(weights, np.float32)).expand(len(x), grid.shape[1])
    return (torch.einsum("nk,nkhw->nhw", w, grid) / grid[0, 0].numel()).numpy()
