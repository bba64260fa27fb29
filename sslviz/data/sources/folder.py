"""A folder of pictures: class folders, split folders or a metadata.csv."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from sslviz.data.images import Images
from sslviz.data.sampling import spread_rows
from sslviz.data.sources.decoding import cache_stem, decode, default_size, read, shorter_side
from sslviz.data.sources.gathering import check_size, gather_images

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"})
SAME_SPLIT = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "probe", "test", "testing"})


def list_pictures(root: Path) -> pd.DataFrame:
    """The pictures below `root`, one row each: `file_name` (relative, with forward slashes), `label`, `split`, attributes.

    The first rule that fits is taken:
    - a `metadata.csv` in it names the pictures in its column `file_name`; its other columns are taken as they are
    - if all its folders are called train, val, test or the like, each is a `split`, itself read by these rules
    - its folders are the labels, and what lies deeper in one has its label
    - if the pictures lie in `root` itself, they have no label

    Hidden files are passed over, links to folders followed.  ValueError for anything else, and where there is no picture.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is a file, not a folder." if root.exists() else f"There is no folder {root}.")
    if (root / "metadata.csv").exists():
        return _from_csv(root / "metadata.csv")
    names = _picture_names(root)
    if not names:
        raise ValueError(f"There are no pictures in {root}; looked for {', '.join(sorted(SUFFIXES))}.")
    top = sorted({name.partition("/")[0] for name in names if "/" in name})
    if not top:
        return pd.DataFrame({"file_name": names})
    if loose := [name for name in names if "/" not in name]:
        raise ValueError(
            f"{root} holds {len(loose)} pictures ({loose[0]!r}, ...) beside its class folders ({', '.join(top[:3])}); "
            "move them into one, or describe all in a metadata.csv."
        )
    if SPLITS.issuperset(top):
        return pd.concat([_in_split(root, split) for split in top], ignore_index=True)
    return pd.DataFrame({"file_name": names, "label": [name.partition("/")[0] for name in names]})


def _picture_names(root: Path) -> list[str]:
    names = []
    for here, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(here).relative_to(root)
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                names.append((inside / name).as_posix())
    return sorted(names)


def _in_split(root: Path, split: str) -> pd.DataFrame:
    table = list_pictures(root / split)
    return table.assign(file_name=f"{split}/" + table["file_name"], split=SAME_SPLIT.get(split, split))


def _from_csv(path: Path) -> pd.DataFrame:
    try:
        # Only an empty cell (or NaN) is missing: "NA" and "None" are words somebody chose as a label.
        table = pd.read_csv(path, dtype={"file_name": str}, keep_default_na=False, na_values=["", "nan", "NaN"])
    except ValueError as error:  # an empty file, no table, not text
        raise ValueError(f"{path} cannot be read as a table ({error}).") from error
    if "file_name" not in table:
        raise ValueError(f"{path} needs a column 'file_name'; its columns are: {', '.join(map(str, table.columns))}.")
    if table.empty or table["file_name"].isna().any():
        raise ValueError(f"{path} needs a file_name in every row and at least one row; fill or remove the empty ones.")
    names = table["file_name"].map(lambda name: PurePosixPath(name).as_posix())
    if (again := names[names.duplicated()]).size:
        raise ValueError(f"{path} names {again.iloc[0]!r} more than once; keep one row per picture.")
    if missing := [name for name in names if not (path.parent / name).is_file()]:
        listed = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
        raise ValueError(f"{path} names {len(missing)} files that are not there: {listed}.")
    return table.assign(file_name=names)


def folder(
    path: str | Path,
    *,
    size: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | Path | None = None,
) -> Images:
    """How do I look at my own pictures?  A folder of them, with class folders, split folders or a `metadata.csv`.

    - path: the folder; `list_pictures` says what is taken as label, split and attribute, and ids are the relative paths
    - size: pixels of the shorter side, of which the middle is taken (default: the median of 100 pictures, as a multiple of
      32 from 32 to 224)
    - on_error: "skip" leaves unreadable pictures out, with a warning
    - cache: where decoded pictures are kept (default: $SSLVIZ_CACHE or ~/.cache/sslviz)

    Pictures are decoded once, in parallel, into a memory map, and again when a name, a size or a time of change differs.
    They come upright by EXIF, on white where transparent, the first frame where animated, deep grey scaled.  ValueError
    for an empty folder and for unreadable pictures, by name.

    Example:
        >>> import tempfile, PIL.Image, sslviz
        >>> with tempfile.TemporaryDirectory() as root:
        ...     PIL.Image.new("RGB", (48, 40)).save(f"{root}/one.png")
        ...     images = sslviz.folder(root, cache=root)
        >>> images.ids.tolist(), images.size
        (['one.png'], (32, 32))
    """
    root = Path(path).expanduser().resolve()
    table = list_pictures(root)
    names = table.pop("file_name").to_numpy(dtype=str)
    files = [root / name for name in names]
    sides = [side for i in spread_rows(len(files), 100) if (side := shorter_side(files[i]))]
    size = check_size(size, on_error) or default_size(sides)
    stamps = [(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in (file.stat() for file in files)]
    stem = cache_stem(cache, "folder", size, list(names), stamps, table.to_csv(index=False))
    decoded = decode((partial(read, file) for file in files), len(files), size, stem, root.name)
    return gather_images(decoded, names, table.iloc[decoded.readable], f"folder:{root},size={size}", on_error, stem)
