"""Features: one row per image, with the table that describes the images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslviz.data.grouping import Grouped, check_group
from sslviz.data.tables import add_table, as_table, plain_table
from sslviz.features.matrix import as_matrix
from sslviz.runtime.files import atomic_write


@dataclass(frozen=True, eq=False)
class Features(Grouped):
    """What did an encoder make of these images?

    - x: float32 (n, d), read-only, may be a memory map
    - ids: strings (n,), unique, the images' own
    - table: n rows, `label` and any attribute columns
    - source: where they come from (run, step, layer, images digest)
    - group: the column whose images belong together (`grouped_by`), empty where each stands for itself

    Columns of lists, dicts or several kinds of values become text.  ValueError for values that are not finite or out of
    float32's range, for no image at all, for repeated ids or columns, and for lengths that disagree.

    Example:
        >>> import numpy as np, sslviz
        >>> features = sslviz.Features.from_array(np.eye(3), table={"label": ["a", "b", "b"]}, name="mine")
        >>> features.name, features.rows(features.column("label") == "b").x.shape
        ('mine', (2, 3))
    """

    x: np.ndarray
    ids: np.ndarray
    table: pd.DataFrame
    source: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""

    def __post_init__(self) -> None:
        x = as_matrix(self.x)
        if len(x) != len(self.ids) or len(x) != len(self.table):
            raise ValueError(
                f"Features have {len(x)} rows, but there are {len(self.ids)} ids and {len(self.table)} table rows."
            )
        ids = np.asarray(self.ids, dtype=str)
        if len(np.unique(ids)) != len(ids):
            raise ValueError("Features need one id per image, but some ids are repeated.")
        view = x.view()  # the caller's array stays as it is; ours cannot be written into
        view.flags.writeable = False
        object.__setattr__(self, "x", view)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "table", plain_table(self.table))
        check_group(self.table, self.group)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def name(self) -> str:
        """The name of these features in figures: the run they come from."""
        return str(self.source.get("run", "features"))

    @cached_property
    def images(self) -> str:
        """Sixteen hex digits that stand for the ids in their order, whatever the images were embedded with.

        Two sets of images whose ids are numbers have the same.
        """
        return hashlib.blake2b("\0".join(self.ids).encode(), digest_size=8).hexdigest()

    @cached_property
    def pictures(self) -> str:
        """What stands for the pictures: the digest of the images they are of, empty where not known, a colon, `images`."""
        return f"{self.source.get('images', '')}:{self.images}"

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change when any value, id or table entry does; every cache is keyed on it.

        They say nothing of the `group`, which what depends on it has to name beside them.
        """
        state = hashlib.blake2b(digest_size=8)
        state.update(repr((self.x.shape, list(self.table.columns))).encode())
        state.update(np.ascontiguousarray(self.x).data)
        state.update("\0".join(self.ids).encode())
        add_table(state, self.table)
        return state.hexdigest()

    @classmethod
    def from_array(
        cls,
        x: Any,
        *,
        table: pd.DataFrame | Mapping[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        name: str = "array",
        group: str = "",
    ) -> Features:
        """Embeddings that something else made, as Features.

        - x: (n, d), of any type of real numbers: an array, a tensor, a data frame, a list of rows
        - table: columns by name, or a data frame
        - ids: the images' own (default: the row numbers)
        - name: what figures call them
        - group: a column of the table; images that share its value stay on one side of every split
        """
        matrix = np.array(as_matrix(x))  # a copy, so that the caller may go on writing into theirs
        frame = pd.DataFrame(index=range(len(matrix))) if table is None else as_table(table)
        rows = np.arange(len(matrix)).astype(str) if ids is None else np.asarray(ids, dtype=str)
        return cls(matrix, rows, frame, {"run": name, "step": 0, "layer": "given"}, group)

    def column(self, label: str) -> np.ndarray:
        """The values of one column of the table, or a ValueError that names the columns there are."""
        label = str(label)
        if label not in self.table:
            have = ", ".join(map(str, self.table.columns)) or "none"
            raise ValueError(f"The table has no column {label!r}; its columns are: {have}.")
        return self.table[label].to_numpy()

    def rows(self, keep: np.ndarray) -> Features:
        """The features of some images: `keep` is a boolean mask or row numbers."""
        return Features(self.x[keep], self.ids[keep], self.table.iloc[_positions(keep)], self.source, self.group)

    def select(self, ids: Sequence[str]) -> Features:
        """The features of the images with these ids, in this order; ValueError if one is missing."""
        row = {one: i for i, one in enumerate(self.ids.tolist())}
        wanted = np.asarray(ids, dtype=str)
        where = np.fromiter((row.get(one, -1) for one in wanted.tolist()), np.intp, len(wanted))
        if (where < 0).any():
            missing = wanted[where < 0]
            raise ValueError(f"{len(missing)} ids are not among these features, the first of them {str(missing[0])!r}.")
        return self.rows(where)

    def save(self, stem: Path) -> None:
        """Writes STEM.npy, STEM.parquet and STEM.json, each whole or not at all; without the last, none counts.

        The `group` is not written, since it is asked with: say it again of what is loaded (`grouped_by`).
        """
        with atomic_write(stem.with_name(stem.name + ".npy")) as file:
            np.save(file, self.x, allow_pickle=False)
        with atomic_write(stem.with_name(stem.name + ".parquet")) as file:
            self.table.assign(__id__=self.ids).to_parquet(file)
        with atomic_write(stem.with_name(stem.name + ".json")) as file:
            file.write(json.dumps({"source": dict(self.source), "digest": self.digest}, indent=1).encode())

    @classmethod
    def load(cls, stem: Path) -> Features:
        """Reads what `save` wrote; `x` is a memory map.  ValueError if the three files are missing or disagree."""
        try:
            meta = json.loads(stem.with_name(stem.name + ".json").read_text())
            table = pd.read_parquet(stem.with_name(stem.name + ".parquet"))
            x = np.load(stem.with_name(stem.name + ".npy"), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"The features {stem} cannot be read ({error}); embed again.") from error
        features = cls(x, table.pop("__id__").to_numpy(dtype=str), table, meta["source"])
        features.__dict__["digest"] = meta["digest"]  # trusted: the three files are written together, the json last
        return features


def _positions(keep: np.ndarray) -> np.ndarray:
    keep = np.asarray(keep)
    return np.flatnonzero(keep) if keep.dtype == bool else keep


def is_of(source: Mapping[str, Any], weights: str | None, precision: str) -> bool:
    """Whether features are of these weights and in this precision; an older sslviz, which says none, had fp32."""
    return source.get("weights") == weights and precision in ("auto", source.get("precision", "fp32"))
