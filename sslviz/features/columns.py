"""Classes in the columns of the table: which class each image has, and which images are fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

import numpy as np
import pandas as pd

from sslviz.features.column_kinds import class_text
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
    text = pd.Index([class_text(value) for value in values])
    names = in_order(set(text))
    if len(names) < 2:
        raise ValueError(
            f"All {len(text)} images have the {label!r} {names[0]!r}, so there is nothing to tell apart; choose another "
            "column or more images."
        )
    return np.array(names), pd.Index(names).get_indexer(text)


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


def stratified_half(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """The images that are fitted on: True (n,) for half of each class, drawn with `seed`; the odd image is fitted on.

    Images that are nearly the same (frames of one video) land on both sides; split those by hand.
    """
    return place_in_class(np.unique(labels, return_inverse=True)[1], seed) % 2 == 0


def halves(features: Features, label: str, attribute: str, seed: int = 0) -> tuple[Features, Features]:
    """The images that are scored, and those that are fitted on, where two columns matter: halves of every pair of values.

    As for `stratified_half`; the only image of a pair is fitted on.
    """
    codes, values = coded(features, label)[1], coded(features, attribute)[1]
    half = stratified_half(codes * (values.max() + 1) + values, seed)
    return features.rows(~half), features.rows(half)


def place_in_class(codes: np.ndarray, seed: int) -> np.ndarray:
    """0, 1, 2, ... for the images of each class in random order, (n,)."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]  # class by class
    sizes = np.bincount(codes)
    place = np.empty(len(codes), dtype=int)
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place
