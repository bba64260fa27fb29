"""A folder of runs: those that lie in it and below it, and what they have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sslviz.runs.run import Run

STUDY_LEVELS = 2  # of folders between the one that is opened and a run: a study, and the settings in it
MOST_FOLDERS = 500  # beside each other: more are classes of images, not runs


def open_runs(folder: str | Path, *, cache: str | Path | None = None) -> tuple[list[Run], list[str]]:
    """Which runs lie in this folder?  The readable ones by name, and one sentence for each that had to be left out.

    Runs in subfolders (a study, its seeds) are found too, and are named with them: "study/seed-0".  `cache` is that of
    `Run`.

    Example:
        >>> import tempfile, sslviz
        >>> folder = tempfile.TemporaryDirectory()
        >>> run = sslviz.Run.create(f"{folder.name}/mine", {})
        >>> runs, problems = sslviz.open_runs(folder.name)
        >>> [run.name for run in runs], problems
        (['mine'], [])
    """
    runs, problems = [], []
    for path in run_folders(folder):
        within = path.relative_to(folder)
        try:
            runs.append(Run(path, cache=cache and Path(cache) / within.parent, name=within.as_posix()))
        except ValueError as error:
            problems.append(str(error))
    return runs, problems


def run_folders(folder: str | Path, levels: int = STUDY_LEVELS) -> list[Path]:
    """The folders of runs in this one and in its subfolders, by name; of a subfolder without any, that itself.

    Hidden folders are skipped, and so is what lies in a run.  Of a folder of more than 500 nothing below is looked at.
    """
    try:
        with os.scandir(folder) as entries:
            inside = sorted(Path(one.path) for one in entries if not one.name.startswith(".") and one.is_dir())
    except OSError:  # not there, or nothing that may be read
        return []
    found = []
    for path in inside:
        is_run = (path / "run.json").exists()
        below = [] if is_run or not levels or len(inside) > MOST_FOLDERS else run_folders(path, levels - 1)
        found += below if any((one / "run.json").exists() for one in below) else [path]
    return found


def largest_image_size(runs: Sequence[Run]) -> int | None:
    """What the largest encoder of these runs looks at, in pixels; None where no run says."""
    return max((int(run.info.get("encoder", {}).get("image_size", 0)) for run in runs), default=0) or None
