"""Steps of features when one thing about a picture is changed, and how far pictures lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sslviz.diagnostics.geometry.collapse import MIN_SPREAD
from sslviz.features import Features

MIN_PICTURES = 20
LEAST_DIFFERENCE = MIN_SPREAD**2  # of the squared length of features: with less, an encoder has collapsed completely
LARGEST_RATIO = 1e4  # that is believed where an older sslviz did not store the difference
NO_REACTION = "the encoder hardly reacts to anything"


class Steps(NamedTuple):
    """Steps of n pictures.

    - ids: the pictures, (n,)
    - plain: their features as they are, (n, d)
    - steps: from there to the features after a change, {change: (n, d)}
    - amounts: how much was changed, NaN where the table does not say, {change: (n,)}
    """

    ids: np.ndarray
    plain: np.ndarray
    steps: dict[str, np.ndarray]
    amounts: dict[str, np.ndarray]

    @property
    def spread(self) -> np.ndarray:
        """Twice the squared distance of each picture from the mean, on average that of two pictures: (n,)."""
        n = len(self.plain)
        return 2 * ((self.plain - self.plain.mean(axis=0)) ** 2).sum(axis=1) * n / (n - 1)

    @property
    def difference(self) -> float:
        """How much of their squared length pictures do not share, about 0 to 1."""
        length = (self.plain**2).sum(axis=1).mean()
        return float(self.spread.mean() / (2 * length)) if length > 0 else 0.0

    @property
    def moved(self) -> dict[str, np.ndarray]:
        """The squared length of each step, {change: (n,)}."""
        return {name: (step**2).sum(axis=1) for name, step in self.steps.items()}


def why_untold(difference: float | None, moved: np.ndarray, spread: np.ndarray) -> str:
    """Why steps `moved` (..., n) mean nothing in units of the `spread` (n,); empty where they do.

    Between pictures that hardly differ anything is far: the ratio to a distance that vanishes says nothing of a change.
    `difference` is that of `Steps`, None where it was not stored.
    """
    if difference is not None:
        return NO_REACTION if difference < LEAST_DIFFERENCE else ""
    return NO_REACTION if np.max(moved.mean(axis=-1)) > LARGEST_RATIO * spread.mean() else ""


def in_spreads(moved: np.ndarray, spread: np.ndarray, difference: float) -> np.ndarray:
    """Squared lengths `moved` (..., n) in units of the mean `spread` (n,); NaN where that says nothing."""
    return np.full_like(moved, np.nan) if why_untold(difference, moved, spread) else moved / spread.mean()


def feature_steps(features: Features, among: np.ndarray | None = None) -> Steps:
    """The steps of pictures whose features were taken again after one change at a time.

    `features` has the columns `object`, the picture, `changed`, what was changed ("" for the picture itself), and, if it
    is known, `amount`.  Only the pictures `among` these are taken, in their order.  ValueError for missing columns, for
    fewer than 20 pictures, for a change that was not made to every picture, and for features that are the same for all.

    Caveat: Equal steps of two changes are not equal changes: what counts as one picture changed as much is a choice.
    """
    row = _rows(features)
    ids = np.array([name for name, change in row if not change]) if among is None else np.asarray(among, dtype=str)
    changes = [change for change in dict.fromkeys(str(change) for _, change in row) if change]
    missing = sum((name, change) not in row for name in ids for change in ["", *changes])
    if len(ids) < MIN_PICTURES or not changes or missing:
        raise ValueError(
            f"Steps need {MIN_PICTURES} pictures at least, and each of them again for every change; got {len(ids)} "
            f"pictures, {len(changes)} changes and {missing} rows missing."
        )
    steps = measure_steps(features, ids, changes)
    if np.abs(steps.plain - steps.plain[0]).max() <= 1e-6 * np.abs(steps.plain).max():
        raise ValueError(
            "The features are the same for every picture, so that no step has a length; has this encoder collapsed?"
        )
    return steps


def measure_steps(features: Features, ids: np.ndarray, changes: Sequence[str]) -> Steps:
    """The steps of these pictures for each change, all of which are there; nothing is checked."""
    row = _rows(features)
    x = features.x.astype(np.float64)
    plain = x[[row[name, ""] for name in ids]]
    rows = {change: [row[name, change] for name in ids] for change in changes}
    amount = features.table["amount"].to_numpy(float) if "amount" in features.table else np.full(len(x), np.nan)
    return Steps(ids, plain, {c: x[r] - plain for c, r in rows.items()}, {c: amount[r] for c, r in rows.items()})


def _rows(features: Features) -> dict[tuple[str, str], int]:
    """{(picture, change): row}."""
    changes = features.column("changed").astype(str)
    return {pair: i for i, pair in enumerate(zip(features.column("object").astype(str), changes, strict=True))}
