"""The classes of a column: how each is written, how many images it has, and whether they are enough."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd

LEAST_PER_CLASS = 2  # images: one to fit on, one to score


def class_text(value: Any) -> str:
    """The name of a class as it is written: a whole number without its fraction, so that 1.0 and 1 are one class."""
    if type(value) is str:
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and float(value).is_integer():
        return str(int(float(value)))
    return str(value)


def class_texts(column: pd.Series) -> pd.Series:
    """The name of each image's class, missing where there is no value."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column
    if column.dtype == object:  # of mixed values each is written as it is: pandas would take True for 1
        return column.map(class_text, na_action="ignore")
    codes, values = pd.factorize(column)  # numbers of a million rows are told apart once
    if values.dtype == np.float64:  # as Python's own, which are written faster
        texts = [str(int(value)) if value.is_integer() else str(value) for value in values.tolist()]
    else:
        texts = [*map(class_text, values)]
    names = np.array([*texts, None], dtype=object)
    return pd.Series(names[codes], index=column.index, dtype=object)


def class_counts(column: pd.Series) -> pd.Series:
    """How many images each class has, by its text; images without a value count nowhere."""
    return class_texts(column).value_counts()


def usable_classes(
    column: pd.Series, fit: pd.Series | None, least: int = LEAST_PER_CLASS
) -> tuple[set[str], list[str]]:
    """The classes with images enough to score and to fit on, and the others.

    Without images of their own to fit on, a class needs `least`; else half of that to score, and one to fit on.
    """
    return usable(class_counts(column), None if fit is None else class_counts(fit), least)


def usable(counts: pd.Series, of_fit: pd.Series | None, least: int = LEAST_PER_CLASS) -> tuple[set[str], list[str]]:
    """`usable_classes` of how many images each class has."""
    if of_fit is None:
        enough = set(counts.index[counts >= least])
    else:
        enough = set(counts.index[counts >= max(least // 2, 1)]) & set(of_fit.index)
    return enough, sorted(set(counts.index) - enough)
