"""Which table describes a folder, and which file each of its rows is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os.path import normpath, splitext
from pathlib import Path, PurePosixPath

import pandas as pd

from sslviz.data.reading import counted
from sslviz.data.sources.finder import Finder
from sslviz.data.sources.layout import Problem
from sslviz.data.sources.listing import Listing, printable
from sslviz.data.sources.split_names import split_of
from sslviz.data.sources.tables import file_columns, read_table, with_label

ORDER = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
NO_ROW_FILE = "rows whose file is not there"
NO_NAME = "rows without a file name"
NO_LABELS = "submission"  # Kaggle's form to be filled in: its labels are made up
TOO_GENERAL = {"id", "path", "file", "url"}  # a table with such a column need not be about pictures
TWICE = "rows about a picture that has a row already"


@dataclass
class Candidate:
    """The table of a folder, not yet matched with its files.

    - paths: where it lies, none where there is none; several where each is a split
    - name: what it is called
    - table: its rows
    - column: of the files
    - found: the file that each row is about, relative to the table's folder; None where there is none
    - notes: how it was read, and which other tables were not
    """

    paths: list[Path] = field(default_factory=list)
    name: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    column: str = ""
    found: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Described:
    """A table matched with files.

    - name: of the table
    - table: `file_name` and the other columns, of the rows that have a file
    - places: where these files lie below the folder that is read, however the table writes it
    - problems: rows that have none
    - notes: how it was read
    """

    name: str
    table: pd.DataFrame
    places: list[str]
    problems: list[Problem]
    notes: list[str]


def find_table(files: Listing, inside: str) -> Candidate:
    """The table that describes a folder: `metadata`, or the only one that names at least half of its rows' files.

    Several that are called like splits (train.csv, test.csv) are one.  ValueError where `metadata` is no table.
    """
    here = [name for name in files.tables if name.startswith(inside) and "/" not in name[len(inside) :]]
    here = [name for name in here if NO_LABELS not in name.casefold()]
    here.sort(key=lambda name: (not _is_metadata(name), ORDER.index(splitext(name)[1].lower()), name))
    if here and _is_metadata(here[0]):
        return _metadata(files, inside, here[0])
    fitting, notes = [], []
    for name in here:
        one, note = _fitting(files, inside, name)
        fitting += [one] if one else []
        notes += note
    if len(fitting) == 1:
        fitting[0].notes[:0] = notes
        return fitting[0]
    if fitting and all(split_of(Path(one.name).stem) for one in fitting):
        return _together(fitting, notes)
    if fitting:
        names = " and ".join(one.name for one in fitting)
        notes = [f"{names} both name pictures; neither was read: call the right one metadata.csv.", *notes]
    return Candidate(notes=notes)


def _is_metadata(name: str) -> bool:
    return Path(name).stem.casefold() == "metadata"


def _metadata(files: Listing, inside: str, name: str) -> Candidate:
    path = files.root / name
    table, notes = read_table(path)
    columns = file_columns(table)
    if not columns:
        find = Finder(files, inside)
        hint = " Its first line names a picture: write a head above it." if any(map(find, table.columns)) else ""
        listed = ", ".join(map(str, table.columns))
        raise ValueError(f"{path} needs a column 'file_name'; its columns are: {listed}.{hint}")
    column, found = _files_of(files, inside, path, table, columns)
    if column != "file_name":
        notes.append(f"{path.name}: the files are named in the column {column}.")
    return Candidate([path], path.name, table, column, found, notes)


def _files_of(
    files: Listing, inside: str, path: Path, table: pd.DataFrame, columns: list[str]
) -> tuple[str, list[str | None]]:
    """The first of the columns that names a file (without any, the first), and the file of each row."""
    find = Finder(files, inside, split_of(path.stem))
    column = next((c for c in columns if any(find(value) for value in table[c].dropna().head(50))), columns[0])
    return column, [find(value) for value in table[column]]


def _fitting(files: Listing, inside: str, name: str) -> tuple[Candidate | None, list[str]]:
    """A table with a column of files, if at least half of these are here; else perhaps a sentence why not."""
    path = files.root / name
    try:
        table, notes = read_table(path)
    except ValueError:  # it is not asked to be a description; `counted` names it
        return None, []
    if not (columns := file_columns(table)) or table.empty:
        return None, []
    column, found = _files_of(files, inside, path, table, columns)
    here = len(found) - found.count(None)
    if not here and column in TOO_GENERAL:
        return None, []
    if here < len(table) / 2:
        return None, [f"{path.name} was not read: of {len(table):,} files in its column {column} {here:,} are here."]
    notes.append(f"{path.name} was read as the description; its column {column} names the files.")
    return Candidate([path], path.name, table, column, found, notes), []


def _together(parts: list[Candidate], notes: list[str]) -> Candidate:
    """Tables of splits as one, with the split that each is called by."""
    tables = [
        one.table.rename(columns={one.column: "file_name"}).assign(split=split_of(Path(one.name).stem)) for one in parts
    ]
    names = " and ".join(one.name for one in parts)
    notes = [*notes, *(note for one in parts for note in one.notes), f"The splits are those of {names}."]
    found = [name for one in parts for name in one.found]
    table = pd.concat(tables, ignore_index=True)
    return Candidate([one.paths[0] for one in parts], names, table, "file_name", found, notes)


def describe(files: Listing, inside: str, of: Candidate) -> Described:
    """The rows of a table with the files that they are about; rows without one are problems."""
    empty = [
        i for i, value in enumerate(of.table[of.column]) if value is None or value != value or not str(value).strip()
    ]
    if of.table.empty:
        raise ValueError(
            f"{of.paths[0]} needs a file_name in every row and at least one row; fill or remove the empty ones."
        )
    found = of.found
    repeated = pd.Series(_places(files, inside, found), dtype=object).duplicated()
    problems = _problems(of, found, empty, repeated)
    keep = [i for i, name in enumerate(found) if name is not None and not repeated[i]]
    if not keep:
        raise ValueError(problems[0].sentence)
    names = [found[i] or "" for i in keep]
    table, notes = of.table.iloc[keep].reset_index(drop=True), list(of.notes)
    if of.column != "file_name" and "file_name" in table:
        table, notes = table.drop(columns="file_name"), [*notes, "The column file_name names no file, and is left out."]
    table = table.rename(columns={of.column: "file_name"})
    given = [str(value) for value in of.table[of.column].iloc[keep]]
    table["file_name"] = [inside + name for name in names]
    plain = [(g, n) for g, n in zip(given, names, strict=True) if PurePosixPath(g).as_posix() != n]
    if plain:
        notes.append(
            f"{len(plain):,} files were found by the end of their path or by their name: {plain[0][0]!r} is {plain[0][1]!r}."
        )
    if lost := _lost_labels(of.table, keep):
        notes.append(f"No row of these classes has a picture: {counted(lost)}.")
    return Described(of.name, table, _places(files, inside, names), problems, notes)


def _lost_labels(table: pd.DataFrame, keep: list[int]) -> list[str]:
    """The classes of which no row is kept."""
    table, _ = with_label(table)
    labels = table["label"].astype(str) if "label" in table else pd.Series(dtype=str)
    return (
        sorted(set(labels.dropna()) - set(labels.iloc[keep] if len(labels) else [])) if len(keep) < len(labels) else []
    )


def _problems(of: Candidate, found: list[str | None], empty: list[int], repeated: pd.Series) -> list[Problem]:
    given, path, problems = of.table[of.column], of.paths[0], []
    if empty:
        sentence = f"{path} needs a file_name in every row and at least one row; fill or remove the empty ones."
        problems.append(Problem(sentence, NO_NAME, [f"row {i + 1}" for i in empty]))
    if again := [f"row {i + 1}: {name}" for i, name in enumerate(found) if name is not None and repeated[i]]:
        name = again[0].partition(": ")[2]
        sentence = f"{path} names {name!r} more than once; keep one row per picture."
        problems.append(Problem(sentence, TWICE, [printable(row) for row in again]))
    without = set(empty)
    missing = [printable(str(given.iloc[i])) for i, name in enumerate(found) if name is None and i not in without]
    if missing:
        listed = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
        sentence = f"{path} names {len(missing)} files that are not there: {listed}."
        problems.append(Problem(sentence, NO_ROW_FILE, missing))
    return problems


def _places(files: Listing, inside: str, names: Sequence[str | None]) -> list[str]:
    """The same file by the same name, however it is written (a/../b.png, or from the root of the disk)."""
    start = f"{files.root}/"
    return [
        normpath(name.removeprefix(start) if name.startswith(start) else inside + name) if name else ""
        for name in names
    ]
