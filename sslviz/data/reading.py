"""Reading: what a source of pictures was taken for, and what of it was passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

NAMED = 3  # files that a line names; the others it counts


@dataclass(frozen=True)
class Reading:
    """What a source of pictures was taken for: it reaches the user in a few lines, and every JSON that is written.

    - layout: the form it was recognised by ("class folders", "split folders of class folders", "metadata.csv")
    - suffixes: {suffix: how many pictures of it were taken}
    - passed_over: {reason: names}, of files, rows and pictures that were not taken
    - notes: a sentence for each default that was taken or choice that was made, and how to make another
    """

    layout: str
    suffixes: Mapping[str, int] = field(default_factory=dict)
    passed_over: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def lines(self) -> list[str]:
        """The sentences that a user is told, what was taken first."""
        taken = ", ".join(f"{n:,} {suffix}" for suffix, n in sorted(self.suffixes.items(), key=lambda kind: -kind[1]))
        passed = [f"Passed over, {reason}: {counted(names)}." for reason, names in self.passed_over.items() if names]
        return [f"Read as {self.layout}{f': {taken}' if taken else ''}.", *passed, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """As it is written to JSON."""
        return asdict(self) | {"passed_over": {reason: list(names) for reason, names in self.passed_over.items()}}


def counted(names: Sequence[str]) -> str:
    """How many there are, and the first few by name."""
    listed = ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
    return f"{len(names):,} ({listed})"


def alike_but_for_spelling(classes: Iterable[str]) -> list[str]:
    """The classes that differ in case or blanks only, and may be meant as one: "'Cat' and 'cat'"."""
    alike: dict[str, list[str]] = {}
    for name in sorted(classes):
        alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
    return [" and ".join(map(repr, same)) for same in alike.values() if len(same) > 1]
