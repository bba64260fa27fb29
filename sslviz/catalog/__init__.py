"""The catalog: what can be asked, who answers, how it looks, and where it is shown.

One literal tuple of `Entry`, in entries.py.  The app's pages, the report's sections, the README's table, the command line
and the contract tests are made from it; no other table lists diagnostics.
"""

from __future__ import annotations

from sslviz.catalog.drawing import draw
from sslviz.catalog.entries import CATALOG, MAP_POINTS
from sslviz.catalog.entry import Entry
from sslviz.catalog.sections import SECTIONS


def diagnostics() -> tuple[Entry, ...]:
    """The entries that are asked of features."""
    return tuple(entry for entry in CATALOG if entry.scope not in ("pictures", "images"))


def explanations() -> tuple[Entry, ...]:
    """The entries that are asked of a checkpoint and of pictures that somebody chose."""
    return tuple(entry for entry in CATALOG if entry.scope == "pictures")


def transfers() -> tuple[Entry, ...]:
    """The entries that are asked of a checkpoint and of images: they train, or read the grid of the encoder."""
    return tuple(entry for entry in CATALOG if entry.scope == "images")


def entries_on(page: str) -> tuple[Entry, ...]:
    """The entries that a page of the app shows, in its order."""
    return tuple(entry for entry in CATALOG if entry.page == page)


def entries_in(section: str) -> tuple[Entry, ...]:
    """The entries that a section of the report shows."""
    return tuple(entry for entry in CATALOG if entry.section == section)


def find_entry(name: str) -> Entry:
    """The entry of this name; ValueError, with the names there are, for another."""
    for entry in CATALOG:
        if entry.name == name:
            return entry
    raise ValueError(f"There is no diagnostic {name!r}; there are: {', '.join(entry.name for entry in CATALOG)}.")


def readme_table() -> str:
    """The README's table of what can be answered, page by page; `python tests/test_docs.py` writes it there."""
    lines = ["| page | question, and who answers it | control beside it |", "|---|---|---|"]
    for page in dict.fromkeys(entry.page for entry in CATALOG):
        for i, entry in enumerate(entries_on(page)):
            title = page.capitalize() if i == 0 else ""
            lines.append(f"| {title} | {entry.question} `{entry.name}` | {entry.control} |")
    return "\n".join(lines)


__all__ = [
    "CATALOG",
    "MAP_POINTS",
    "SECTIONS",
    "Entry",
    "diagnostics",
    "draw",
    "entries_in",
    "entries_on",
    "explanations",
    "find_entry",
    "readme_table",
    "transfers",
]
