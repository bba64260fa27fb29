"""Which picture a cell of a table means, however it is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from os.path import splitext
from pathlib import PurePosixPath
from unicodedata import normalize

from sslviz.data.sources.formats import picture_suffixes
from sslviz.data.sources.listing import Listing, is_utf8
from sslviz.data.sources.split_names import split_of


def _folded(name: str) -> str:
    """The name whatever its case, the blanks around, and how accents are written (a Mac takes them apart)."""
    return normalize("NFC", name.strip()).casefold()


class Finder:
    """Finds the picture that a cell means: by its path, the end of its path, its name or its name without suffix.

    - inside: the folder in which the table lies
    - split: the one that the table is called by (train.csv): of pictures of the same name it means the one in that folder
    """

    def __init__(self, files: Listing, inside: str, split: str | None = None) -> None:
        self.split = split
        self.base, self.whole = files.root / inside, not inside
        self.names = [name[len(inside) :] for name in files.pictures if name.startswith(inside)]
        self.known = set(self.names)

    def __call__(self, value: object) -> str | None:
        """The file's name, relative to the folder of the table; None where there is none or more than one."""
        if value is None or value != value:
            return None
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if not text.strip() or not is_utf8(text):
            return None
        plain = PurePosixPath(text).as_posix()
        if plain in self.known or ((self.whole or not plain.startswith("/")) and self._is_file(plain)):
            return plain
        parts = [part for part in text.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        tails = ("/".join(parts[i:]) for i in range(len(parts)))
        return next((tail for tail in tails if tail in self.known), None) or self._by_name(parts[-1:])

    def _is_file(self, name: str) -> bool:
        try:
            return (self.base / name).is_file()
        except (OSError, ValueError):  # too long, or holds a NUL
            return False

    def _by_name(self, last: list[str]) -> str | None:
        if not last:
            return None
        name = last[0]
        suffix = splitext(name)[1]
        if name in self.by_name:
            return self._only(self.by_name[name])
        folded = _folded(name)
        if suffix.lower() not in picture_suffixes():
            by_number = self.by_number.get(str(int(name)), []) if name.isdecimal() else []
            return self._only(self.by_stem.get(name) or self.by_folded_stem.get(folded) or by_number)
        return self._only(self.by_folded.get(folded, []))

    def _only(self, names: list[str]) -> str | None:
        if len(names) > 1 and self.split:
            names = [name for name in names if split_of(name.partition("/")[0]) == self.split]
        return names[0] if len(names) == 1 else None

    def _grouped(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        groups = defaultdict(list)
        for name in self.names:
            groups[key(name.rpartition("/")[2])].append(name)
        return dict(groups)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """The pictures that are called so, in any folder."""
        return self._grouped(str)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """The same without suffix."""
        return self._grouped(lambda name: splitext(name)[0])

    @cached_property
    def by_folded(self) -> dict[str, list[str]]:
        """The same whatever the case and blanks around."""
        return self._grouped(_folded)

    @cached_property
    def by_folded_stem(self) -> dict[str, list[str]]:
        """The same whatever the case, without suffix."""
        return self._grouped(lambda name: _folded(splitext(name)[0]))

    @cached_property
    def by_number(self) -> dict[str, list[str]]:
        """The pictures that are called by a number, without the zeros before it: Excel drops them."""
        return self._grouped(lambda name: str(int(stem)) if (stem := splitext(name)[0]).isdecimal() else "")
