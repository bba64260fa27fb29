"""Which class each pixel has, by the masks of images; and how much of it the patches of a grid can show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sslviz.data import Images
from sslviz.explanations.control_maps import resized

VOID = -1  # of a pixel in no mask, or in two: nobody says what it is, and it counts nowhere
_CHUNK = 256  # pictures whose shares are computed at once


def classes_of(images: Images, least: int = 2) -> list[str]:
    """The names of the masks, in their order.

    ValueError for images without masks, for masks of another size, and where fewer than `least` cover any pixel.
    """
    if not images.masks:
        raise ValueError("These images have no masks; give Images(..., masks={class: bool (n, height, width)}).")
    wanted = (len(images), *images.size)
    for name, mask in images.masks.items():
        if mask.shape != wanted or mask.dtype != bool:
            raise ValueError(
                f"The mask {name!r} is {mask.dtype} {mask.shape}, and pixels of these pictures need bool {wanted}; bring it "
                "to their size."
            )
    there = [name for name, mask in sorted(images.masks.items()) if mask.any()]
    if len(there) < least:
        only = f"only {there[0]!r}" if there else "none"
        raise ValueError(
            f"Pixels are told apart by two classes at least, and of these masks {only} covers any; add one of another class, "
            "such as 'background'."
        )
    return sorted(images.masks)


def label_maps(images: Images, classes: list[str]) -> np.ndarray:
    """The class of each pixel, int16 (n, h, w): an index into `classes`, or VOID."""
    codes = np.full((len(images), *images.size), VOID, np.int16)
    claimed = np.zeros(codes.shape, bool)
    for code, name in enumerate(classes):
        mask = images.masks.get(name)
        if mask is not None:
            codes[mask] = code
            codes[mask & claimed] = VOID
            claimed |= mask
    return codes


def patch_shares(codes: np.ndarray, n_classes: int, grid: tuple[int, int]) -> np.ndarray:
    """The share of each class among the known pixels of each patch, float32 (n, rows, columns, c); all 0 where none is."""
    shares = np.empty((len(codes), *grid, n_classes), np.float32)
    for start, part in _chunks(codes):
        for code in range(n_classes):
            shares[start : start + len(part), ..., code] = resized((part == code).astype(np.float32), grid)
    return shares / np.maximum(shares.sum(-1, keepdims=True), 1e-9)


def enlarged(patches: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Every pixel as the patch that its centre lies in: (n, rows, columns) -> (n, h, w)."""
    rows, columns = ((2 * np.arange(s) + 1) * k // (2 * s) for s, k in zip(size, patches.shape[1:], strict=True))
    return patches[:, rows[:, None], columns]


def _chunks(codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(codes), _CHUNK):
        yield start, codes[start : start + _CHUNK]
