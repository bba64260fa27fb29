"""Co-occurrence of two columns of the table: Cramér's V and mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.features import Features
from sslviz.features.columns import coded, one_of_each
from sslviz.statistics import Score, percentile_interval, permutation_p

SHUFFLED = "one column shuffled, 95 of 100"
DRAWS = 1000  # tables of other images, for the intervals
PERMUTATIONS = 10_000  # tables of shuffled columns, for p


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Result of `cooccurrence`.

    - label, attribute: the two columns
    - classes: names of the label's classes, (c,)
    - values: names of the attribute's values, (v,)
    - table: images of each class and value, (c, v)
    - seed: of the tables drawn of other images and of shuffled columns
    - group_column: the column of whose images one of each value was counted; empty where all were
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    table: np.ndarray
    seed: int
    group_column: str = ""

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
        """The share of shuffled columns that reach this mutual information; at least 1 / 10,001."""
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
        noncentrality = brentq(lambda a: ncx2.sf(threshold, freedom, a) - 0.8, 1e-6, 1e4)  # n phi^2
        return float(np.sqrt(noncentrality / self.table.sum() / (min(c, v) - 1)))

    def hypothesis(self) -> Hypothesis:
        """That the two columns go together in the images themselves."""
        statement = (
            f"In the images themselves {self.label} and {self.attribute} go together (Cramér's V "
            f"{self.scores()['cramers_v'].value:.2f}, of 1 where one settles the other)."
        )
        return Hypothesis(statement, "cramers_v", self.p, self.detectable, int(self.table.sum()))

    def scores(self) -> dict[str, Score]:
        """`cramers_v` in [0, 1] and `mutual_information` in bits, beside a shuffled column; 0 is independent."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = int(self.table.sum())
        rng = np.random.default_rng(self.seed)
        resamples = rng.multinomial(n, (self.table / n).ravel(), size=DRAWS).reshape(DRAWS, *self.table.shape)
        scores = {}
        for (name, measure), null in zip(MEASURES.items(), self._null, strict=True):
            low, high = percentile_interval(measure(resamples.astype(float)))
            scores[name] = Score(
                float(measure(self.table)), low, high, {SHUFFLED: float(np.quantile(null, 0.95))}, None
            )
        return scores


def cooccurrence(
    features: Features | pd.DataFrame, label: str = "label", attribute: str = "attribute", *, seed: int = 0
) -> Cooccurrence:
    """Is it the data: do two columns of the table go together before any encoder has looked?

    It counts the images that have each pair of values, as REVISE does (arXiv 2004.07999).  `features` may be a table alone.
    Of images that share the `group` of the features one is counted: copies are no evidence.

    Scores, 0 where the columns are independent: `cramers_v` in [0, 1], 1 where one column settles the other, and
    `mutual_information` in bits.  Chance alone makes both large in small tables.  Bergsma's correction and that of
    Miller and Madow take this away.  Control: one column shuffled, with the same counts of each value; p from 10,000 of
    those.  Interval: bootstrap over images.  ValueError for missing or incomplete columns.

    Example:
        >>> import pandas as pd, sslviz
        >>> table = pd.DataFrame({"shape": ["disc", "cross"] * 40, "color": ["red", "blue"] * 40})
        >>> sslviz.cooccurrence(table, "shape", "color").scores()["cramers_v"].text
        '1.00 [1.00, 1.00]'

    Caveat: It audits the images, not the encoder: an encoder need not have learnt what the table holds, and may have
    learnt what no column says.
    """
    if isinstance(features, pd.DataFrame):
        features = Features.from_array(np.zeros((len(features), 1)), table=features)
    features = features.rows(one_of_each(features, seed=seed))
    (classes, class_codes), (values, value_codes) = coded(features, label), coded(features, attribute)
    table = np.bincount(class_codes * len(values) + value_codes, minlength=len(classes) * len(values))
    return Cooccurrence(
        label, attribute, classes, values, table.reshape(len(classes), len(values)), seed, features.group
    )


def cramers_v(tables: np.ndarray) -> np.ndarray:
    """Bergsma's bias-corrected Cramér's V (2013) in [0, 1], of `tables` (..., c, v) of counts -> (...).

    It is chi^2 / n less what independence gives, (c - 1)(v - 1) / (n - 1), over what is left of the smaller dimension
    after the same correction.  Empty rows and columns are left out.
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
    """Mutual information in bits, at least 0, of `tables` (..., c, v) of counts -> (...).

    The plug-in estimate less Miller and Madow's correction, (cells - rows - columns + 1) / (2 n ln 2), with empty cells,
    rows and columns left out.
    """
    tables = np.asarray(tables, dtype=float)
    n = tables.sum(axis=(-2, -1))
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    filled = (tables > 0).sum(axis=(-2, -1)) - (rows > 0).sum(axis=-1) - (columns > 0).sum(axis=-1)
    plug_in = _entropy(rows, n, -1) + _entropy(columns, n, -1) - _entropy(tables, n, (-2, -1))
    return np.maximum(plug_in - (filled + 1) / (2 * n * np.log(2)), 0)


def _entropy(counts: np.ndarray, n: np.ndarray, axis: int | tuple[int, int]) -> np.ndarray:
    total = np.expand_dims(n, axis)
    share = counts / total
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=axis)


MEASURES = {"cramers_v": cramers_v, "mutual_information": mutual_information}
