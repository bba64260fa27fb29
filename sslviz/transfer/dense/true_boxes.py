"""The boxes that objects really have, and how far a found box overlaps with them."""

from __future__ import annotations

import numpy as np

from sslviz.data import Images
from sslviz.data.boxes import BOXES, FORM, Boxes, boxes_of

GROUND = "background"  # the mask of what is no object


def true_boxes(images: Images) -> list[np.ndarray]:
    """The boxes x0 y0 x1 y1 of the objects of each picture, (m, 4) in pixels; from and errors as `objects_of`."""
    return [boxes.corners for boxes in objects_of(images)]


def objects_of(images: Images) -> list[Boxes]:
    """The objects of each picture: their classes and boxes.

    From the column `boxes`, or, without one, around each connected region of each mask but "background", whose name is the
    class.  ValueError for images with neither.
    """
    if BOXES in images.table:
        return boxes_of(images)
    masks = {name: mask for name, mask in images.masks.items() if name != GROUND}
    if not masks:
        raise ValueError(
            f"Nothing says where objects are; give a column {BOXES!r} ({FORM}), or masks of other things than {GROUND}."
        )
    for name, mask in masks.items():
        if mask.shape != (len(images), *images.size):
            raise ValueError(
                f"The mask {name!r} is {mask.shape}, and these pictures need {(len(images), *images.size)}; bring it to "
                "their size."
            )
    return [_of_masks({name: mask[i] for name, mask in masks.items()}) for i in range(len(images))]


def says_objects(images: Images) -> bool:
    """Whether anything says where the objects of these images are."""
    return BOXES in images.table or any(name != GROUND for name in images.masks)


def _of_masks(masks: dict[str, np.ndarray]) -> Boxes:
    """The objects of one picture by its masks {class: (h, w)}."""
    regions = {name: _regions(mask) for name, mask in masks.items()}
    names = np.repeat(np.array([*regions], dtype=str), [len(boxes) for boxes in regions.values()])
    return Boxes(names, np.concatenate([*regions.values()]))


def _regions(mask: np.ndarray) -> np.ndarray:
    """The boxes around connected regions, (m, 4)."""
    from scipy.ndimage import find_objects, label

    found = find_objects(label(mask)[0])
    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in found], float).reshape(-1, 4)


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) with others (..., 4), by the rules of broadcasting."""
    low, high = np.maximum(boxes[..., :2], others[..., :2]), np.minimum(boxes[..., 2:], others[..., 2:])
    both = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(one[..., 2:] - one[..., :2], axis=-1) for one in (boxes, others)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-12)


def best_overlap(found: np.ndarray, truth: list[np.ndarray]) -> np.ndarray:
    """The largest overlap of each found box (n, 4) with any true box of its picture, (n,)."""
    return np.array([overlap(box, of_picture).max() for box, of_picture in zip(found, truth, strict=True)])
