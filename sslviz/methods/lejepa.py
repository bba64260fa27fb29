"""LeJEPA: views agree, and the features of all images are normally distributed.  https://arxiv.org/abs/2511.08544"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather, processes, same_everywhere
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

LARGEST, KNOTS = 3.0, 17  # frequencies of the characteristic function: as in the authors' code


class LeJEPA(nn.Module):
    """Can all views of an image meet while the images are spread as an isotropic Gaussian?

    Each view is drawn to the mean of the image's large views.  There is no stop-gradient, no slow copy and no predictor.
    SIGReg tests in every step, along random directions, whether the projections of the batch are normal, and drives them
    there.  With `sigreg=0` the loss falls to 0, its best, because all images get the same features.

    - sigreg: the weight of the test, from 0 to 1; agreement has the rest
    - directions: how many are tested in a step

    Example:
        >>> import sslviz
        >>> method = LeJEPA(sslviz.create_encoder("conv_nano"), sigreg=0.02)
        >>> method.projector[-1].out_features
        64

    Caveat: classes in clusters far apart are not normally distributed; the test works against them.
    """

    family = "redundancy reduction"
    # DINO's, less the blur, which leaves too little at 32 px, with four local views.
    views = ViewPolicy(
        scale=(0.3, 1.0),
        local_views=4,
        local_scale=(0.05, 0.3),
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        solarize_prob=(0.0, 0.2, 0.0, 0.0, 0.0, 0.0),
    )
    safeguards = {"SIGReg": {"sigreg": 0.0}}

    def __init__(
        self,
        encoder: Encoder,
        *,
        sigreg: float = 0.05,
        directions: int = 256,
        hidden: int = 512,
        out: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= sigreg <= 1:
            raise ValueError(f"LeJEPA's sigreg is a weight from 0 to 1; got {sigreg}.")
        self.sigreg, self.directions = sigreg, directions
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, hidden, out)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both terms, each times its weight."""
        z = encode_views(lambda x: self.projector(self.encoder(x)), batch.views)  # (views, b, out)
        directions = same_everywhere(torch.randn(self.directions, z.shape[2], device=z.device))
        # Means over pictures, one for each process, and then over processes: the pictures need not travel.
        found = gather(characteristic_function(z, directions)[:, None]).mean(1)
        return {
            "invariance": (1 - self.sigreg) * invariance(z, large=len(batch.views[0])),
            "sigreg": self.sigreg * epps_pulley(found, images=z.shape[1] * processes()),
        }


@in_float32
def invariance(z: Tensor, large: int) -> Tensor:
    """Mean squared difference of each view and the mean of the large ones; z (views, b, d), large first."""
    return (z - z[:large].mean(0)).square().mean()


@in_float32
def characteristic_function(z: Tensor, directions: Tensor) -> Tensor:
    """Real and imaginary part, of projections on directions of any length.

    z (views, b, d), directions (m, d) -> (views, m, knots, 2), the mean over pictures.
    """
    frequencies = torch.linspace(0, LARGEST, KNOTS, device=z.device)
    angles = (z @ F.normalize(directions, dim=1).T)[..., None] * frequencies  # (views, b, m, knots)
    return torch.stack([angles.cos().mean(1), angles.sin().mean(1)], -1)


@in_float32
def epps_pulley(found: Tensor, images: int) -> Tensor:
    """How far characteristic functions are from a normal distribution's, (..., knots, 2) -> scalar, their mean.

    The squared distance is weighted with a Gaussian, integrated from -3 to 3 by trapezoids, and multiplied by `images`.
    """
    frequencies = torch.linspace(0, LARGEST, KNOTS, device=found.device)
    normal = (-(frequencies**2) / 2).exp()
    distance = (found[..., 0] - normal).square() + found[..., 1].square()  # (..., knots)
    return images * 2 * torch.trapezoid(distance * normal, frequencies).mean()
