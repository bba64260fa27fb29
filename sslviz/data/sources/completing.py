"""What a table does not say of pictures is taken from the folders in which they lie; pictures without a row are counted."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from sslviz.data.reading import counted
from sslviz.data.sources.layout import Layout
from sslviz.data.sources.listing import printable
from sslviz.data.sources.matching import Described
from sslviz.data.sources.split_names import folder_splits, with_split_column
from sslviz.data.sources.tables import with_label


def completed(found: Described, inside: str, names: list[str]) -> Layout:
    """What a table says, and of what it does not say: labels and splits from the folders, pictures that it does not name."""
    table, label_notes = with_label(found.table)
    table, split_notes = with_split_column(table)
    notes = [*found.notes, *label_notes, *split_notes]
    below = set(names)  # a table may name files elsewhere
    parts = _without_common([name[len(inside) :].split("/")[:-1] if name in below else [] for name in found.places])
    tops = sorted({part[0] for part in parts if part})
    splits = folder_splits(tops) if all(parts) else None
    if splits and len(set(splits.values())) > 1:
        if "split" not in table:
            table["split"] = [splits[part[0]] for part in parts]
            notes.append(f"The table has no split; it is the folder's: {', '.join(tops)}.")
        parts = [part[1:] for part in parts]
    if "label" not in table and not any("label" in note for note in label_notes):
        if all(parts) and len(classes := {part[0] for part in parts}) > 1:
            table.insert(0, "label", [part[0] for part in parts])
            notes.append(f"The table has no label; it is the folder's: {counted(sorted(classes))}.")
        else:
            notes.append("The table has no label: no column is called label, and there are no class folders.")
    elif differ := _differences(table, parts):
        notes.append(
            f"The table's label was taken; in {differ:,} of {len(table):,} pictures the class folder says another."
        )
    passed_over = {}
    if unnamed := sorted(below.difference(found.places)):
        passed_over[f"not named in {found.name}"] = [printable(name) for name in unnamed]
    notes += _lost_classes(unnamed, names, inside)
    return Layout(found.name, table, passed_over, found.problems, notes)


def _without_common(parts: list[list[str]]) -> list[list[str]]:
    """The folders in which each picture lies, without those around all of them."""
    while parts and all(parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    return parts


def _differences(table: pd.DataFrame, parts: list[list[str]]) -> int:
    """The pictures whose label is not their class folder's, where the two use the same words."""
    if "label" not in table or not all(parts):
        return 0
    labels, folders = [str(label) for label in table["label"]], [part[0] for part in parts]
    both = zip(labels, folders, strict=True)
    return sum(label != folder for label, folder in both) if set(labels) & set(folders) else 0


def _lost_classes(unnamed: list[str], names: list[str], inside: str) -> list[str]:
    """The folders of which a table names no picture."""
    all_of = Counter(name[len(inside) :].split("/")[0] for name in names if "/" in name[len(inside) :])
    lost = Counter(name[len(inside) :].split("/")[0] for name in unnamed if "/" in name[len(inside) :])
    gone = sorted(name for name, n in lost.items() if n == all_of[name])
    return [f"The table names no picture of these folders: {counted(gone)}."] if gone else []
