"""Evenly spread rows, and the sample that stands for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sslviz.data.images import Images


def spread_rows(n: int, count: int, *, nearest: bool = False) -> np.ndarray:
    """At most `count` of the positions below n, evenly spread from the first to the last.

    Rounded down, as the pictures of a limited dataset have always been taken; or with `nearest` to the nearest row.
    """
    positions = np.linspace(0, n - 1, min(count, n))
    return np.unique((positions.round() if nearest else positions).astype(int))


def sample_rows(n: int, most: int | None, seed: int = 0) -> np.ndarray:
    """At most `most` of n rows, drawn at random, in their order: the same ones for every checkpoint."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def stratified_rows(strata: np.ndarray, most: int, units: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """At most `most` of the rows, drawn at random, in their order, with each stratum in proportion; units stay whole.

    - strata: what each row is of, (n,) texts
    - units: (n,) numbers from 0 of what belongs together, of the stratum that most of its rows are of; None: each row
      stands for itself

    A unit that would make the sample larger than `most` is passed over, but the first is taken whatever its size.
    """
    rows = pd.DataFrame({"stratum": strata, "unit": np.arange(len(strata)) if units is None else units})
    counts = (
        rows.value_counts(["unit", "stratum"]).reset_index().drop_duplicates("unit").set_index("unit")
    )  # most first
    table = pd.DataFrame({"size": rows["unit"].value_counts().sort_index()}).join(counts["stratum"])
    table = table.iloc[np.random.default_rng(seed).permutation(len(table))]
    # The k-th of a stratum's n stands at (k + 1/2) / n, so that the first so many of all hold each in proportion.
    of_stratum = table.groupby("stratum")["stratum"]
    place = (of_stratum.cumcount() + 0.5) / of_stratum.transform("size")
    table = table.iloc[np.argsort(place.to_numpy(), kind="stable")]
    taken: list[int] = []
    n = 0
    for unit, size in zip(table.index, table["size"], strict=True):
        if n + size <= most or not taken:
            taken.append(unit)
            n += int(size)
    return np.flatnonzero(rows["unit"].isin(taken))


def sampled(images: Images, most: int, column: str = "", group: str = "", seed: int = 0) -> Images:
    """About `most` of the images, with the classes of a column in proportion; those that share their `group` together.

    Its spec ends in "sample=500/column/group".  Without a column the images are of one class.  ValueError for columns
    that are not there.
    """
    if most < 1:
        raise ValueError(f"A sample holds at least one image; got {most}.")
    if column and column not in images.table:
        have = ", ".join(map(str, images.table.columns)) or "none"
        raise ValueError(f"Images cannot be sampled by {column!r}: there is no such column; there are: {have}.")
    if len(images) <= most:
        return images
    grouped = images.grouped_by(group)
    strata = images.table[column].astype(str).to_numpy() if column else np.full(len(images), "")
    rows = stratified_rows(strata, most, grouped.units, seed)
    words = [str(most), column, group]
    text = "/".join(words).rstrip("/")
    spec = f"{images.spec}{',' if ':' in images.spec else ':'}sample={text}" if images.spec else ""
    return images.rows(rows, "" if any("/" in word or "," in word for word in words) else spec)
