"""A head that finds objects as points: where their centres lie, how far within the patch, and how large they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data.boxes import Boxes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.runtime.random_state import seeded
from sslviz.training.schedule import Schedule
from sslviz.transfer.dense.average_precision import MOST_BOXES, Placed

WIDTH = 64  # channels between the two convolutions, as in arXiv 1904.07850 for its smallest network
BATCH = 32  # pictures of a step
RATE, WEIGHT_DECAY = 2e-3, 0.05
POWER, FAR = 2, 4  # of the focal loss: how little sure cells count, and cells near a centre (arXiv 1904.07850)
PRIOR = 0.1  # what every cell is said to be at first, so that empty ones do not outweigh the rest
LEAST_OVERLAP = 0.7  # of a box with itself when shifted by the radius in which a centre is almost right
_CHUNK = 256  # pictures whose boxes are read at once


class Targets(NamedTuple):
    """What the head shall say of n pictures.

    - heat: near the centres of each class 1, elsewhere 0, (n, c, rows, columns)
    - shape: the place of each centre within its cell, x and y from 0 to 1, and the log of its box's width and height in
      cells, (n, 4, rows, columns)
    - here: which cells have a centre, bool (n, rows, columns)
    """

    heat: Tensor
    shape: Tensor
    here: Tensor


def targets(objects: list[Boxes], classes: list[str], grid: tuple[int, int], size: tuple[int, int]) -> Targets:
    """The boxes of pictures of some height and width as targets on a grid.

    Of two centres in one cell the smaller box is said; where they are of one class, it is found alone.
    """
    heat = np.zeros((len(objects), len(classes), *grid), np.float32)
    shape = np.zeros((len(objects), 4, *grid), np.float32)
    here = np.zeros((len(objects), *grid), bool)
    cell = np.array([size[1] / grid[1], size[0] / grid[0]])  # x, y in pixels
    y, x = np.mgrid[: grid[0], : grid[1]]
    for i, (names, corners) in enumerate(objects):
        sides = (corners[:, 2:] - corners[:, :2]) / cell
        centres = (corners[:, 2:] + corners[:, :2]) / 2 / cell
        for j in np.argsort(-sides.prod(1), kind="stable"):
            at = np.minimum(centres[j].astype(int), [grid[1] - 1, grid[0] - 1])
            spread = (2 * radius(*sides[j]) + 1) / 6
            bump = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
            kind = heat[i, classes.index(str(names[j]))]
            np.maximum(kind, bump, out=kind)
            shape[i, :, at[1], at[0]] = *(centres[j] - at), *np.log(sides[j])
            here[i, at[1], at[0]] = True
    return Targets(torch.from_numpy(heat), torch.from_numpy(shape), torch.from_numpy(here))


def radius(width: float, height: float) -> float:
    """How far a box can be shifted both ways and still overlap with itself by LEAST_OVERLAP."""
    kept = 2 * LEAST_OVERLAP / (1 + LEAST_OVERLAP)  # share of its area that both have in common
    half = (width + height) / 2
    return half - float(np.sqrt(half**2 - (1 - kept) * width * height))


class CentreHead(nn.Module):
    """Tokens (b, d, rows, columns) -> logits of centres (b, c, ...), and where and how large they are (b, 4, ...)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(width, WIDTH, 3, padding=1)
        self.heat = nn.Conv2d(WIDTH, classes, 1)
        self.shape = nn.Conv2d(WIDTH, 4, 1)
        assert self.heat.bias is not None  # a convolution has one unless told otherwise
        nn.init.constant_(self.heat.bias, float(np.log(PRIOR / (1 - PRIOR))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What it says of some tokens."""
        x = self.hidden(x).relu()
        return self.heat(x), self.shape(x)


def loss(heat: Tensor, shape: Tensor, wanted: Targets) -> Tensor:
    """The focal loss of centres and the absolute error of their boxes, both for each object."""
    at_centre = wanted.heat == 1
    p, objects = heat.sigmoid(), at_centre.sum().clamp(min=1)
    focal = torch.where(
        at_centre,
        -((1 - p) ** POWER) * F.logsigmoid(heat),
        -((1 - wanted.heat) ** FAR) * p**POWER * F.logsigmoid(-heat),
    )
    error = (shape - wanted.shape).abs() * wanted.here[:, None]
    return focal.sum() / objects + error.sum() / objects


def fit_head(
    tokens: np.ndarray, wanted: Targets, steps: int, seed: int, advance: Callable[[int], object] = lambda _: None
) -> Callable[[np.ndarray, tuple[int, int]], Placed]:
    """A head that is fitted to tokens (n, rows, columns, d), as what finds boxes by other tokens, in pixels of a size."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    standard = standardization(tokens.reshape(-1, tokens.shape[-1]), silent_below=1e-6)
    x = _as_input(standard, tokens)
    with seeded(seed):
        head = CentreHead(x.shape[1], wanted.heat.shape[1]).to(device)
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=WEIGHT_DECAY)
    schedule, generator = Schedule(1, steps, RATE), torch.Generator().manual_seed(seed)
    for step in range(steps):
        rows = torch.randperm(len(x), generator=generator)[:BATCH]
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate(step)
        heat, shape = head(x[rows].to(device))
        loss(heat, shape, Targets(*(t[rows].to(device) for t in wanted))).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        advance(1)

    @torch.inference_mode()
    def find(tokens: np.ndarray, size: tuple[int, int]) -> Placed:
        parts = []
        for start in range(0, len(tokens), _CHUNK):
            heat, shape = head(_as_input(standard, tokens[start : start + _CHUNK]).to(device))
            found = boxes_at_peaks(heat.sigmoid().cpu(), shape.cpu(), size)
            parts.append(found._replace(picture=found.picture + start))
        return Placed(*(np.concatenate(field) for field in zip(*parts, strict=True)))

    return find


def boxes_at_peaks(heat: Tensor, shape: Tensor, size: tuple[int, int]) -> Placed:
    """The boxes around cells that none of the 8 around them passes: heat (n, c, rows, columns), shape (n, 4, rows, columns).

    At most MOST_BOXES of each picture, within it; the heat is their score.
    """
    n, classes, rows, columns = heat.shape
    peaks = heat * (F.max_pool2d(heat, 3, 1, 1) == heat)
    score, at = peaks.reshape(n, -1).topk(min(MOST_BOXES, classes * rows * columns))
    picture, rank = torch.nonzero(score > 0, as_tuple=True)
    score, at = score[picture, rank], at[picture, rank]
    kind, cell = at // (rows * columns), at % (rows * columns)
    dx, dy, width, height = shape.reshape(n, 4, -1)[picture, :, cell].T
    # exp(20) patches are more than any picture has, and 1e-3 are less than any object: boxes stay boxes.
    sides = torch.stack([width, height], 1).clamp(-7, 20).exp()
    centre = torch.stack([cell % columns + dx, cell // columns + dy], 1)
    scale = torch.tensor([size[1] / columns, size[0] / rows])
    corners = torch.cat([(centre - sides / 2) * scale, (centre + sides / 2) * scale], 1).double().numpy()
    inside = corners.clip(0, np.tile(np.array(size, float)[::-1], 2))
    return Placed(picture.numpy(), kind.numpy(), inside, score.double().numpy())


def _as_input(standard: Callable[[np.ndarray], np.ndarray], tokens: np.ndarray) -> Tensor:
    x = standard(tokens.reshape(-1, tokens.shape[-1])).astype(np.float32)
    return torch.from_numpy(x.reshape(tokens.shape)).movedim(-1, 1).contiguous()
