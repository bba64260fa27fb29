"""What each column of a table is, and whether it can be asked about: every column is asked, or left out with a reason."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from sslviz.data.boxes import BOXES, are_boxes
from sslviz.data.grouping import unit_names
from sslviz.data.reading import alike_but_for_spelling
from sslviz.features.class_names import LEAST_PER_CLASS, class_counts, class_texts, usable
from sslviz.features.label_column import LABEL, SPLIT, label_column, spelt_out

MOST_NUMBERS = 50  # different whole numbers that are classes; of more they measure or count something
MOST_CLASSES = 1000  # as ImageNet has; a readout of more is a matter of hours
MANY_CLASSES = 50  # from here on only the questions that the catalog marks are asked
NAMED = 3  # classes that a line names

Kind = Literal[
    "classes", "whole numbers", "numbers", "dates", "lists", "names", "constant", "empty", "boxes", "split", "group"
]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    - name: the column's
    - kind: what its values are; "names" tell single images apart
    - classes: how many classes it has that can be asked about
    - gaps: rows without a value
    - small: classes of too few images, which are left out
    - left_out: why nothing is asked about it; empty where it is asked about
    - note: what to know of it, e.g. that another column says the same; may be empty
    - unfitted: those of `small` that the images fitted on do not show at all
    - only_fitted: classes that only the images fitted on show
    """

    name: str
    kind: Kind
    classes: int = 0
    gaps: int = 0
    small: tuple[str, ...] = ()
    left_out: str = ""
    note: str = ""
    unfitted: tuple[str, ...] = ()
    only_fitted: tuple[str, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether it is asked about."""
        return not self.left_out

    @property
    def text(self) -> str:
        """What is known of it in a line, without its name."""
        return self.about()

    def about(self, classes: Sequence[str] = ()) -> str:
        """As `text`, with these of its classes by name."""
        if not self.asked:
            return "; ".join(filter(None, [self.left_out, self.note]))
        said = [f"{self.classes} classes" + (f": {', '.join(classes)}" if classes else "")]
        if self.gaps:
            said.append(f"{self.gaps:,} {'image' if self.gaps == 1 else 'images'} without a value left out")
        few = [name for name in self.small if name not in self.unfitted]
        said += [f"{_some(few)} of too few images left out ({_listed(few)})"] if few else []
        if self.unfitted:
            said.append(f"{_some(self.unfitted)} left out that the images fitted on lack ({_listed(self.unfitted)})")
        if self.only_fitted:
            said.append(f"{_some(self.only_fitted)} in the images fitted on only ({_listed(self.only_fitted)})")
        return "; ".join(filter(None, [*said, self.note]))

    def to_dict(self) -> dict[str, Any]:
        """As it is written to JSON."""
        lists = {name: list(getattr(self, name)) for name in ("small", "unfitted", "only_fitted")}
        return asdict(self) | lists


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} {'class' if len(names) == 1 else 'classes'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)


def describe_columns(table: pd.DataFrame, fit: pd.DataFrame | None = None, group: str = "") -> list[Column]:
    """Every column of the table of images that are scored, the label first.

    - fit: the table of other images that probes are fitted on; None: one half of the same images
    - group: the column whose images belong together; it is not asked about, and these count once for each class

    The label is the column called `label`, or one that repeats it word for word (the shapes' `label` is their `shape`).
    A column whose name says that it spells the label out (`label_name`) and that agrees with it is left out.
    """
    columns = [_beside(name, table, fit, group) for name in table.columns]
    first = label_column(table)
    ordered = [c for c in columns if c.name == first] + [c for c in columns if c.name != first]
    said: list[Column] = []
    for column in ordered:
        said.append(_compared(column, [other for other in said if other.asked], table) if column.asked else column)
    return said


def _beside(name: Any, table: pd.DataFrame, fit: pd.DataFrame | None, group: str) -> Column:
    if name == group:
        return Column(str(name), "group", left_out="images that share it stay on one side of every split")
    if fit is not None and name not in fit and name != SPLIT:
        return Column(str(name), "classes", left_out="the images that are fitted on have no such column")
    of_fit = None if fit is None or name not in fit else counted_values(fit, name, group)
    return describe_column(name, counted_values(table, name, group), of_fit)


def counted_values(table: pd.DataFrame, name: Any, group: str = "") -> pd.Series:
    """The values of a column; where images belong together by `group`, each of their values once."""
    column = table[name]
    return (
        column[counted_once(class_texts(column), unit_names(table, group, np.arange(len(table))))] if group else column
    )


def counted_once(text: pd.Series, units: np.ndarray) -> np.ndarray:
    """Which rows count where a unit counts once for each class, (n,) bool: its first one; what has no value always does."""
    repeated = pd.DataFrame({"text": text.to_numpy(), "unit": units}).duplicated().to_numpy()
    return ~repeated | text.isna().to_numpy()


def asked_columns(columns: Iterable[Column]) -> list[str]:
    """The names of those that are asked about."""
    return [column.name for column in columns if column.asked]


def left_out_lines(columns: Sequence[Column]) -> list[str]:
    """A sentence for each reason, with the columns that are left out for it."""
    reasons: dict[str, list[str]] = {}
    for column in columns:
        if not column.asked and column.kind != "split":
            reasons.setdefault(column.text, []).append(column.name)
    return [f"Not asked about: {', '.join(names)} ({reason})." for reason, names in reasons.items()]


# --- one column -------------------------------------------------------------------------------------------------------


def describe_column(name: Any, column: pd.Series, fit: pd.Series | None = None, *, named: bool = False) -> Column:
    """One column by itself; somebody `named` it where many different numbers are meant as classes."""
    name, gaps, values = str(name), int(column.isna().sum()), column.dropna()
    kind, reason = _kind_of_values(name, values)
    if reason:
        return Column(name, kind, gaps=gaps, left_out=reason)
    counts, of_fit = class_counts(values), None if fit is None else class_counts(fit)
    kind, reason = _kind_of_classes(values, counts, of_fit, named or name == LABEL)
    if reason:
        return Column(name, kind, gaps=gaps, left_out=reason)
    enough, small = usable(counts, of_fit)
    here, there = set(counts.index), set(counts.index if of_fit is None else of_fit.index)
    alike = alike_but_for_spelling(here | there)
    note = f"{', '.join(alike[:NAMED])} differ only in case or blanks, and are kept apart" if alike else ""
    if len(enough) < 2:
        return Column(name, kind, gaps=gaps, left_out=_too_few(here & there, enough), note=note)
    if len(enough) > MOST_CLASSES:
        return Column(name, kind, gaps=gaps, left_out=f"{len(enough):,} classes, and at most {MOST_CLASSES:,} are read")
    one_side = tuple(sorted(here - there)), tuple(sorted(there - here))
    return Column(name, kind, len(enough), gaps, tuple(small), "", note, *one_side)


def _kind_of_values(name: str, values: pd.Series) -> tuple[Kind, str]:
    """What the values are where they are no classes whatever they say, and why; no reason where they may be some."""
    if name == SPLIT:
        return "split", "it says which images are scored and which are fitted on"
    if values.empty:
        return "empty", "it has no value for any image"
    if name == BOXES and are_boxes(values):
        return "boxes", "it says where the objects are, which is no class"
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return "dates", "dates are no classes; add a column of years or seasons"
    if values.dtype == object and values.map(_is_list).any():
        return "lists", "its values are lists, not one class an image"
    return "classes", ""


def _kind_of_classes(values: pd.Series, counts: pd.Series, of_fit: pd.Series | None, named: bool) -> tuple[Kind, str]:
    """What the values are, of which so many say each, and why nothing can be asked of such; empty where it can."""
    if len(counts) == 1:
        scored = " that are scored" if of_fit is not None and set(of_fit.index) - set(counts.index) else ""
        return "constant", f"all images{scored} have the value {counts.index[0]!r}"
    if not _are_numbers(values):
        if len(values) > 2 * LEAST_PER_CLASS and _mostly_once(counts, of_fit):
            return "names", "most of its values occur once, as names of images do"
        return "classes", ""
    whole = values.map(lambda value: float(value).is_integer()) if values.dtype == object else values % 1 == 0
    if not whole.all():
        return "numbers", "numbers with fractions are no classes; add a column that cuts them into some"
    if len(counts) > MOST_NUMBERS and not named:
        return "numbers", f"more than {MOST_NUMBERS} different numbers; name it as the label to take them for classes"
    return "whole numbers", ""


def _mostly_once(counts: pd.Series, of_fit: pd.Series | None) -> bool:
    """Whether values tell images apart, not kinds of them: they occur once, and those fitted on do not show them again."""
    if of_fit is not None:
        counts = counts.add(of_fit, fill_value=0)
    return len(counts) > counts.sum() / 2


def _is_list(value: Any) -> bool:
    return isinstance(value, list | dict | set | tuple) or hasattr(value, "shape")


def _are_numbers(values: pd.Series) -> bool:
    if values.dtype != object:
        others = pd.api.types.is_bool_dtype(values) or pd.api.types.is_complex_dtype(values)
        return pd.api.types.is_numeric_dtype(values) and not others
    return bool(values.map(lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool)).all())


def _too_few(on_both: set[str], enough: set[str]) -> str:
    """Why fewer than two classes are left."""
    if not on_both:
        return "the images that are fitted on show none of its classes"
    left = f"only {next(iter(enough))!r} has" if enough else "no class has"
    return f"{left} images enough to be fitted on and scored"


def _compared(column: Column, before: Sequence[Column], table: pd.DataFrame) -> Column:
    """The column, left out where one before it says the same and its name says so too; else with a note of that."""
    own = class_texts(table[column.name])
    for other in before:
        if other.classes != column.classes:
            continue
        theirs = class_texts(table[other.name])
        if not (pd.factorize(own)[0] == pd.factorize(theirs)[0]).all():
            continue
        if own.equals(theirs) or spelt_out(column.name, other.name):
            return replace(column, classes=0, small=(), left_out=f"it says the same as {other.name}")
        said = f"it goes with {other.name} in every image: what is read of one may be the other"
        return replace(column, note="; ".join(filter(None, [column.note, said])))
    return column
