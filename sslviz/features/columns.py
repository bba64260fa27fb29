"""Classes in the columns of the table: which class each image has, and which images are fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

import numpy as np
import pandas as pd

from sslviz.features.class_names import class_text
from sslviz.features.features import Features


def coded(features: Features, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The classes of a column: their names (c,), numbers in their own order, and codes (n,) that index them.

    Whatever is written the same is the same class, be it text or a number.  ValueError for a missing or incomplete column
    and for a single class.
    """
    return coded_values(features.column(label), label)


def coded_values(values: np.ndarray | pd.Series, label: str) -> tuple[np.ndarray, np.ndarray]:
    """As `coded`, of a column at hand."""
    if missing := int(pd.isna(values).sum()):
        raise ValueError(
            f"The column {label!r} has no value for {missing} of {len(values)} images; drop those rows or fill them in."
        )
    text = written(values)
    names = in_order(set(text))
    if len(names) < 2:
        raise ValueError(
            f"All {len(text)} images have the {label!r} {names[0]!r}, so there is nothing to tell apart; choose another "
            "column or more images."
        )
    return np.array(names), numbers_of(names, text)


def written(values: np.ndarray | pd.Series) -> np.ndarray:
    """The name of each image's class (n,), of a column without gaps; each different number is written once."""
    if values.dtype == object:  # of mixed values each is written as it is: pandas would take True for 1
        return np.array([class_text(value) for value in values], dtype=object)
    codes, different = pd.factorize(values)
    return np.array([class_text(value) for value in different], dtype=object)[codes]


def numbers_of(names: Iterable[str], text: Iterable[str]) -> np.ndarray:
    """Which of the `names` each text is: (n,); KeyError for one that is none of them."""
    number = {name: i for i, name in enumerate(names)}
    return np.fromiter((number[one] for one in text), np.intp)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of classes sorted: numbers by their value ("9" before "10", "-1" before "0.5"), anything else as text."""
    names = list(names)
    try:
        values = {name: float(name) for name in names}
    except ValueError:  # a name that is no number, like "²", which Python calls a digit
        return sorted(names)
    return (
        sorted(names, key=lambda name: (values[name], name)) if all(map(isfinite, values.values())) else sorted(names)
    )


def partners_of(table: pd.DataFrame, label: str, attribute: str, given: Mapping[str, str]) -> np.ndarray:
    """The value of the attribute that goes with each class of the label: numbers (classes,) that index its names.

    ValueError unless `given` {class: value} names one for every class.
    """
    classes, values = (coded_values(table[column], column)[0].astype(str) for column in (label, attribute))
    known = {value: i for i, value in enumerate(values)}
    if set(given) != set(classes) or not set(given.values()) <= set(known):
        got = ", ".join(f"{c} = {v}" for c, v in given.items()) or "none"
        raise ValueError(
            f"Partners name for each {label} ({', '.join(classes)}) one {attribute} ({', '.join(values)}); got {got}."
        )
    return np.array([known[given[c]] for c in classes])


def scored_and_fitted(
    features: Features, fit: Features | None, label: str, attribute: str | None = None, *, seed: int = 0
) -> tuple[Features, Features]:
    """The images that are scored, and those that are fitted on: `fit`, or else `halves` of the same images.

    ValueError where images of `fit` belong together with images that are scored.
    """
    return halves(features, label, attribute, seed) if fit is None else (features, apart(features, fit))


def apart(features: Features, fit: Features) -> Features:
    """The images fitted on, kept together by the column of those scored; ValueError where the two share a unit."""
    fit = fit if fit.group == features.group else fit.grouped_by(features.group)
    if shared := int(fit.shares_units_with(features).sum()):
        raise ValueError(
            f"{shared:,} of {len(fit):,} images fitted on share their {features.group!r} with images that are scored, which "
            "flatters every score; leave them out: fit.rows(~fit.shares_units_with(features))."
        )
    return fit


def halves(features: Features, label: str, attribute: str | None = None, seed: int = 0) -> tuple[Features, Features]:
    """The images that are scored, and those that are fitted on: halves of every class, or of every pair of two columns.

    As for `stratified_half`; the only image of a pair is fitted on.  ValueError where a class cannot be on both sides.
    """
    codes = strata = coded(features, label)[1]
    if attribute is not None:
        values = coded(features, attribute)[1]
        strata = codes * (values.max() + 1) + values
    half = stratified_half(strata, seed, features.units)
    refuse_one_sided(features, label, half)
    return features.rows(~half), features.rows(half)


def refuse_one_sided(features: Features, label: str, half: np.ndarray) -> None:
    """ValueError where what belongs together leaves a class with no image to score, or none to fit on."""
    if features.units is None:
        return
    names, codes = coded(features, label)
    for name, code in zip(names, range(len(names)), strict=True):
        if len(np.unique(half[codes == code])) < 2:
            raise ValueError(
                f"Images that share their {features.group!r} stay together, so that {label} {str(name)!r} cannot be both "
                "fitted on and scored; leave that class out, or name other images to fit on."
            )


def stratified_half(labels: np.ndarray, seed: int = 0, units: np.ndarray | None = None) -> np.ndarray:
    """The images that are fitted on: True (n,) for half of each class, drawn with `seed`; the odd image is fitted on.

    Images that are nearly the same (frames of one video) land on both sides, unless they are of one of `units` (n,).
    """
    return folds(np.unique(labels, return_inverse=True)[1], 2, seed, units) == 0


def folds(codes: np.ndarray, k: int, seed: int, units: np.ndarray | None = None) -> np.ndarray:
    """Numbers 0 to k - 1 (n,) of parts into which each class is dealt at random; a class of fewer than k misses the last.

    Images of one of `units` (n,) go into the same part: the largest first, each to where its classes are fewest.
    """
    if units is None:
        return place_in_class(codes, seed) % k
    unit = np.unique(units, return_inverse=True)[1]
    classes, u = codes.max() + 1, unit.max() + 1
    cells, counts = np.unique(unit * classes + codes, return_counts=True)
    owner, class_ = np.divmod(cells, classes)
    share = counts / np.bincount(codes)[class_]  # of its class, so that a rare class weighs as much as a common one
    ends = np.searchsorted(owner, np.arange(u + 1))
    shuffled = np.random.default_rng(seed).permutation(u)
    dealt, part = np.zeros((k, classes)), np.zeros(u, dtype=int)
    for one in shuffled[np.argsort(-np.bincount(unit)[shuffled], kind="stable")]:
        mine, own = class_[ends[one] : ends[one + 1]], share[ends[one] : ends[one + 1]]
        part[one] = (dealt[:, mine] @ own).argmin()
        dealt[part[one], mine] += own
    return part[unit]


def one_of_each(features: Features, *columns: str, seed: int = 0) -> np.ndarray:
    """One random image of each unit, or of each unit and combination of columns: True (n,); all of them without a group.

    A test that shuffles images takes each for news of its own, which copies of one picture are not.
    """
    if features.units is None:
        return np.ones(len(features), bool)
    cell = features.units
    for column in columns:
        values = coded(features, column)[1]
        cell = cell * (values.max() + 1) + values
    shuffled = np.random.default_rng(seed).permutation(len(cell))
    keep = np.zeros(len(cell), bool)
    keep[shuffled[np.unique(cell[shuffled], return_index=True)[1]]] = True
    return keep


def place_in_class(codes: np.ndarray, seed: int) -> np.ndarray:
    """0, 1, 2, ... for the images of each class in random order, (n,)."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]  # class by class
    sizes = np.bincount(codes)
    place = np.empty(len(codes), dtype=int)
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place
