"""CAN: two masked, noisy views find each other, are completed, and are freed of noise.  https://arxiv.org/abs/2210.16870"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.draws import normal_by_row, uniform_by_row
from sslviz.methods.parts.grid_and_pooled import grid_and_pooled
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.masking import random_squares, square_side
from sslviz.methods.parts.multi_crop import pairs_of
from sslviz.methods.parts.pixel_decoder import pixel_layer
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.settings import above_zero
from sslviz.methods.parts.trial import grid_shape
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.methods.simclr import nt_xent
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class ContrastiveReconstruction(nn.Module):
    """Can the same features tell pictures apart, complete them and free them of noise?

    Squares of each view are painted over in one learned colour, and noise of a known strength lies on the rest.  From the
    same features three things are predicted: which view belongs to the same picture, the hidden pixels, and the noise on
    the visible ones.  Neither hidden pixels nor noise can be copied.  The contrast keeps pictures apart, and so do the pixels.
    The paper leaves hidden patches out of a transformer; painting them over serves any encoder.

    - mask_ratio, grid: the share of the squares that is hidden, and the squares along a side of the picture
    - noise: the largest strength, on pixels from -1 to 1; each view of each picture draws its own from 0 to this
    - contrastive, reconstruction, denoising: the weights of the terms
    - temperature, hidden, out: of the contrast and its projector

    Example:
        >>> import sslviz
        >>> method = ContrastiveReconstruction(sslviz.create_encoder("conv_nano"), denoising=0.0)
        >>> list(method.weights)
        ['contrastive', 'reconstruction', 'denoising']

    Caveat: the terms want different things; look at each in the history.  A coarse grid has little room for the noise.
    """

    family = "hybrid"
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)  # SimCLR's, for 32 px: no blur

    def __init__(
        self,
        encoder: Encoder,
        *,
        mask_ratio: float = 0.5,
        grid: int = 8,
        noise: float = 0.2,
        contrastive: float = 1.0,
        reconstruction: float = 1.0,
        denoising: float = 1.0,
        temperature: float = 0.2,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        self.weights = {"contrastive": contrastive, "reconstruction": reconstruction, "denoising": denoising}
        self.side = square_side(encoder.image_size, grid, mask_ratio)
        self.ratio, self.noise, self.temperature = mask_ratio, noise, temperature
        self.encoder = encoder
        dim, _ = grid_shape(encoder)
        freeze_unreached(encoder, lambda x: torch.cat([y.flatten() for y in grid_and_pooled(encoder, x)]))
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)
            self.color = nn.Parameter(torch.zeros(3, 1, 1))
            self.strength = nn.Sequential(nn.Linear(1, dim), nn.GELU(), nn.Linear(dim, dim))
            self.decoder = nn.Sequential(nn.GELU(), *pixel_layer(encoder, 6))
        for p in self.decoder.parameters():
            nn.init.zeros_(p)  # noise is small: a random layer's guess of it is worse than none

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The three terms of all views, each times its weight."""
        projected, completed, cleaned = [], [], []
        for x in batch.views:
            pooled, painted, noise, true_noise, hidden = self._predict(x, batch.rows)
            projected += self.projector(pooled).unflatten(0, (len(x), -1))  # one (b, out) a view
            completed += [squared_error(painted, x.flatten(0, 1), hidden)] * len(x)  # views count alike, of any size
            cleaned += [squared_error(noise, true_noise, ~hidden)] * len(x)
        z = gather(torch.stack(projected))  # (views, B, out)
        contrast = [nt_xent(pair, self.temperature) for pair in pairs_of(z, large=len(batch.views[0]))]
        terms = (torch.stack(values).mean() for values in (contrast, completed, cleaned))
        return {name: weight * term for (name, weight), term in zip(self.weights.items(), terms, strict=True)}

    def _predict(self, x: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        """Of views (v, b, 3, s, s): pooled features (v * b, dim), painted pixels, predicted noise, true noise, hidden."""
        v, _, _, s, _ = x.shape
        hidden = random_squares(rows, s, self.side, self.ratio, v)  # (v * b, 1, s, s)
        strength = self.noise * uniform_by_row(rows, v, 1).transpose(0, 1).flatten(0, 1)  # (v * b, 1)
        noise = strength[..., None, None] * normal_by_row(rows, v, 3, s, s).transpose(0, 1).flatten(0, 1)
        tokens, pooled = grid_and_pooled(self.encoder, torch.where(hidden, self.color, x.flatten(0, 1) + noise))
        made = self.decoder(tokens + self.strength(strength)[..., None, None])
        made = made if made.shape[2] == s else F.interpolate(made, (s, s), mode="bilinear")  # (v * b, 6, s, s)
        return pooled, made[:, :3], made[:, 3:], noise, hidden

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """Paints over squares of pictures (n, 3, s, s), adds noise, then completes and cleans them."""
        _, painted, noise, true_noise, hidden = self._predict(x[None], torch.arange(len(x), device=x.device))
        noisy = x + true_noise
        predicted = torch.where(hidden, painted, noisy - noise).to(x.dtype)
        return Reconstruction(torch.where(hidden, self.color, noisy), predicted, x, torch.ones_like(hidden))


@in_float32
def squared_error(predicted: Tensor, true: Tensor, where: Tensor) -> Tensor:
    """Mean squared error over some pixels; both (n, 3, s, s), where bool (n, 1, s, s) -> scalar."""
    return ((predicted - true).square() * where).sum() / (3 * where.sum())
