"""Duplicates: pictures that come again on the other side of a split, word for word or nearly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sslviz.data.grouping import unit_names
from sslviz.data.images import Images
from sslviz.data.sampling import sample_rows

SIDE = (
    16  # pixels of a thumbnail: fewer make different shapes alike, more make a copy that was compressed another picture
)
# Correlation of two thumbnails from which on they are near copies.  Of 4,000 different `shapes` the two most alike reach
# 0.98.  A JPEG of quality 60 of a picture of 32 px keeps 0.99, and so do nine of ten drawings in another skin tone.
NEAR = 0.99
FALSE_ALARMS = 0.02  # of different pictures that may be near copies by chance: of 1,797 handwritten digits 0.01
MOST_PAIRS = 4e8  # of thumbnails that are compared, some seconds; of more pictures a sample is looked at
AT_ONCE = 2**24  # pairs compared, and pixels read, at a time


class CopiesWarning(UserWarning):
    """Warns of pictures that have a copy among those that a readout was fitted on."""


@dataclass(frozen=True)
class Duplicates:
    """How many pictures that are scored have a copy among those that may be fitted on.

    - looked_at: pictures that are scored, all or a sample
    - exact: of these, how many have a copy with the same pixels
    - near: how many others have one whose grey thumbnail of 16 x 16 pixels correlates with theirs by `NEAR` or more
    - fitted: pictures fitted on; None where one half of the same pictures is
    - group: the column whose images stay on one side, of which copies do not count; empty without one
    """

    looked_at: int
    exact: int
    near: int
    fitted: int | None
    group: str = ""

    @property
    def flatters(self) -> bool:
        """Whether that is more than different pictures show by chance."""
        return self.exact > 0 or self.near > FALSE_ALARMS * self.looked_at

    @property
    def line(self) -> str:
        """What to say of it in a line; empty where there is nothing to say."""
        if not self.flatters:
            return ""
        found = f"{self.exact + self.near:,} of {self.looked_at:,}"
        what = "pictures" if self.fitted is None else "scored pictures"
        where = (
            "among those fitted on" if self.fitted is not None else "among the others, one half of which is fitted on"
        )
        of_other = f" of another {self.group}" if self.group else ""
        advice = "another column with --group may keep" if self.group else "name a column with --group to keep"
        return (
            f"{found} {what} have a copy{of_other} {where} (exact {self.exact:,}, near {self.near:,}): scores are flattered; "
            f"{advice} copies on one side."
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is written to JSON."""
        return asdict(self)


def duplicates(images: Images, fit: Images | None = None) -> Duplicates:
    """Are scores flattered by copies?  How many pictures have one among those fitted on, or among the others of their set.

    Exact copies have the same pixels.  Near ones look the same in grey at 16 x 16 pixels but for brightness and contrast,
    so that a drawing in other colours counts.  Copies of one `group` of the images do not count, as they stay together.
    What was counted once is not counted again in this process.

    Example:
        >>> import sslviz
        >>> images = sslviz.shapes(n=40)
        >>> sslviz.duplicates(images.rows(range(20)), images).exact
        20
    """
    key = (images.digest, None if fit is None else fit.digest, images.group)
    if key not in _COUNTED:
        _COUNTED[key] = _count(images, fit)
    return _COUNTED[key]


_COUNTED: dict[tuple[str, str | None, str], Duplicates] = {}


def _count(images: Images, fit: Images | None) -> Duplicates:
    bank, bank_hashes = _looks(images if fit is None else fit)
    rows = sample_rows(len(images), max(1, int(MOST_PAIRS // len(bank))))
    look, hashes = (bank, bank_hashes) if fit is None else _looks(images)
    units, bank_units = _units(images, fit)
    exact, near = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    step = max(1, AT_ONCE // len(bank))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        other = units[part][:, None] != bank_units
        exact[start : start + step] = ((hashes[part][:, None] == bank_hashes) & other).any(axis=1)
        near[start : start + step] = ((look[part] @ bank.T >= NEAR) & other).any(axis=1)
    fitted = None if fit is None else len(fit)
    return Duplicates(len(rows), int(exact.sum()), int((near & ~exact).sum()), fitted, images.group)


def _looks(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Grey thumbnails of mean 0 and length 1, (n, SIDE^2) float32, zero where all is one grey; and hashes of pixels, (n,)."""
    looks, hashes = np.empty((len(images), SIDE**2), np.float32), np.empty(len(images), np.int64)
    step = max(1, AT_ONCE // max(images.pixels[0].size, 1))
    for start in range(0, len(images), step):
        pixels = np.ascontiguousarray(images.pixels[start : start + step])
        for i, picture in enumerate(pixels, start):
            hashes[i] = int.from_bytes(hashlib.blake2b(picture.data, digest_size=8).digest(), "little", signed=True)
        grey = (pixels if pixels.ndim == 4 else pixels[:, 0]) @ np.array([0.299, 0.587, 0.114], np.float32)
        looks[start : start + step] = np.stack([*_thumbnails(grey)]).reshape(len(pixels), -1)
    looks -= looks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(looks, axis=1, keepdims=True)
    return np.where(length > SIDE, looks / np.maximum(length, 1e-6), 0), hashes  # a grey level of 256 is nothing to see


def _thumbnails(grey: np.ndarray) -> Iterator[np.ndarray]:
    """Each picture (n, h, w) at SIDE x SIDE pixels, the mean of what falls into each."""
    from PIL import Image

    for picture in grey:
        yield np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))


def _units(images: Images, fit: Images | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of what belongs together: of the pictures looked at, and of those that a copy is looked for among."""
    own = unit_names(images.table, images.group, images.ids)
    if fit is None:
        numbers = np.unique(own.astype(str), return_inverse=True)[1]
        return numbers, numbers  # a picture is no copy of itself
    if not images.group:
        return np.zeros(len(images), int), np.ones(len(fit), int)
    bank = unit_names(fit.table, images.group, np.char.add("fitted ", fit.ids))
    both = np.concatenate([own, bank]).astype(str)
    numbers = np.unique(both, return_inverse=True)[1]
    return numbers[: len(images)], numbers[len(images) :]
