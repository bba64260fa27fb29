"""Places of a run's files: its own folder, or a cache beside it, which is looked into first and written into alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslviz.runtime.files import atomic_write, check_folder

OWNER = "cache_of"  # under which a cache names the run folder that it belongs to


@dataclass(frozen=True)
class Places:
    """Where a run's files are read and written.

    - own: the run folder
    - cache: a folder of the run's name below the one that was named; None: everything lies in the run folder
    """

    own: Path
    cache: Path | None = None

    @classmethod
    def of(cls, path: Path, cache: str | Path | None) -> Places:
        """The places of the run at `path`; ValueError for a cache of another run of this name."""
        if cache is None or Path(cache).resolve() == path.resolve().parent:
            return cls(path)
        places = cls(path, Path(cache) / path.resolve().name)
        owner = places._cached().get(OWNER, places._owner)
        if owner != places._owner:
            raise ValueError(f"{places.cache} keeps what belongs to the run {owner}; choose another --cache.")
        return places

    @property
    def written(self) -> Path:
        """The folder into which everything is written."""
        return self.cache or self.own

    def find(self, name: str) -> Path:
        """Where a file of this name is read: in the cache, or in the run folder; where it would be written if in neither."""
        here, there = self.written / name, self.own / name
        return there if there.exists() and not here.exists() else here

    def info(self) -> dict[str, Any]:
        """What run.json says; of a cached run, with what was added since."""
        info = json.loads((self.own / "run.json").read_text()) if (self.own / "run.json").exists() else {}
        added = {key: value for key, value in self._cached().items() if key != OWNER}
        return merged(info, added)

    def add(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Adds to run.json, or to that of the cache, and returns all that is known then."""
        known = merged(self._cached(), {OWNER: self._owner, **info}) if self.cache else merged(self.info(), info)
        with atomic_write(self.written / "run.json") as file:
            file.write(json.dumps(known, indent=1, default=str).encode())
        return self.info() if self.cache else known

    def check(self, *names: str) -> None:
        """ValueError, saying what to do, where nothing can be written into one of these folders, or into the whole."""
        try:
            for name in names or ("", "features", "results", "thumbnails"):
                check_folder(self.written / name)
        except ValueError as error:
            advice = "choose another --cache" if self.cache else "keep what is computed elsewhere with `--cache DIR`"
            raise ValueError(f"{str(error)[:-1]}; {advice}.") from None

    @property
    def _owner(self) -> str:
        return str(self.own.resolve())

    def _cached(self) -> dict[str, Any]:
        """What the run.json of the cache holds: only what was added."""
        path = self.cache / "run.json" if self.cache else None
        return json.loads(path.read_text()) if path and path.exists() else {}


def merged(before: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Both, with what was added winning; tables (what a run was diagnosed on) are merged entry by entry.

    So two processes that diagnose one run on different images do not forget each other's.
    """
    both = {**before, **added}
    for key in before.keys() & added.keys():
        if isinstance(before[key], dict) and isinstance(added[key], dict):
            both[key] = {**before[key], **added[key]}
    return both
