"""Which images are looked at?  A few of each class, a group, or those drawn around on the map; and their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from components.html import literal
from components.thumbnails import thumbnails
from state import cached
from state.selection import Choice, labels

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.features.columns import place_in_class

LASSO, KEPT, BOTH = "drawn around on the Map", "kept from the Map", "both groups from the Map"
OTHERS = "the others"
NEAR_HAND = (
    "shapes",
    "tagged_shapes",
    "textured",
    "scenes",
    "randbit",
    "digits",
    "folder",
    "torch/",
)  # no network is asked


@dataclass(frozen=True, eq=False)
class Subjects:
    """The images that are looked at, by their rows among all, and what they are compared with.

    `groups` (n,) says which of `pools` {name: rows} each belongs to; the pools hold all images that it may stand for or
    be set against, `of` says in a word what tells them apart."""

    rows: np.ndarray
    groups: np.ndarray
    pools: dict[str, np.ndarray]
    of: str

    def without(self, row: int) -> Subjects:
        """All but one image."""
        keep = self.rows != row
        return Subjects(self.rows[keep], self.groups[keep], self.pools, self.of)


def pick(choice: Choice, count: int, *, seed: int = 0) -> Subjects:
    """Draws the box to choose in, and returns `count` images or fewer of what it says."""
    table = next(iter(choice.evidence.values())).features
    groups, columns = groups_of(choice), labels(choice)
    drawn = [name for name in (BOTH, LASSO, KEPT) if name in groups or (name == BOTH and {LASSO, KEPT} <= set(groups))]
    spread = [f"a few of each {column}" for column in columns] or ["evenly spread"]
    options = [*drawn, *spread, *(name for name in groups if name not in drawn)]
    state = (tuple(st.session_state.get("map_ids", [])), tuple(st.session_state.get("map_kept", [])))
    if drawn and st.session_state.get("pictured_of") != state:  # what was drawn since the last look is looked at next
        st.session_state["subjects"] = drawn[0]
    st.session_state["pictured_of"] = state
    if st.session_state.get("subjects", options[0]) not in options:
        del st.session_state["subjects"]
    said = st.selectbox("Images", options, key="subjects", bind="query-params", width=250)
    if said == BOTH:
        pools = {KEPT: groups[KEPT], LASSO: groups[LASSO]}
        return _some(pools, [KEPT, LASSO], "group", count, seed)
    if said in groups:
        rest = np.setdiff1d(np.arange(len(table)), groups[said])
        return _some({said: groups[said]} | ({OTHERS: rest} if len(rest) else {}), [said], "group", count, seed)
    if not columns:
        rows = spread_rows(len(table), count)
        return Subjects(rows, np.full(len(rows), ""), {"": np.arange(len(table))}, "group")
    column = columns[spread.index(said)]
    pools = {name: rows for name, rows in groups.items() if name.startswith(f"{column}: ")}
    return _some(pools, list(pools), column, count, seed)


def groups_of(choice: Choice) -> dict[str, np.ndarray]:
    """{name: rows} of all groups that can be chosen: from the map, and one for each value of each column with classes."""
    features = next(iter(choice.evidence.values())).features
    found = {}
    for name, key in ((LASSO, "map_ids"), (KEPT, "map_kept")):
        rows = pd.Index(features.ids).get_indexer(pd.Index(st.session_state.get(key, []), dtype=object))
        if (rows >= 0).any():
            found[name] = np.sort(rows[rows >= 0])
    for column in labels(choice):
        values = features.table[column].astype(str).to_numpy()
        found |= {f"{column}: {value}": np.flatnonzero(values == value) for value in np.unique(values)}
    return found


def _some(pools: dict[str, np.ndarray], names: list[str], of: str, count: int, seed: int) -> Subjects:
    """As many of each of these pools, drawn once and for all, pool by pool."""
    group = np.concatenate([np.full(len(pools[name]), i) for i, name in enumerate(names)])
    rows = np.concatenate([pools[name] for name in names])
    first = np.sort(np.lexsort((group, place_in_class(group, seed)))[:count])
    return Subjects(rows[first], np.array(names)[group[first]], pools, of)


def images_of(choice: Choice, rows: np.ndarray) -> Images:
    """The pixels of these images: loaded again from where they came, or else the run folder's thumbnails, and said so.

    ValueError where there are neither."""
    features = next(iter(choice.evidence.values())).features
    known = [run.info.get("diagnosed", {}).get(choice.digest, {}) for run in choice.runs.values()]
    spec = next((one["spec"] for one in known if one.get("spec")), "")
    try:
        return loaded(spec, choice.digest or "").rows(rows)
    except (ValueError, OSError) as error:
        found, reason = thumbnails(choice), str(error)
    if found is None:
        raise ValueError(
            f"These images cannot be looked at: {reason} The run folders hold no thumbnails of them either; diagnose "
            "again to make them."
        )
    pixels, ids = found
    height, width = pixels.shape[1:3]
    st.caption(
        f":material/photo_size_select_small: Shown to the encoders are the run folder's thumbnails of {width} x {height} "
        f"pixels. {literal(reason)}"
    )
    return Images(np.array(pixels[rows]), ids[rows], features.table.iloc[rows])


def loaded(spec: str, digest: str) -> Images:
    """The images with this digest, made again from what they were named; ValueError where that cannot be done from here."""
    if not spec:
        raise ValueError("It is not known how these images are made again.")
    if not spec.startswith(NEAR_HAND):
        raise ValueError(f"{spec} is not loaded from here.")
    images = cached.images(spec, digest)
    if images.digest != digest:
        raise ValueError(f"{spec} no longer gives the images that were diagnosed.")
    return images
