"""Is it in the features, or did the readout only learn it by heart?  The same readout on labels that mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from sslviz.diagnostics.probes.linear import regress
from sslviz.diagnostics.probes.mlp import learn
from sslviz.diagnostics.probes.probe import FEWEST_IN_CLASS, Controls
from sslviz.features import Features
from sslviz.features.columns import coded, stratified_half
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_mean, bootstrap_balanced_mean, percentile_interval

READOUTS: dict[str, Callable[..., Any]] = {"linear": regress, "mlp": learn}
IN_A_CELL = 10  # images of one kind, at least on average, so that a kind is met in fitting and in scoring
NOTHING = "nothing but memory"


@dataclass(frozen=True, eq=False)
class Selectivity:
    """Is it in the features, or learnt by heart?

    Of the images `ids`: `truth` (n,) indexes `classes`; `correct` and `control_correct` {readout: (n,) bool} say whose
    label, and whose meaningless label, was read rightly.  `beside` {control: {readout: selectivity}}.  There are `cells`
    kinds of images, told apart by the columns `by`.
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    correct: dict[str, np.ndarray]
    control_correct: dict[str, np.ndarray]
    beside: dict[str, dict[str, float]]
    cells: int
    by: list[str]
    seed: int

    def per_image(self) -> dict[str, np.ndarray]:
        """The label read rightly, less the meaningless one: {readout: (n,)}."""
        return {name: right.astype(float) - self.control_correct[name] for name, right in self.correct.items()}

    def groups(self) -> np.ndarray:
        """Which class each image counts for: (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """The selectivity of each readout with its bootstrap interval over images; none where a class has under ten."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        values = self.per_image()
        draws = bootstrap_balanced_mean(np.stack(list(values.values())), self.truth, seed=self.seed)
        enough = np.unique(self.truth, return_counts=True)[1].min() >= FEWEST_IN_CLASS
        scores = {}
        for i, (name, value) in enumerate(values.items()):
            low, high = percentile_interval(draws[:, i]) if enough else (None, None)
            controls = {NOTHING: 0.0} | {control: of[name] for control, of in self.beside.items()}
            scores[name] = Score(balanced_mean(value, self.truth), low, high, controls)
        return scores


@one_thread
def selectivity(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    controls: Controls | None = None,
    seed: int = 0,
) -> Selectivity:
    """Is it in the features, or did the readout only learn it by heart?

    Control task (Hewitt and Liang, arXiv 1909.03368): every kind of image gets a class at random, and the same readout is
    to tell these.  A kind is a cell of the table's other columns (numbers halved at their median), as many columns as
    leave ten images to a cell; without any, every image is its own kind.  Scores, for a `linear` readout and a small
    network (`mlp`): accuracy on the label less that on the meaningless one, classes counted alike.  Controls: 0, and the
    selectivity of the `controls` {name: Features, or (Features, fit Features)}.  Fit, interval and errors as for
    `linear_probe`.

    Caveat: Meaningless labels of kinds that the features tell apart are learnt well too: low selectivity says that the
    readout is strong, not that the label is absent.
    """
    scored, fitted = features, fit
    if fitted is None:
        half = stratified_half(coded(features, label)[1], seed)
        scored, fitted = features.rows(~half), features.rows(half)
    names, codes = coded(_joined(scored, fitted), label)
    cells, by = kinds(_joined(scored, fitted).table, label)
    means_nothing = np.random.default_rng(seed).permutation(cells.max() + 1)[cells] % len(names)
    n = len(scored)
    pairs = {"": (scored, fitted)}
    for name, control in (controls or {}).items():
        whole, bank = control if isinstance(control, tuple) else (control, None)
        bank = whole if bank is None else bank
        pairs[name] = (whole.select(list(scored.ids)), bank.select(list(fitted.ids)))
    right = {
        name: (_read(*pair, codes[n:], codes[:n], seed), _read(*pair, means_nothing[n:], means_nothing[:n], seed))
        for name, pair in pairs.items()
    }
    truth = codes[:n]
    beside = {
        name: {r: balanced_mean(task[r].astype(float) - control[r], truth) for r in READOUTS}
        for name, (task, control) in right.items()
        if name
    }
    return Selectivity(label, names, scored.ids, truth, *right[""], beside, int(cells.max()) + 1, by, seed)


def kinds(table: pd.DataFrame, label: str) -> tuple[np.ndarray, list[str]]:
    """Of which kind is each image?  Numbers (n,) of the cells of the table's other columns, and these columns."""
    cells, by = np.zeros(len(table), int), list[str]()
    said = pd.factorize(table[label])[0]
    for name in table.columns:
        column = table[name]
        if name == "split" or column.isna().any():
            continue
        if pd.api.types.is_numeric_dtype(column) and column.nunique() > 12:
            codes = (column > column.median()).to_numpy().astype(int)
        else:
            codes = pd.factorize(column)[0]
        finer = np.unique(cells * (codes.max() + 1) + codes, return_inverse=True)[1]
        if finer.max() > cells.max() and len(table) >= IN_A_CELL * (finer.max() + 1) and not _says(codes, said):
            cells, by = finer, [*by, str(name)]
    return (cells, by) if by else (np.arange(len(table)), [])


def _says(codes: np.ndarray, label: np.ndarray) -> bool:
    """Whether one column gives the other away."""
    return len(np.unique(codes * (label.max() + 1) + label)) == codes.max() + 1


def _joined(scored: Features, fitted: Features) -> Features:
    """The tables of both, one after the other, with features of nothing."""
    table = pd.concat([scored.table, fitted.table], join="inner", ignore_index=True)
    return Features(np.zeros((len(table), 1)), np.arange(len(table)), table)


def _read(scored: Features, fitted: Features, known: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Who was read rightly, by each readout: {readout: (n,) bool}."""
    return {name: partial(readout, seed=seed)(fitted, known, scored)[0] == truth for name, readout in READOUTS.items()}
