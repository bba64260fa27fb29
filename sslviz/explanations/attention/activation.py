"""Where the grid of an encoder answers, and from how far: activation energy, EigenCAM, the receptive field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.pictures import input_batches, require_pictures
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

    The cells' features (cells, channels), not centred, are projected on their first right singular vector (EigenCAM,
    arXiv 2008.00299).  A singular vector has no sign: it is turned so that the map goes with the activation energy.
    Arguments and errors as for `activation_energy`.

    Caveat: It shows what the cells have most of in common, which may be the background.
    """
    return _per_picture(checkpoint, images, layer, progress, first_component)


def effective_receptive_field(
    checkpoint: Checkpoint, images: Images, *, draws: int = 8, seed: int = 0, progress: bool = True
) -> np.ndarray:
    """From how far does the middle cell draw?  float32 (n, s, s), at the encoder's input resolution.

    At each pixel, how strongly the features of the middle cell of the last grid change with it (E |d z / dx|;
    arXiv 1701.04128).  That is the root of the summed squares of d feature / d colour, estimated with `draws` of random
    signs over the channels.  Their plain sum would not do: behind a normalisation it does not change at all.
    `receptive_radius` of the mean over images says how wide it is.  ValueError as for `activation_energy`.

    Caveat: It holds at these pictures only, and pictures that saturate the encoder make it look narrower.
    """
    encoder = _ready(checkpoint, images).requires_grad_(False)
    batch = max(1, FIELD_PIXELS // encoder.image_size**2)
    generator = torch.Generator().manual_seed(seed)
    parts = [
        receptive_field(encoder.tokens, x, draws, generator).cpu()
        for x in input_batches(encoder, images, batch, checkpoint.run if progress else "")
    ]
    return torch.cat(parts).numpy()


def receptive_radius(field: np.ndarray) -> float:
    """How wide is a receptive field?  The standard deviation in pixels of the round Gaussian that fits it best.

    `field` (h, w), or (n, h, w), which is averaged; least squares over height, place and width.  It is 0 for a field of
    zeros.  For a field of a single pixel it is about half a pixel.

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

    def misfit(parameters: np.ndarray) -> np.ndarray:
        height, row, column, width = parameters
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
        projection = vectors[..., -1] * values[..., -1:].clamp_min(0).sqrt()
    else:
        projection = (cells @ torch.linalg.eigh(cells.mT @ cells)[1][..., -1:]).squeeze(-1)
    energies = cells.square().sum(-1)
    energies = energies - energies.mean(1, keepdim=True)
    along = ((projection - projection.mean(1, keepdim=True)) * energies).sum(1)
    is_clear = along.abs() > 1e-12 * energies.norm(dim=1) * projection.norm(dim=1)
    along = torch.where(is_clear, along, projection.sum(1))
    projection = torch.where(along[:, None] < 0, -projection, projection)
    return projection.unflatten(1, grid.shape[2:]).float()


def receptive_field(tokens: Callable[[Tensor], Tensor], x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """How strongly the middle cell of `tokens(x)` changes with each pixel: (b, 3, s, s) -> (b, s, s)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        grid = tokens(x)
        middle = grid[:, :, grid.shape[2] // 2, grid.shape[3] // 2]  # (b, d)
        total = torch.zeros_like(x[:, 0])
        count = 1 if middle.shape[1] == 1 else draws
        for _ in range(count):
            signs = torch.randint(0, 2, (middle.shape[1],), generator=generator).to(middle) * 2 - 1
            (slope,) = torch.autograd.grad((middle @ signs).sum(), x, retain_graph=True)
            total += slope.square().sum(1)
    return (total / count).sqrt().detach()


def _per_picture(
    checkpoint: Checkpoint, images: Images, layer: str | None, progress: bool, read: Callable[[Tensor], Tensor]
) -> np.ndarray:
    encoder = _ready(checkpoint, images)
    title = checkpoint.run if progress else ""
    with torch.inference_mode():
        batches = input_batches(encoder, images, batch_size(encoder), title)
        return torch.cat([read(encoder.grid(x, layer)).cpu() for x in batches]).numpy()


def _ready(checkpoint: Checkpoint, images: Images) -> Encoder:
    require_pictures(images, "Maps are made of at least one picture, (n, height, width, 3)")
    return to_device(checkpoint.encoder())
