"""A folder of pictures as Images."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from sslviz.data.images import Images
from sslviz.data.reading import Reading, counted
from sslviz.data.sampling import spread_rows
from sslviz.data.sources.decoding import cache_stem, decode, default_size, read, shorter_side
from sslviz.data.sources.depth import scales_of, scan
from sslviz.data.sources.formats import HEIF, picture_suffixes
from sslviz.data.sources.gathering import about_size, check_size, gather_images
from sslviz.data.sources.layout import Layout, Problem
from sslviz.data.sources.listing import is_utf8, printable
from sslviz.data.sources.recognizing import list_pictures


def folder(
    path: str | Path,
    *,
    size: int | None = None,
    image_size: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | Path | None = None,
) -> Images:
    """How do I look at my own pictures?  A folder of them, with class folders, split folders or a `metadata.csv`.

    - path: the folder; `list_pictures` says what is taken as label, split and attribute, and ids are the relative paths
    - size: pixels of the shorter side, of which the middle is taken (default: the median of 100 pictures, as a multiple of
      32 from 32 to 224)
    - image_size: what the largest encoder looks at, where that is more than 224; the default size goes as far
    - on_error: "skip" leaves out what cannot be read, and rows of a table without a file, with a warning
    - cache: where decoded pictures are kept (default: $SSLVIZ_CACHE or ~/.cache/sslviz)

    Pictures are decoded once, in parallel, into a memory map, and again when a name, a size or a time of change differs.
    They come upright by EXIF, on white where transparent, the first frame where animated, deep grey by one scale for all.
    The result's `reading` says what the folder was taken for.  ValueError for an empty folder and for unreadable
    pictures, by name.

    Example:
        >>> import tempfile, PIL.Image, sslviz
        >>> with tempfile.TemporaryDirectory() as root:
        ...     PIL.Image.new("RGB", (48, 40)).save(f"{root}/one.png")
        ...     images = sslviz.folder(root, cache=root)
        >>> images.ids.tolist(), images.size
        (['one.png'], (32, 32))
    """
    root = Path(path).expanduser().resolve()
    if not is_utf8(str(root)):
        raise ValueError(f"The path {str(root)!r} is not UTF-8; rename the folder.")
    asked = check_size(size, on_error)
    found = list_pictures(root)
    names, stamps = _stamped(root, found)
    skipped = _skip(found, root, on_error)
    table = found.table.drop(columns="file_name")
    files = [root / name for name in names]
    sides = [side for i in spread_rows(len(files), 100) if (side := shorter_side(files[i]))]
    size = asked or default_size(sides, image_size)
    scales, said = scales_of(scan(files, read, cache_stem(cache, "depth", list(names), stamps)))
    key: list[object] = ["folder", size, list(names), stamps, table.to_csv(index=False)]
    key += [sorted(scales.items())] if scales else []
    if any(file.suffix.lower() in HEIF for file in files):
        key += [".heic" in picture_suffixes()]  # installing the package makes them readable
    stem = cache_stem(cache, *key)
    decoded = decode((partial(read, file) for file in files), len(files), size, stem, root.name, scales)
    notes = [*found.notes, *_lost(table, decoded.readable), *about_size(size, asked, image_size, sides), *said]
    passed_over = {reason: [printable(name) for name in of] for reason, of in found.passed_over.items()}
    suffixes = Counter(Path(name).suffix.lower() or "without a suffix" for name in names[decoded.readable])
    reading = Reading(found.layout, dict(suffixes), passed_over, [printable(note) for note in notes])
    spec = f"folder:{root},size={size}" + ",on_error=skip" * skipped
    return gather_images(decoded, names, table.iloc[decoded.readable], spec, on_error, stem, reading)


def _lost(table: pd.DataFrame, readable: np.ndarray) -> list[str]:
    """A sentence on the classes of which no picture can be read."""
    if "label" not in table or len(readable) == len(table):
        return []
    lost = set(table["label"].dropna().astype(str)) - set(table["label"].iloc[readable].astype(str))
    return [f"No picture of these classes can be read: {counted(sorted(lost))}."] if lost else []


def _stamped(root: Path, found: Layout) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """The pictures' names, and of each what changes when it does; one that went away since is a problem."""
    stamps, gone = [], []
    for name in found.table["file_name"]:
        try:
            status = os.stat(root / name)
            stamps.append((status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        except OSError:
            gone.append(name)
    if gone:
        found.problems.append(Problem(f"{root} changes while it is read: {gone[0]!r} went away.", "went away", gone))
        found.table = found.table[~found.table["file_name"].isin(gone)].reset_index(drop=True)
    return found.table["file_name"].to_numpy(dtype=str), stamps


def _skip(found: Layout, root: Path, on_error: str) -> bool:
    """Whether anything is left out by `on_error="skip"`, with a warning; otherwise a ValueError names the first problem."""
    if not found.problems:
        return False
    if on_error == "raise":
        sentence = printable(found.problems[0].sentence)
        raise ValueError(
            f"{sentence[:-1]} (or leave them out with on_error='skip', on the command line SPEC,on_error=skip)."
            if sentence
            else sentence
        )
    for problem in found.problems:
        found.passed_over.setdefault(problem.reason, []).extend(problem.names)
    listed = "; ".join(f"{problem.reason}: {counted(problem.names)}" for problem in found.problems)
    warnings.warn(printable(f"Of {root} these are left out: {listed}."), stacklevel=4)
    return True
