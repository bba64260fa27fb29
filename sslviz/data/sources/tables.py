"""A table that describes pictures: CSV, TSV, JSON lines or parquet, as people and Hugging Face's imagefolder write them."""

from __future__ import annotations

import csv
import json
import re
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# What a column of files is called; the first that is there is taken.
FILE_COLUMNS = (
    "file_name filename file file_path filepath path image_file_name image_name image_path image_file image img_name "
    "img_path img_file img picture picture_name photo image_url url image_id img_id picture_id photo_id id"
).split()
LABEL_COLUMNS = ("class", "category", "target", "y", "labels", "class_name", "class_label")
MISSING = ["", "nan", "NaN"]  # "NA" and "None" are words that somebody chose as a label
PADDED = r"0\d+"  # 007 is a code: as a number it would be the same as 7
CODE = PADDED + r"|\d+[eE]\d+|\d{16,}"  # so are 1e5 and what has more digits than a float
NESTED = (list, tuple, dict, set, bytes, np.ndarray)


def read_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The table in a file, and what is to be said of how it was read; ValueError where there is none in it."""
    suffix, notes = path.suffix.lower(), list[str]()
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
            table = table.reset_index(drop=table.index.name is None)
        elif suffix in (".jsonl", ".ndjson"):
            table = _from_lines(path)
        else:
            table, notes = _from_text(*_text(path), suffix)
    except (ValueError, OSError, csv.Error, ImportError) as error:  # an empty file, no table, not text
        raise ValueError(
            f"{path} cannot be read as a table ({(str(error) or type(error).__name__).splitlines()[0]}); mend it, or remove it."
        ) from error
    table.columns = [str(column).strip() for column in table.columns]
    if not table.columns.is_unique:
        again = table.columns[table.columns.duplicated()][0]
        raise ValueError(f"{path} has more than one column {again!r}; give each its own name.")
    table, plain = _plain_values(table)
    return table, [f"{path.name}: {note}" for note in [*notes, *plain]]


def column_called(table: pd.DataFrame, names: tuple[str, ...] | list[str]) -> list[str]:
    """The columns that are called so, whatever the case, blanks and hyphens, in the order of `names`."""
    folded = {folded_name(column): str(column) for column in reversed(list(table.columns))}
    return [name if name in table else folded[name] for name in names if name in table or name in folded]


def folded_name(column: object) -> str:
    """A column's name without case, blanks and hyphens."""
    return re.sub(r"[\s-]+", "_", str(column).strip().casefold())


def file_columns(table: pd.DataFrame) -> list[str]:
    """The columns that may say which file a row is about, the likeliest first (any `..._file_name` is one)."""
    known = column_called(table, FILE_COLUMNS)
    return known + [c for c in table.columns if folded_name(c).endswith("_file_name") and c not in known]


def with_label(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with a column `label`, a copy of the one that is called like it; and what is to be said of that.

    The column itself stays, so that it can be named as it is written in the file.
    """
    if same := [str(c) for c in table.columns if folded_name(c) == "label" and c != "label"]:
        if "label" in table or len(same) > 1:
            taken = "label" if "label" in table else same[0]
            said = [
                f"Several columns are called label: {taken} was taken, {', '.join(c for c in same if c != taken)} not."
            ]
        else:
            taken, said = same[0], []
        return table.assign(label=table[taken]), said
    if "label" in table:
        return table, []
    found = column_called(table, LABEL_COLUMNS)
    if len(found) == 1:
        return table.assign(label=table[found[0]]), [f"The column {found[0]} was taken as the label."]
    if found:
        return table, [f"No column is called label, and {' and '.join(found)} could be one: rename the one that is."]
    return table, []


def _text(path: Path) -> tuple[str, list[str]]:
    """The file as text, whatever Excel or an editor wrote it in."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), []
    if b"\0" in content:
        raise ValueError("it is not text")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), ["it is not UTF-8, and was read as Windows-1252."]


def _from_text(text: str, notes: list[str], suffix: str) -> tuple[pd.DataFrame, list[str]]:
    """Text as a table: separator and decimal comma are found, blanks around cells dropped, codes stay text."""
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.", first.strip()):  # Excel's own first line
        first, text = rest.partition("\n")[0], rest
    separator = _separator(first, suffix)
    if separator != ("\t" if suffix == ".tsv" else ","):
        notes = [*notes, f"its cells are separated by {SEPARATORS[separator]}."]
    options: dict[str, Any] = {
        "sep": separator,
        "keep_default_na": False,
        "skipinitialspace": separator != "\t",
        "index_col": False,
        "low_memory": False,
    }
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", pd.errors.ParserWarning)
        written = pd.read_csv(StringIO(text), dtype=str, **options)
    if again := [c for c in written.columns if f"{c}.1" in written]:
        notes = [*notes, f"it has {again[0]} more than once; what follows is called {again[0]}.1, ..."]
    if said:
        notes = [*notes, "its rows have more cells than its head has names; what is too much was left out."]
    cells = written.apply(lambda column: column.str.strip())
    comma = separator == ";" and cells.apply(lambda column: column.str.fullmatch(r"-?\d+,\d+")).to_numpy().any()
    if said or not cells.equals(written):
        text = cells.to_csv(index=False, sep=separator)
    table = pd.read_csv(StringIO(text), na_values=MISSING, decimal="," if comma else ".", **options)
    return _keep_codes(table, cells, notes)


def _separator(head: str, suffix: str) -> str:
    """The separator that finds a column of files in the head, or else most columns."""
    usual = "\t" if suffix == ".tsv" else ","

    def worth(separator: str) -> tuple[bool, int, bool]:
        names = [folded_name(name) for name in next(csv.reader([head], delimiter=separator, skipinitialspace=True), [])]
        return (
            any(name in FILE_COLUMNS or name.endswith("_file_name") for name in names),
            len(names),
            separator == usual,
        )

    return max(SEPARATORS, key=worth)


def _keep_codes(table: pd.DataFrame, cells: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table as pandas understands it, but for columns of numbers that are codes: they stay as they were written."""
    for column, name in zip(cells.columns, table.columns, strict=True):
        if not pd.api.types.is_numeric_dtype(table[name]):
            continue
        words = cells[column].mask(cells[column].isin(MISSING))
        pattern = CODE if pd.api.types.is_float_dtype(table[name]) else PADDED
        if (codes := words.dropna()[words.dropna().str.fullmatch(pattern)]).size:
            table[name] = words
            notes = [*notes, f"{name} is read as text: {codes.iloc[0]} is a code, not a number."]
    return table, notes


def _from_lines(path: Path) -> pd.DataFrame:
    """JSON lines as a table."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not an object, {{...}}")
        rows.append(row)
    if not rows:
        raise ValueError("there is no line in it")
    return pd.DataFrame(rows)


def _plain_values(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The columns that hold one value a row; lists and objects are left out, a mixture becomes text."""
    notes, left_out = [], []
    for column in table.columns:
        values = table[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            table[column] = values.astype(values.cat.categories.dtype)
        elif values.dtype == object:
            kinds = {type(value) for value in values if not _missing(value)}
            if nested := sorted(kind.__name__ for kind in kinds if issubclass(kind, NESTED)):
                left_out.append(column)
                notes.append(f"the column {column} is left out: it holds values of the kind {', '.join(nested)}.")
            elif len(kinds) > 1 or not kinds <= {str, bool, int, float}:
                table[column] = [None if _missing(value) else str(value) for value in values]
                notes.append(
                    f"{column} holds {', '.join(sorted(kind.__name__ for kind in kinds))}, and is read as text."
                )
    return table.drop(columns=left_out), notes


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)
