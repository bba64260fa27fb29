"""Studies: which runs belong together, by the folder they lie in or by differing in nothing but the seed."""

from __future__ import annotations

import json
import os.path
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sslviz.runs.run import Run

SEED, STUDY = "seed", "study"
# What is left of names that end in a number once the number is gone: "simclr-seed", "simclr/s", "simclr_".
SEED_WORD = re.compile(r"[\W_]*(\bseeds?|(?<![a-zA-Z])s)?[\W_]*$", re.IGNORECASE)


def seed_groups(runs: Iterable[Run]) -> dict[str, list[str]]:
    """Which runs differ in nothing but the seed?  {name of the group: their names}, of two seeds at least.

    All that run.json says of arguments and encoder is compared; where the run lies does not matter.  A group is called
    by what its names share: "simclr" for "simclr-seed0" and "simclr-seed1", or "study/simclr" for runs in that folder.
    """
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        arguments = run.info.get("arguments", {})
        if SEED in arguments:
            rest = {name: value for name, value in arguments.items() if name != SEED}
            known = [run.info.get("kind"), run.info.get("encoder"), rest]
            alike[json.dumps(known, sort_keys=True, default=str)].append(run)
    found: dict[str, list[str]] = {}
    for members in alike.values():
        if len({run.info["arguments"][SEED] for run in members}) > 1:
            names = [run.name for run in members]
            title = _shared_name(names) or str(members[0].info["arguments"].get("method", "runs"))
            found[_free(title, found)] = names
    return found


def studies(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Which runs can be chosen together?  {study: names of its runs}: every subfolder, and runs that differ in the seed alone.

    Of the same runs only once, and not of all runs there are nor of a single one.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        parts = run.name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folders["/".join(parts[:depth])].append(run.name)
    found: dict[str, list[str]] = {}
    for title, names in (*sorted(folders.items()), *seed_groups(runs).items()):
        if 1 < len(names) < len(runs) and sorted(names) not in map(sorted, found.values()):
            found[_free(title, found)] = names
    return found


def color_groups(runs: Sequence[Run]) -> dict[str, str]:
    """What shares a colour where there are more runs than colours?  {run: its seeds' group, or itself}."""
    groups = {run.name: run.name for run in runs}
    for title, names in seed_groups(runs).items():
        groups |= dict.fromkeys(names, title)
    return groups


def argument_table(runs: Iterable[Run]) -> pd.DataFrame:
    """In which arguments do runs differ?  A row for each run, a column for each argument that is not the same in all.

    Settings of a method are arguments too.  The first column, `study`, is the subfolder of the runs that lie in one.
    """
    runs = list(runs)
    rows = [{STUDY: run.name.rpartition("/")[0], **flat_arguments(run)} for run in runs]
    table = pd.DataFrame(rows, index=[run.name for run in runs])
    return table[[name for name in table if table[name].astype(str).nunique(dropna=False) > 1]]


def flat_arguments(run: Run) -> dict[str, Any]:
    """The arguments in run.json, each a number, a text or None; those of a method's settings beside them."""
    arguments = dict(run.info.get("arguments", {}))
    settings = arguments.pop("settings", None)
    encoder = run.info.get("encoder", {}).get("name")
    arguments = {"encoder": encoder, **arguments, **(settings if isinstance(settings, Mapping) else {})}
    return {k: v if v is None or isinstance(v, int | float | str) else json.dumps(v) for k, v in arguments.items()}


def _shared_name(names: list[str]) -> str:
    """What names of one group have in common at their beginning, without the word before the seed."""
    return SEED_WORD.sub("", os.path.commonprefix(names)).rstrip("/")


def _free(title: str, taken: Mapping[str, Any]) -> str:
    """The title, or, where it is taken, the title with the first number that is free."""
    tried = (f"{title} ({i})" for i in range(2, len(taken) + 3))
    return title if title not in taken else next(name for name in tried if name not in taken)
