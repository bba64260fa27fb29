"""Control maps that no model makes, which a map has to beat; and maps on another grid."""

from __future__ import annotations

import numpy as np

from sslviz.data import Images

LUMA = (0.299, 0.587, 0.114)
MODEL_FREE = ("random", "centre", "edge", "luminance", "saturation")
CENTRE = 0.25  # sd of the blob in the middle, as a share of the side: most pictures show their object there


def model_free_maps(images: Images, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Which maps does no model make?  {name: float32 (n, h, w)} at the images' own size, all of them >= 0.

    - "random": independent noise, by `seed`
    - "centre": a Gaussian blob in the middle
    - "edge": the length of the Sobel gradient of the luminance
    - "luminance": 0 to 1
    - "saturation": largest minus smallest channel, 0 to 1

    Caveat: A map that beats them all may still be wrong; one that does not has shown nothing about the encoder.
    """
    n, (h, w) = len(images), images.size
    rng = np.random.default_rng(seed)
    return {
        "random": rng.random((n, h, w), dtype=np.float32),
        "centre": np.repeat(_blob(h, w)[None], n, axis=0),
        "edge": np.stack([_edges(_luminance(picture)) for picture in images.pixels]),
        "luminance": np.stack([_luminance(picture) for picture in images.pixels]),
        "saturation": (images.pixels.max(-1) - images.pixels.min(-1)).astype(np.float32) / 255,
    }


def _blob(h: int, w: int) -> np.ndarray:
    down, right = (((np.arange(s) + 0.5) / s - 0.5) ** 2 / (2 * CENTRE**2) for s in (h, w))
    return np.exp(-down[:, None] - right).astype(np.float32)


def _luminance(picture: np.ndarray) -> np.ndarray:
    return (picture @ np.array(LUMA, np.float32)) / np.float32(255)


def _edges(grey: np.ndarray) -> np.ndarray:
    from scipy.ndimage import sobel

    return np.hypot(sobel(grey, axis=0), sobel(grey, axis=1)).astype(np.float32)


def resized(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps (n, h, w) on another grid, float32 (n, *size): each new cell is the mean of what it covers.

    Enlarged by a whole factor, cells are repeated: nothing is interpolated that was not there.
    """
    if maps.shape[1:] == size:
        return np.asarray(maps, np.float32)
    rows, columns = (_overlap(new, old) for new, old in zip(size, maps.shape[1:], strict=True))
    return np.einsum("ij,njk,lk->nil", rows, maps, columns, optimize=True).astype(np.float32)


def _overlap(new: int, old: int) -> np.ndarray:
    """How much of each new interval lies in each old one; (new, old), rows sum to one."""
    ends, olds = np.linspace(0, 1, new + 1), np.linspace(0, 1, old + 1)
    share = np.minimum(ends[1:, None], olds[1:]) - np.maximum(ends[:-1, None], olds[:-1])
    share[share < 1e-9] = 0  # rounding must not mix neighbours: it would untie what is tied
    return share / share.sum(axis=1, keepdims=True)
