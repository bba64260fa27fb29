"""Whether a map points at the object: four measures against masks, all of which give a constant map exactly chance.

Ties are not broken by position: every measure is its mean over all orders of the cells that tie, in closed form.  A
constant map is therefore what a random one reads on average: the mask's share of the picture, or an AUC of one half.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sslviz.explanations.control_maps import resized


def pointing_game(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether the map's highest point lies on the object: (n,) in [0, 1]; NaN for an empty mask (arXiv 1608.00507).

    Of several highest cells the share of them that lies on the object.

    Caveat: It looks at one pixel; a map may be right there and wrong everywhere else.
    """
    a, inside = _flat(maps, masks)
    top = a == a.max(axis=1, keepdims=True)
    return _without_empty((top & inside).sum(axis=1) / top.sum(axis=1), inside)


def relevance_mass(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How much of the positive relevance lies on the object: (n,) in [0, 1]; NaN for an empty mask (arXiv 2003.07258).

    Negative relevance counts as none, so that signs cannot cancel; a map without positive relevance reads chance.

    Caveat: A constant added to a map, as masking methods leave it, pulls the mass towards chance.
    """
    a, inside = _flat(maps, masks)
    positive = np.maximum(a, 0)
    positive[~positive.any(axis=1)] = 1
    return _without_empty((positive * inside).sum(axis=1) / positive.sum(axis=1), inside)


def relevance_rank(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of the k most relevant pixels that lies on the object, k being its area: (n,) (arXiv 2003.07258).

    Cells that tie at the k-th place share the places that are left.  NaN for an empty mask.

    Caveat: It does not see how relevance is spread within the object or outside it.
    """
    a, inside = _flat(maps, masks)
    k = inside.sum(axis=1)
    edge = np.take_along_axis(-np.sort(-a, axis=1), np.maximum(k - 1, 0)[:, None], axis=1)
    above, tied = a > edge, a == edge
    left = (k - above.sum(axis=1)) / tied.sum(axis=1)
    return _without_empty(
        ((above & inside).sum(axis=1) + left * (tied & inside).sum(axis=1)) / np.maximum(k, 1), inside
    )


def localization_auc(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How often a pixel on the object is more relevant than one outside: ROC area (n,) in [0, 1]; ties count half.

    NaN for a mask that is empty or covers everything.

    Caveat: The pixels far from the object are most of the picture, and easy: read it beside the centre blob's.
    """
    from scipy.stats import rankdata

    a, inside = _flat(maps, masks)
    on, off = inside.sum(axis=1), (~inside).sum(axis=1)
    ranks = rankdata(a, axis=1)
    area = ((ranks * inside).sum(axis=1) - on * (on + 1) / 2) / np.maximum(on * off, 1)
    return np.where((on > 0) & (off > 0), area, np.nan)


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "pointing_game": pointing_game,
    "relevance_mass": relevance_mass,
    "relevance_rank": relevance_rank,
    "localization_auc": localization_auc,
}


def _flat(maps: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps on the masks' grid, and masks, both (n, pixels); ValueError where they do not go together."""
    maps, masks = np.asarray(maps), np.asarray(masks)
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks) or masks.dtype != bool:
        raise ValueError(
            f"Maps (n, h, w) need as many boolean masks (n, height, width); got maps {maps.shape} and "
            f"{masks.dtype} masks {masks.shape}."
        )
    if not np.isfinite(maps).all():
        raise ValueError("Maps must be finite, but some values are NaN or infinite; leave those images out.")
    n = len(maps)
    return resized(maps, masks.shape[1:]).reshape(n, -1).astype(np.float64), masks.reshape(n, -1)


def _without_empty(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(inside.any(axis=1), values, np.nan)
