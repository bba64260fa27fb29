"""What lies below a folder: each file is a picture, a table, broken, or passed over for a reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import splitext
from pathlib import Path

from sslviz.data.sources.formats import HEIF, NEEDS_HEIF, opens, picture_suffixes

TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
MOST_LINKS = 3  # one in another; folders that are full of links to each other would never end
BEHIND_LINKS = "behind links in links in links"
# A folder's name with a slash, which folders lead to it, and how many of these are links.
Inside = tuple[str, tuple[tuple[int, int], ...], int]
OF_A_SYSTEM = {"__MACOSX", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "$RECYCLE.BIN", "@eaDir"}
HIDDEN = "hidden, or left by a system"
BY_SUFFIX = "no picture by the suffix"
NO_FILE = "no file that can be read"
DEAD_LINK = "a link to nothing"
NOT_UTF8 = "the name is not UTF-8"
LOOP = "a link back to a folder above it"


@dataclass
class Listing:
    """All files below a folder; names are relative to it, with forward slashes.

    - pictures: by suffix, sorted
    - tables: files that may describe them
    - folders: all that are not hidden
    - passed_over: {reason: names}; a folder that is not looked into stands for all in it, its name ends with a slash
    - broken: {reason: names}, of pictures and folders that are there and cannot be read
    - twice: folders that are links to others that are read too
    """

    root: Path
    pictures: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    seen: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)

    def counted(self) -> dict[str, list[str]]:
        """What is passed over, with the files that are no pictures counted by suffix in their reason."""
        told = {reason: sorted(names) for reason, names in self.passed_over.items()}
        if others := told.pop(BY_SUFFIX, None):
            kinds = Counter(splitext(name)[1].lower() or "without one" for name in others).most_common()
            listed = ", ".join(f"{n:,} {kind}" for kind, n in kinds[:6]) + ", ..." * (len(kinds) > 6)
            told[f"{BY_SUFFIX} ({listed})"] = others
        return told


def list_files(root: Path) -> Listing:
    """Walks through a folder and all links to folders, but for those that lead back to a folder above them.

    ValueError where the folder itself cannot be read.
    """
    found = Listing(root)
    try:
        start = os.stat(root)
        ahead: list[Inside] = [("", ((start.st_dev, start.st_ino),), 0)]
        while ahead:
            ahead += _look_into(found, ahead.pop())
    except OSError as error:
        raise ValueError(f"{root} cannot be read: {error.strerror}.") from error
    for names in (found.pictures, found.tables, found.folders):
        names.sort()
    return found


def _look_into(found: Listing, here: Inside) -> Iterator[Inside]:
    """Sorts what lies in one folder; the folders in it are to be looked into next."""
    inside, above, links = here
    try:
        entries = sorted(os.scandir(found.root / inside), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        if not inside:
            raise
        found.broken.setdefault(error.strerror or "unknown", []).append(printable(inside))
        return
    for entry in entries:
        name = inside + entry.name
        try:
            status = entry.stat()
        except OSError as error:
            _dead(found, name, entry, error)
            continue
        if stat.S_ISDIR(status.st_mode):
            if folder := _enter(found, name, (status.st_dev, status.st_ino), above, links + entry.is_symlink()):
                yield folder
        else:
            _sort_file(found, name, stat.S_ISREG(status.st_mode))


def _dead(found: Listing, name: str, entry: os.DirEntry[str], error: OSError) -> None:
    """A link that leads nowhere, or a file that went away: broken if it is called like a picture."""
    reason = DEAD_LINK if entry.is_symlink() else error.strerror or "unknown"
    suffix = splitext(entry.name)[1].lower()
    where = found.broken if suffix in picture_suffixes() and not hidden(entry.name) else found.passed_over
    where.setdefault(reason, []).append(printable(name))


def _enter(
    found: Listing, name: str, key: tuple[int, int], above: tuple[tuple[int, int], ...], links: int
) -> Inside | None:
    """The folder as one to be looked into, unless there is a reason not to."""
    if hidden(name.rpartition("/")[2]):
        found.passed_over.setdefault(HIDDEN, []).append(printable(name) + "/")
    elif key in above or links > MOST_LINKS:
        found.passed_over.setdefault(LOOP if key in above else BEHIND_LINKS, []).append(printable(name) + "/")
    else:
        if is_utf8(name):
            found.folders.append(name)
        if key in found.seen:
            found.twice.append(f"{printable(name)} is {found.seen[key]}")
        found.seen.setdefault(key, printable(name))
        return name + "/", (*above, key), links
    return None


def _sort_file(found: Listing, name: str, regular: bool) -> None:
    last = name.rpartition("/")[2]
    suffix = splitext(last)[1].lower()
    known = picture_suffixes()
    if hidden(last):
        reason = HIDDEN
    elif suffix in known and not regular:
        reason = NO_FILE
    elif suffix in known and (known[suffix] or opens(found.root / name)):
        if is_utf8(name):
            found.pictures.append(name)
        else:
            found.broken.setdefault(NOT_UTF8, []).append(printable(name))
        return
    elif suffix in TABLES and regular and is_utf8(name):
        found.tables.append(name)
        return
    else:
        reason = NEEDS_HEIF if suffix in HEIF else BY_SUFFIX
    found.passed_over.setdefault(reason, []).append(printable(name))


def hidden(name: str) -> bool:
    """Whether a file or folder is one that nobody put there to be seen."""
    return name.startswith(".") or name in OF_A_SYSTEM


def is_utf8(name: str) -> bool:
    """Whether a name can be written down; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    r"""The name as it can be written on one line: bytes that are no text, and line breaks, as \x.."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
