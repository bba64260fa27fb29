"""What is an encoder to be used for, and what is asked of it?  The plan of an audit, written down before it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from sslviz.catalog import diagnostics
from sslviz.data.grouping import check_group
from sslviz.evaluation.column_checks import check_named_columns
from sslviz.features.column_kinds import Column, asked_columns, describe_columns
from sslviz.features.columns import partners_of
from sslviz.features.complete_rows import complete_rows
from sslviz.features.label_column import LABEL, label_column

LATER = (
    "partners",
    "group",
    "target",
)  # fields that older plans lack: a digest holds them only where they say something
MAPPED = 16  # images that maps are made and measured on


@dataclass(frozen=True)
class AuditPlan:
    """What an encoder is to be used for and what is asked of it, written down before anything is looked at.

    - label: column that will be read from its features
    - attributes: columns that should not matter
    - details, intended_use, not_for: sentences of the model's owner, which head the report
    - partners: {attribute: {class: value}}, what the classes were met with where the encoder was trained; by default the
      images that probes are fitted on tell
    - skip: diagnostics left out, which the report lists
    - maps: how many images are explained by maps; 0: none
    - despite_collapse: whether a collapsed encoder is audited further
    - group: column whose images stay on one side of every split, empty where each stands for itself
    - target: images of another domain, as `load_images` reads them; empty: what a shift costs is not asked
    """

    label: str
    attributes: tuple[str, ...]
    details: str = ""
    intended_use: str = ""
    not_for: str = ""
    partners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    maps: int = MAPPED
    despite_collapse: bool = False
    group: str = ""
    target: str = ""

    @property
    def by_columns(self) -> dict[str, Mapping[str, str]]:
        """The partners, {"label~attribute": {class: value}}."""
        return {f"{self.label}~{attribute}": pairs for attribute, pairs in self.partners.items()}

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it."""
        content = {name: value for name, value in asdict(self).items() if name not in LATER or value}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_plan(path: str | Path | None, table: pd.DataFrame, fit: pd.DataFrame | None = None, **said: Any) -> AuditPlan:
    """The plan in a TOML file, or what is `said` in its place; what both leave out is taken from the tables.

    ValueError for a file that cannot be read, for unknown keys and columns, and where no label is named and none is there.
    """
    return make_plan(table, fit, **(read_toml(path, "plan") if path is not None else {}) | said)


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """What a TOML file says; ValueError, calling it a `what`, for one that cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ValueError(f"The {what} {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"The {what} {path} is no TOML: {error}.") from None


def make_plan(table: pd.DataFrame, fit: pd.DataFrame | None = None, **said: Any) -> AuditPlan:
    """A plan in which what is not said is taken from the tables of the images scored and of those fitted on.

    The label is the column called `label`; the attributes are all others with classes, and there may be none.  ValueError
    as for `read_plan`.
    """
    _check_said(said)
    group = said.get("group", "")
    check_group(table, group)
    columns = describe_columns(table, fit, group)
    label = said.pop("label", None) or _label(table, columns)
    attributes = tuple(dict.fromkeys(said.pop("attributes", [c for c in asked_columns(columns) if c != label])))
    check_named_columns(table, fit, label, attributes, group)
    if unknown := sorted(set(said.get("skip", ())) - {entry.name for entry in diagnostics()}):
        raise ValueError(
            f"The plan skips {unknown[0]!r}, but there is no such diagnostic; see `sslviz list diagnostics`."
        )
    for attribute, given in said.get("partners", {}).items():
        if attribute not in attributes:
            raise ValueError(f"The plan names partners of {attribute!r}, which is none of its attributes.")
        partners_of(table[complete_rows(table, fit, (label, attribute), group=group).keep], label, attribute, given)
    return AuditPlan(label, attributes, skip=tuple(said.pop("skip", ())), **said)


def _label(table: pd.DataFrame, columns: Sequence[Column]) -> str:
    """The column that is the label where nobody named one; ValueError where there is none called so, or it has no classes.

    No other column is taken in its place: what is read and what should not matter would change places without a word.
    """
    label = label_column(table)
    named = ", ".join(column.name for column in columns if column.kind != "split") or "none"
    if label is None:
        raise ValueError(
            f"An audit reads a label, and the table has no column called {LABEL!r}; its columns are: {named}. Name one, by "
            "--label or in the plan, or put the pictures into class folders."
        )
    described = next(column for column in columns if column.name == label)
    if not described.asked:
        others = ", ".join(asked_columns(columns))
        another = f", or name another, by --label or in the plan, of: {others}" if others else "; no other has classes"
        raise ValueError(f"The column {label!r} cannot be the label: {described.text}. Mend it{another}.")
    return label


def _check_said(said: Mapping[str, Any]) -> None:
    """ValueError for a key that a plan does not have, and for a value that is none for it."""
    kinds: dict[str, type] = {
        "maps": int,
        "despite_collapse": bool,
        "attributes": list,
        "skip": list,
        "partners": dict,
    }
    known = [field.name for field in fields(AuditPlan)]
    for name, value in said.items():
        if name not in known:
            raise ValueError(f"A plan has no {name!r}; it has {', '.join(known)}.")
        kind = kinds.get(name, str)
        value = list(value) if isinstance(value, tuple) else value
        words = _words(value)
        if type(value) is not kind or not words or (isinstance(value, int) and value < 0):
            text = {
                int: "a number, 0 or more",
                bool: "true or false",
                list: "a list of names",
                dict: 'a table for each attribute, as in [partners.color] square = "red"',
            }.get(kind, "a text")
            raise ValueError(f"The plan's {name} is {text}; got {value!r}.")


def _words(value: Any) -> bool:
    """Whether what is in a list, or in the tables of a table, are texts; of anything else nothing is asked."""
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    if isinstance(value, dict):
        return all(isinstance(one, dict) and all(isinstance(v, str) for v in one.values()) for one in value.values())
    return True
