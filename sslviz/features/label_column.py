"""The label among the columns of a table: which one it is, and which names spell another one out."""

from __future__ import annotations

import pandas as pd

from sslviz.features.class_names import class_texts

LABEL = "label"  # the column that is the label, wherever there is one of this name
SPLIT = "split"
SPELLINGS = ("name", "names", "id", "idx", "index", "code", "number", "num", "text", "str", "string", "label", "class")
SYNONYMS = {"label", "labels", "class", "classes", "target", "category", "y"}  # of the label itself


def label_column(table: pd.DataFrame) -> str | None:
    """The column that is the label: `label`, or the first that repeats it word for word; None without one."""
    if LABEL not in table:
        return None
    label = class_texts(table[LABEL])
    copies = (name for name in table.columns if name not in (LABEL, SPLIT) and _repeats(table[name], label))
    return str(next(copies, LABEL))


def _repeats(column: pd.Series, label: pd.Series) -> bool:
    """Whether each row says the same as the label's text; few rows tell most columns apart."""
    few = slice(0, 100)
    return class_texts(column.iloc[few]).equals(label.iloc[few]) and class_texts(column).equals(label)


def spelt_out(name: str, other: str) -> bool:
    """Whether one name says that it is the other in other words: `label_name` of `label`, `sex_code` of `sex`."""
    roots = {_root(name), _root(other)}
    return len(roots) == 1 or roots <= SYNONYMS


def _root(name: str) -> str:
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    while len(words) > 1 and words[-1] in SPELLINGS:
        words.pop()
    return "_".join(words)
