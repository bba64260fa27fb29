"""Which patches are hidden: drawn for each picture by its row, and as many in each, so that they stack."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslviz.methods.parts.draws import uniform_by_row
from sslviz.methods.parts.patches import over_pixels


def hidden_count(ratio: float, patches: int) -> int:
    """How many of so many patches are hidden; ValueError unless some are hidden and some are shown."""
    hidden = round(ratio * patches)
    if not 0 < hidden < patches:
        raise ValueError(
            f"mask_ratio is the share of {patches} patches that is hidden, not none and not all; got {ratio}."
        )
    return hidden


def random_places(rows: Tensor, patches: int, hidden: int, views: int = 1) -> tuple[Tensor, Tensor]:
    """Which patches are shown and which are hidden in each view, int64 (b,) -> int64 (views * b, patches), in two parts.

    The second part has `hidden` columns.  Every choice of so many patches is equally likely.
    """
    order = uniform_by_row(rows, views, patches).argsort(2).transpose(0, 1).flatten(0, 1)
    return order[:, hidden:], order[:, :hidden]


def marks_of(places: Tensor, patches: int) -> Tensor:
    """Places as marks, int64 (b, places) -> bool (b, patches)."""
    marks = torch.zeros(len(places), patches, dtype=torch.bool, device=places.device)
    return marks.scatter_(1, places, True)


def square_side(size: int, grid: int, ratio: float) -> int:
    """Pixels along the side of a square, of `grid` along a side of the picture; ValueError for what cannot be hidden."""
    if grid < 2 or size % grid:
        raise ValueError(f"grid must be at least 2 and divide the picture's {size} pixels; got {grid}.")
    hidden_count(ratio, grid**2)
    return size // grid


def random_squares(rows: Tensor, size: int, side: int, ratio: float, views: int = 1) -> Tensor:
    """Which pixels of pictures lie in hidden squares, int64 (b,) -> bool (views * b, 1, size, size)."""
    squares = math.ceil(size / side) ** 2  # of a small view, the last ones may reach beyond the picture
    _, places = random_places(rows, squares, hidden_count(ratio, squares), views)
    return over_pixels(marks_of(places, squares), side)[..., :size, :size]


def random_blocks(rows: Tensor, side: int, blocks: int, height: int, width: int) -> Tensor:
    """Places of blocks of patches on a grid of side * side, int64 (b,) -> int64 (b, blocks, height * width).

    Every other block, by chance, is turned: width * height.  All blocks have as many patches, and lie anywhere.
    """
    turned, top, left = uniform_by_row(rows, 3, blocks).unbind(1)  # (b, blocks) each
    turned = turned < 0.5
    tall, wide = torch.where(turned, width, height), torch.where(turned, height, width)
    top, left = (top * (side - tall + 1)).long(), (left * (side - wide + 1)).long()
    inside = torch.arange(height * width, device=rows.device)
    wide, corner = wide[..., None], (top * side + left)[..., None]  # (b, blocks, 1)
    return corner + inside // wide * side + inside % wide


def places_outside(rows: Tensor, taken: Tensor, patches: int, kept: int) -> Tensor:
    """Some places that are not among those taken, drawn at random, int64 (b, any) -> int64 (b, kept).

    At least `kept` places must be free in every picture: a count that differs between pictures would not stack.
    """
    return (uniform_by_row(rows, patches) + marks_of(taken, patches)).argsort(1)[:, :kept]
