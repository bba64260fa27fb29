"""Where does an encoder with a grid answer, and from how far?  Activation energy, EigenCAM, the receptive field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attention.streaming import pictures
from sslviz.features.embed import batch_size, to_device
from sslviz.runs import Checkpoint

FIELD_PIXELS = 2**18  # of pictures whose gradients are alive at a time: 256 images of 32 px, 5 of 224 px


def activation_energy(
    checkpoint: Checkpoint, images: Images, *, layer: str | None = None, progress: bool = True
) -> np.ndarray:
    """Where does the encoder answer at all?  float32 (n, rows, columns): the squared length of each cell's features.

    `layer` is a block or stage as `Encoder.layers` calls it; by default the last grid before pooling.  ValueError for
    a layer that is not there, for clips, and for encoders that end in no grid.

    Caveat: A loud cell need not matter to the features: pooling and what follows decide that.
    """
    return _per_picture(checkpoint, images, layer, progress, energy)


def eigen_cam(checkpoint: Checkpoint, images: Images, *, layer: str | None = None, progress: bool = True) -> np.ndarray:
    """What is the main thing the encoder's grid shows?  float32 (n, rows, columns): its first principal projection.

    The cells' features (cells, channels), not centred, projected on their first right singular vector (EigenCAM,
    arXiv 2008.00299).  A singular vector has no sign: it is turned so that the map goes with the activation energy.
    Arguments and errors as for `activation_energy`.

    Caveat: It shows what the cells have most of in common, which may be the background.
    """
    return _per_picture(checkpoint, images, layer, progress, first_component)


def effective_receptive_field(
    checkpoint: Checkpoint, images: Images, *, directions: int = 8, seed: int = 0, progress: bool = True
) -> np.ndarray:
    """From how far does the middle cell draw?  float32 (n, s, s), at the encoder's input resolution.

    At each pixel, how strongly the features of the middle cell of the last grid change with it: the root of the
    summed squares of d feature / d colour, (E |d z / dx|; arXiv 1701.04128), estimated with `directions` random signs
    over the channels.  Their plain sum would not do: behind a normalisation it does not change at all.
    `receptive_radius` of the mean over images says how wide it is.  ValueError as for `activation_energy`.

    Caveat: It holds at these pictures only, and pictures that saturate the encoder make it look narrower.
    """
    encoder = _ready(checkpoint, images).requires_grad_(False)
    batch = max(1, FIELD_PIXELS // encoder.image_size**2)
    generator = torch.Generator().manual_seed(seed)
    parts = [
        receptive_field(encoder.tokens, x, directions, generator).cpu()
        for x in pictures(encoder, images, batch, checkpoint.run if progress else "")
    ]
    return torch.cat(parts).numpy()


def receptive_radius(field: np.ndarray) -> float:
    """How wide is a receptive field?  The standard deviation in pixels of the round Gaussian that fits it best.

    `field` (h, w), or (n, h, w), which is averaged; least squares over height, place and width.  0 for a field of
    zeros, and for one of a single pixel about half a pixel.

    Caveat: A field that is no Gaussian, such as that of a transformer, has no radius worth the name: look at it.
    """
    from scipy.optimize import least_squares

    field = np.asarray(field, float)
    field = field.mean(0) if field.ndim == 3 else field
    if not field.max() > 0:
        return 0.0
    field = field / field.max()
    y, x = np.indices(field.shape)
    mass = field.sum()
    middle = (y * field).sum() / mass, (x * field).sum() / mass
    spread = np.sqrt((((y - middle[0]) ** 2 + (x - middle[1]) ** 2) * field).sum() / mass / 2)

    def misfit(at: np.ndarray) -> np.ndarray:
        height, row, column, width = at
        return (height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2)) - field).ravel()

    widest = float(max(field.shape))
    bounds = ([0, 0, 0, 0.1], [10, field.shape[0], field.shape[1], 10 * widest])
    starts = [[1, *middle, np.clip(width, 0.2, widest)] for width in (spread, spread / 3)]
    fits = [least_squares(misfit, start, bounds=bounds) for start in starts]
    return float(min(fits, key=lambda fit: fit.cost).x[3])


# --- the same on tensors ----------------------------------------------------------------------------------------------


def energy(grid: Tensor) -> Tensor:
    """The squared length of each cell's features: (b, d, rows, columns) -> (b, rows, columns)."""
    return grid.float().square().sum(1)


def first_component(grid: Tensor) -> Tensor:
    """Each cell's part of the first right singular vector, signed by the energy: (b, d, h, w) -> (b, h, w)."""
    cells = grid.double().flatten(2).mT  # (b, P, d)
    if cells.shape[1] <= cells.shape[2]:  # whichever Gram matrix is the smaller
        values, vectors = torch.linalg.eigh(cells @ cells.mT)
        found = vectors[..., -1] * values[..., -1:].clamp_min(0).sqrt()
    else:
        found = (cells @ torch.linalg.eigh(cells.mT @ cells)[1][..., -1:]).squeeze(-1)
    loud = cells.square().sum(-1)
    loud = loud - loud.mean(1, keepdim=True)
    along = ((found - found.mean(1, keepdim=True)) * loud).sum(1)
    along = torch.where(along.abs() > 1e-12 * loud.norm(dim=1) * found.norm(dim=1), along, found.sum(1))
    found = torch.where(along[:, None] < 0, -found, found)
    return found.unflatten(1, grid.shape[2:]).float()


def receptive_field(
    tokens: Callable[[Tensor], Tensor], x: Tensor, directions: int, generator: torch.Generator
) -> Tensor:
    """How strongly does the middle cell of `tokens(x)` change with each pixel?  (b, 3, s, s) -> (b, s, s)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        grid = tokens(x)
        middle = grid[:, :, grid.shape[2] // 2, grid.shape[3] // 2]  # (b, d)
        total = torch.zeros_like(x[:, 0])
        for _ in range(1 if middle.shape[1] == 1 else directions):
            signs = torch.randint(0, 2, (middle.shape[1],), generator=generator).to(middle) * 2 - 1
            (slope,) = torch.autograd.grad((middle @ signs).sum(), x, retain_graph=True)
            total += slope.square().sum(1)
    count = 1 if middle.shape[1] == 1 else directions
    return (total / count).sqrt().detach()


def _per_picture(
    checkpoint: Checkpoint, images: Images, layer: str | None, progress: bool, read: Callable[[Tensor], Tensor]
) -> np.ndarray:
    encoder = _ready(checkpoint, images)
    title = checkpoint.run if progress else ""
    with torch.inference_mode():
        parts = [read(_grid(encoder, x, layer)).cpu() for x in pictures(encoder, images, batch_size(encoder), title)]
    return torch.cat(parts).numpy()


def _ready(checkpoint: Checkpoint, images: Images) -> Encoder:
    if not len(images) or images.pixels.ndim != 4:
        raise ValueError(
            f"Maps are made of at least one picture, (n, height, width, 3); got pixels of shape {images.pixels.shape}."
        )
    return to_device(checkpoint.encoder())


def _grid(encoder: Encoder, x: Tensor, layer: str | None) -> Tensor:
    if layer is None:
        return encoder.tokens(x)
    names = [info["module"] or "stem" for info in getattr(encoder.model, "feature_info", [])]
    if layer not in names or not hasattr(encoder.model, "forward_intermediates"):
        raise ValueError(f"{encoder.name} has no grid called {layer!r}; it has: {', '.join(names) or 'none'}.")
    return encoder.model.forward_intermediates(x, indices=[names.index(layer)], intermediates_only=True)[-1]
