"""Layout: what was found in a folder, and what of it is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Problem:
    """What is an error in a folder, unless it may be skipped.

    - sentence: what is wrong
    - reason: the same in a few words, for what was passed over
    - names: of the files or rows
    """

    sentence: str
    reason: str
    names: list[str]


@dataclass
class Layout:
    """What was found in a folder.

    - layout: the form it was recognised by
    - table: a row for each picture: `file_name` (relative, with forward slashes), `label`, `split`, attributes
    - passed_over: {reason: names}
    - problems: what is an error, unless it may be skipped
    - notes: a sentence for each choice that was made
    - tables: the names of those that were read
    """

    layout: str
    table: pd.DataFrame
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
