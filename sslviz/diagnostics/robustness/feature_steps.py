"""How far does a picture move when one thing about it is changed?  Steps of the features, in units of their own spread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sslviz.features import Features

FEWEST = 20  # pictures


class Steps(NamedTuple):
    """Which way did each picture go?  For the pictures `ids` (n,): `plain` (n, d) where they lie, and {change: (n, d)} steps.

    `amounts` {change: (n,)} say how much was changed; NaN where the table does not say.
    """

    ids: np.ndarray
    plain: np.ndarray
    steps: dict[str, np.ndarray]
    amounts: dict[str, np.ndarray]

    @property
    def spread(self) -> np.ndarray:
        """Twice the squared distance of each picture from the mean: on average the squared distance of two, (n,)."""
        n = len(self.plain)
        return 2 * ((self.plain - self.plain.mean(axis=0)) ** 2).sum(axis=1) * n / (n - 1)

    @property
    def moved(self) -> dict[str, np.ndarray]:
        """The squared length of each step, {change: (n,)}."""
        return {name: (step**2).sum(axis=1) for name, step in self.steps.items()}


def steps_of(features: Features, among: np.ndarray | None = None) -> Steps:
    """How far does a picture move when one thing about it is changed?

    `features` holds pictures and each of them again, changed in one way at a time: columns `object`, the picture, `changed`,
    what was changed ("" for the picture itself), and, if it is known, `amount`.  Only the pictures `among` these are
    taken, in their order.  ValueError for missing columns, for fewer than 20 pictures, for a change that was not made to
    every picture, and for features that are the same for all.

    Caveat: Equal steps of two changes are not equal changes: what counts as one picture changed as much is a choice.
    """
    said = features.column("changed").astype(str)
    where = {pair: i for i, pair in enumerate(zip(features.column("object").astype(str), said, strict=True))}
    ids = np.array([name for name, change in where if not change]) if among is None else np.asarray(among, dtype=str)
    changes = [change for change in dict.fromkeys(said.tolist()) if change]
    missing = sum((name, change) not in where for name in ids for change in ["", *changes])
    if len(ids) < FEWEST or not changes or missing:
        raise ValueError(
            f"Steps need {FEWEST} pictures at least, and each of them again for every change; got {len(ids)} pictures, "
            f"{len(changes)} changes and {missing} rows missing."
        )
    x = features.x.astype(np.float64)
    plain = x[[where[name, ""] for name in ids]]
    if np.abs(plain - plain[0]).max() <= 1e-6 * np.abs(plain).max():
        raise ValueError(
            "The features are the same for every picture, so that no step has a length; has this encoder collapsed?"
        )
    rows = {change: [where[name, change] for name in ids] for change in changes}
    amount = features.table["amount"].to_numpy(float) if "amount" in features.table else np.full(len(x), np.nan)
    return Steps(ids, plain, {c: x[r] - plain for c, r in rows.items()}, {c: amount[r] for c, r in rows.items()})
