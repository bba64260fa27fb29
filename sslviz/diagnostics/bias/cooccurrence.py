"""Is it the data?  Which values of two columns go together, before any encoder has looked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.features import Features
from sslviz.features.columns import coded
from sslviz.statistics import Score, percentile_interval, permutation_p

SHUFFLED = "one column shuffled, 95 of 100"
DRAWS = 1000  # tables of other images, for the intervals
PERMUTATIONS = 10_000  # tables of shuffled columns, for p


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Which values of two columns go together?

    `table` (c, v) counts the images of each of `classes` (c,) of `label` and `values` (v,) of `attribute`; `seed` draws
    tables of other images and of shuffled columns.
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    table: np.ndarray
    seed: int

    @property
    def shares(self) -> np.ndarray:
        """The share of each class's images that has each value, (c, v)."""
        return self.table / self.table.sum(axis=1, keepdims=True)

    @property
    def base(self) -> np.ndarray:
        """The share of all images that has each value, (v,)."""
        return self.table.sum(axis=0) / self.table.sum()

    @cached_property
    def _null(self) -> tuple[np.ndarray, np.ndarray]:
        """Cramér's V and mutual information of shuffled columns, (PERMUTATIONS,) each."""
        from scipy.stats import random_table

        same_margins = random_table(self.table.sum(axis=1), self.table.sum(axis=0), seed=self.seed)
        drawn = same_margins.rvs(size=PERMUTATIONS).astype(float)
        return cramers_v(drawn), mutual_information(drawn)

    @property
    def p(self) -> float:
        """How often does a shuffled column reach this mutual information?  At least 1 / 10,001."""
        return permutation_p(float(mutual_information(self.table)), self._null[1])

    @property
    def found(self) -> bool:
        """Whether the two columns go together more than luck explains, at 5 %."""
        return self.p < 0.05

    @property
    def detectable(self) -> float:
        """The least Cramér's V that would be found in 80 of 100 samples such as this, by the power of chi-squared."""
        from scipy.optimize import brentq
        from scipy.stats import chi2, ncx2

        c, v = self.table.shape
        freedom = (c - 1) * (v - 1)
        threshold = chi2.isf(0.05, freedom)
        away = brentq(lambda a: ncx2.sf(threshold, freedom, a) - 0.8, 1e-6, 1e4)  # n phi^2
        return float(np.sqrt(away / self.table.sum() / (min(c, v) - 1)))

    def scores(self) -> dict[str, Score]:
        """`cramers_v` in [0, 1] and `mutual_information` in bits, beside a shuffled column; 0 is independent."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = int(self.table.sum())
        rng = np.random.default_rng(self.seed)
        others = rng.multinomial(n, (self.table / n).ravel(), size=DRAWS).reshape(DRAWS, *self.table.shape)
        scores = {}
        for (name, measure), null in zip(MEASURES.items(), self._null, strict=True):
            low, high = percentile_interval(measure(others.astype(float)))
            scores[name] = Score(
                float(measure(self.table)), low, high, {SHUFFLED: float(np.quantile(null, 0.95))}, None
            )
        return scores


def cooccurrence(
    features: Features | pd.DataFrame, label: str = "label", attribute: str = "attribute", *, seed: int = 0
) -> Cooccurrence:
    """Is it the data: do two columns of the table go together before any encoder has looked?

    Of the table of `features` (or a table alone) it counts how many images have each pair of values (as REVISE does, arXiv
    2004.07999).  Scores, 0 where the columns are independent: `cramers_v` in [0, 1], 1 where one column settles the other,
    with Bergsma's correction for the small tables in which chance alone makes it large; `mutual_information` in bits,
    less Miller and Madow's correction for the same.  Control: one column shuffled, the same counts of each value; p from
    10,000 of those.  Interval: bootstrap over images.  ValueError for missing or incomplete columns.

    Caveat: It audits the images, not the encoder: an encoder need not have learnt what the table holds, and may have
    learnt what no column says.
    """
    if isinstance(features, pd.DataFrame):
        features = Features.from_array(np.zeros((len(features), 1)), table=features)
    (classes, codes), (values, other) = coded(features, label), coded(features, attribute)
    table = np.bincount(codes * len(values) + other, minlength=len(classes) * len(values))
    return Cooccurrence(label, attribute, classes, values, table.reshape(len(classes), len(values)), seed)


def cramers_v(tables: np.ndarray) -> np.ndarray:
    """How strongly do rows and columns go together, 0 to 1?  `tables` (..., c, v) of counts -> (...).

    Bergsma's bias-corrected V (2013): chi^2 / n less what independence gives, (c - 1)(v - 1) / (n - 1), over what is left
    of the smaller dimension after the same correction.  Rows and columns without a count do not count.
    """
    tables = np.asarray(tables, dtype=float)
    n = tables.sum(axis=(-2, -1))
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    expected = rows[..., None] * columns[..., None, :] / n[..., None, None]
    phi = ((tables - expected) ** 2 / np.where(expected > 0, expected, 1)).sum(axis=(-2, -1)) / n
    c, v = (rows > 0).sum(axis=-1), (columns > 0).sum(axis=-1)
    left = np.minimum(c - (c - 1) ** 2 / (n - 1), v - (v - 1) ** 2 / (n - 1)) - 1
    return np.sqrt(np.maximum(phi - (c - 1) * (v - 1) / (n - 1), 0) / np.maximum(left, 1e-12)).clip(0, 1)


def mutual_information(tables: np.ndarray) -> np.ndarray:
    """How many bits does one column say about the other?  `tables` (..., c, v) of counts -> (...), at least 0.

    The plug-in estimate less Miller and Madow's correction, (cells - rows - columns + 1) / (2 n ln 2), where only those
    with a count count.
    """
    tables = np.asarray(tables, dtype=float)
    n = tables.sum(axis=(-2, -1))
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    seen = [(x > 0).sum(axis=a) for x, a in ((tables, (-2, -1)), (rows, -1), (columns, -1))]
    plug_in = _entropy(rows, n, -1) + _entropy(columns, n, -1) - _entropy(tables, n, (-2, -1))
    return np.maximum(plug_in - (seen[0] - seen[1] - seen[2] + 1) / (2 * n * np.log(2)), 0)


def _entropy(counts: np.ndarray, n: np.ndarray, axis: int | tuple[int, int]) -> np.ndarray:
    total = np.expand_dims(n, axis)
    share = counts / total
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=axis)


MEASURES = {"cramers_v": cramers_v, "mutual_information": mutual_information}
