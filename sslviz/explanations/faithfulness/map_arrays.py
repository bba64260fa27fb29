"""Maps and masks as arrays that go with the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslviz.data import Images

Masks = Mapping[str, np.ndarray] | np.ndarray | Sequence[str] | str | None


def map_array(maps: Any, images: Images) -> np.ndarray:
    """The maps (n, h, w) of a result with `.maps`, or of an array; ValueError where they do not go with the images."""
    ids = getattr(maps, "ids", None)
    if ids is not None and not np.array_equal(np.asarray(ids, str), images.ids):
        raise ValueError("The maps are of other images, or in another order: their ids are not those of the images.")
    array = np.asarray(getattr(maps, "maps", maps), np.float32)
    if array.ndim != 3 or len(array) != len(images) or not len(images):
        raise ValueError(
            f"Maps of {len(images)} images need the shape ({len(images)}, h, w) and at least one image; "
            f"got {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError("Maps must be finite, but some values are NaN or infinite; leave those images out.")
    return array


def masks_by_name(masks: Masks, images: Images) -> dict[str, np.ndarray]:
    """The masks that are meant: names in `images.masks`, an array, or {name: array}; None for all but the background.

    ValueError for names that the images do not have.
    """
    if isinstance(masks, np.ndarray):
        return {"object": masks.astype(bool)}
    if isinstance(masks, Mapping):
        return {name: np.asarray(mask, bool) for name, mask in masks.items()}
    if masks is None:
        return {name: np.asarray(mask, bool) for name, mask in images.masks.items() if name != "background"}
    names = [masks] if isinstance(masks, str) else list(masks)
    if unknown := [name for name in names if name not in images.masks]:
        raise ValueError(f"There is no mask {unknown[0]!r}; the images have: {', '.join(images.masks) or 'none'}.")
    return {name: np.asarray(images.masks[name], bool) for name in names}
