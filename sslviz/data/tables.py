"""Tables that describe images: columns brought to forms that can be compared, hashed and stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

# What pandas calls object columns that hold several kinds of values, or values that cannot be compared (lists, dicts).
SEVERAL_KINDS = {"mixed", "mixed-integer", "mixed-integer-float", "complex"}
# Whole numbers and truth values with gaps would come back from a file as fractions.
WITH_GAPS: dict[str, Any] = {"integer": "Int64", "boolean": "boolean"}


def as_table(columns: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    """A data frame of columns by name, each a sequence with one value an image; ValueError where one is not."""
    if isinstance(columns, pd.DataFrame):
        return columns
    if not isinstance(columns, Mapping):
        raise ValueError(f"A table is a data frame, or a dict of columns by name; got a {type(columns).__name__}.")
    found = {}
    for name, values in columns.items():
        values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
        if isinstance(values, str | bytes) or not hasattr(values, "__len__") or getattr(values, "ndim", 1) != 1:
            raise ValueError(f"The column {name!r} is to hold one value an image; got {type(values).__name__} instead.")
        found[name] = values
    if len(lengths := {name: len(values) for name, values in found.items()}) and len(set(lengths.values())) > 1:
        raise ValueError(f"The columns of a table are of one length; got {lengths}.")
    return pd.DataFrame({name: _values(values) for name, values in found.items()})


def _values(values: Any) -> Any:
    """The values without an index of their own, by which pandas would put them in another order."""
    if isinstance(values, pd.Series):
        return values.array
    if isinstance(values, list | tuple) and any(isinstance(value, list | tuple | np.ndarray) for value in values):
        return pd.Series(list(values), dtype=object).array
    return values


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table with rows numbered from 0, names of columns as text, and columns of one kind of values each.

    A column of lists, dicts or several kinds becomes text: what is written the same is the same.  Gaps stay gaps.
    ValueError for two columns of one name.
    """
    names = [str(name) for name in table.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"The table has more than one column called {repeated[0]!r}; give each a name of its own.")
    plain = table.reset_index(drop=True)
    if names != list(plain.columns):
        plain.columns = pd.Index(names, dtype=object)
    for name in names:
        if plain[name].dtype == object:
            plain[name] = _plain_column(plain[name])
    return plain


def _plain_column(column: pd.Series) -> pd.Series:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in WITH_GAPS and column.isna().any():
        return column.where(column.notna(), None).astype(WITH_GAPS[kind])
    if kind not in SEVERAL_KINDS:
        return column
    missing = [_is_gap(value) for value in column]
    text = [None if gap else _text(value) for value, gap in zip(column, missing, strict=True)]
    return pd.Series(text, dtype=object, name=column.name)


def _is_gap(value: Any) -> bool:
    """Whether it is None, NaN or pandas' own; a list is none, whatever it holds."""
    return value is None or bool(np.isscalar(pd.isna(value)) and pd.isna(value))


def _text(value: Any) -> str:
    """As `str`, but containers as JSON, so that equal ones are written the same."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return str(value)


def add_table(state: hashlib.blake2b, table: pd.DataFrame) -> None:
    """Adds the entries of a `plain_table` to a digest."""
    state.update(pd.util.hash_pandas_object(table, index=False).to_numpy().data)
