"""Images: pixels, ids and a table that describes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.data.grouping import Grouped, check_group
from sslviz.data.reading import Reading
from sslviz.data.sources.split_names import split_of
from sslviz.data.tables import add_table, plain_table


@dataclass(frozen=True, eq=False)
class Images(Grouped):
    """What is being looked at?

    - pixels: uint8 (n, h, w, 3), may be a memory map
    - ids: strings (n,), unique
    - table: n rows, `label` and one column per attribute
    - masks: {name: bool (n, h, w)}, optional
    - spec: the text that makes the same images again ("shapes:n=8000,bias=0.95"), empty where there is none
    - reading: what their source was taken for, None for images that were drawn
    - group: the column whose images belong together (`grouped_by`), empty where each stands for itself

    A slice, a split and an augmented view of Images are Images.  ValueError for pixels of another kind, for lengths that
    disagree, and for repeated ids.

    Example:
        >>> import numpy as np, pandas as pd, sslviz
        >>> images = sslviz.Images(np.zeros((3, 8, 8, 3), np.uint8), ["a", "b", "c"], pd.DataFrame({"label": [1, 0, 1]}))
        >>> images.rows(images.table["label"] == 1).ids.tolist()
        ['a', 'c']
    """

    pixels: np.ndarray
    ids: np.ndarray
    table: pd.DataFrame
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    spec: str = ""
    reading: Reading | None = None
    group: str = ""

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim < 4 or self.pixels.shape[-1] != 3:
            raise ValueError(
                f"Images need uint8 pixels of shape (n, height, width, 3); got {self.pixels.dtype} {self.pixels.shape}."
            )
        lengths = {"pixels": len(self.pixels), "ids": len(self.ids), "table": len(self.table)}
        lengths |= {f"mask {name}": len(mask) for name, mask in self.masks.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Images need one id, table row and mask per picture; got {lengths}.")
        ids = np.asarray(self.ids, dtype=str)
        if len(np.unique(ids)) != len(ids):
            raise ValueError("Images need unique ids, but some are repeated.")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "table", plain_table(self.table))
        check_group(self.table, self.group)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[-3], self.pixels.shape[-2]

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change when any pixel, id or table entry does."""
        state = hashlib.blake2b(digest_size=8)
        state.update(repr((self.pixels.shape, list(self.table.columns))).encode())
        state.update(np.ascontiguousarray(self.pixels).data)
        state.update("\0".join(self.ids).encode())
        add_table(state, self.table)
        return state.hexdigest()

    def rows(self, keep: np.ndarray, spec: str = "") -> Images:
        """Some of the images; consecutive rows share memory with these.

        - keep: a boolean mask, or row numbers
        - spec: the text that makes them again
        """
        rows = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep)
        where = _as_slice(rows, len(self))  # the split of a large folder stays a memory map
        masks = {name: mask[where] for name, mask in self.masks.items()}
        return replace(
            self, pixels=self.pixels[where], ids=self.ids[where], table=self.table.iloc[where], masks=masks, spec=spec
        )

    def split(self, name: str) -> Images:
        """The images of one split: by the table's `split` column, or else by the hash of the id, or of what it shares.

        The hash gives 60/20/20 % train/probe/test.  An image stays in its split when others are added or removed, and
        with a `group` all that share its value do.
        ValueError for a split that holds no image.
        """
        known = "split" in self.table
        splits = (
            np.array([str(s) for s in self.table["split"]])
            if known
            else _split_by_hash(self.unit_names if self.group else self.ids)
        )
        keep = splits == name
        if not keep.any() and (meant := split_of(name)):  # "val" for "validation", as specs and tables write it
            keep = np.isin(splits, [word for word in set(splits) if split_of(word) == meant])
        if not keep.any():
            raise ValueError(f"There is no split {name!r} here; the splits are: {', '.join(sorted(set(splits)))}.")
        return self.rows(keep, f"{self.spec}{',' if ':' in self.spec else ':'}split={name}" if self.spec else "")


def _as_slice(rows: np.ndarray, n: int) -> np.ndarray | slice:
    """Row numbers that follow one another as a slice, which copies nothing."""
    if len(rows) and 0 <= rows[0] and rows[-1] < n and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _split_by_hash(ids: np.ndarray) -> np.ndarray:
    """train / probe / test for 60 / 20 / 20 % of the ids, the same for the same one."""
    fifths = np.array([hashlib.blake2b(i.encode(), digest_size=4).digest()[0] * 5 // 256 for i in ids], dtype=int)
    return np.array(["train", "train", "train", "probe", "test"])[fifths]
