"""Selectivity: accuracy of a readout on a label less that of the same readout on a control task of random classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.linear import linear_readout
from sslviz.diagnostics.probes.mlp import mlp_readout
from sslviz.diagnostics.probes.probe import Readout
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import coded, scored_and_fitted
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_intervals, balanced_mean, least_found, p_beyond

READOUTS: dict[str, Readout] = {"linear": linear_readout, "mlp": mlp_readout}
MIN_PER_KIND = 10  # images on average, so that a kind is met in fitting and in scoring
NOTHING = "nothing but memory"


@dataclass(frozen=True, eq=False)
class Selectivity(Fitted):
    """Result of `selectivity`, of n scored images.

    - label: the column that was read
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - correct: whether the label was read rightly, {readout: (n,) bool}
    - control_task_correct: whether the random class of the image's kind was, {readout: (n,) bool}
    - control_values: selectivity of the controls, {control: {readout: value}}
    - n_kinds: kinds of images that got a random class each
    - kind_columns: columns that tell kinds apart
    - seed: of halves, fits and resamples
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    correct: dict[str, np.ndarray]
    control_task_correct: dict[str, np.ndarray]
    control_values: dict[str, dict[str, float]]
    n_kinds: int
    kind_columns: list[str]
    seed: int

    def per_image(self) -> dict[str, np.ndarray]:
        """Whether the label was read rightly, less whether the random class was: {readout: (n,)}."""
        return {name: right.astype(float) - self.control_task_correct[name] for name, right in self.correct.items()}

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    @property
    def found(self) -> bool:
        """Whether the linear readout reads the label better than random classes, by more than luck at 5 %."""
        low = self.scores()["linear"].low
        return bool(low is not None and low > 0)

    @property
    def detectable(self) -> float | None:
        """The least selectivity of the linear readout found in 80 of 100 such samples; None where it cannot be told."""
        return least_found(self.scores()["linear"])

    def hypothesis(self) -> Hypothesis:
        """That the linear readout reads the label better than it learns random classes by heart."""
        score = self.scores()["linear"]
        statement = (
            f"A linear readout is right about {self.label} {abs(score.value):.2f} {'more' if score.value >= 0 else 'less'} "
            "often than about classes that mean nothing."
        )
        p = p_beyond(score) if score.value > 0 else 1.0
        return Hypothesis(statement, "linear", p, self.detectable, len(self.ids))

    def scores(self) -> dict[str, Score]:
        """The selectivity of each readout with its bootstrap interval over images; none where a class has under ten."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        values = self.per_image()
        ends = balanced_intervals(np.stack(list(values.values())), self.truth, seed=self.seed, units=self.units)
        scores = {}
        for (name, value), (low, high) in zip(values.items(), ends, strict=True):
            controls = {NOTHING: 0.0} | {control: value[name] for control, value in self.control_values.items()}
            scores[name] = Score(balanced_mean(value, self.truth), low, high, controls)
        return scores


@one_thread
def selectivity(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Selectivity:
    """Is it in the features, or did the readout only learn it by heart?

    Control task (Hewitt and Liang, arXiv 1909.03368): every kind of image gets a class at random, and the same readout is
    to tell these.  A kind is a cell of the table's other columns (numbers halved at their median).  It takes as many columns
    as leave ten images to a cell.  Without any, every image is its own kind.

    Scores, for a `linear` readout and a small network (`mlp`): accuracy on the label less that on the random classes,
    classes counted alike.  Controls: 0, and the selectivity of the `control_features` {name: Features, or (Features, fit
    Features)}.  Fit, interval and errors as for `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(160) % 2
        >>> x = 9 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(160, 2))
        >>> table = {"label": label, "day": np.arange(160) % 5}
        >>> sslviz.selectivity(sslviz.Features.from_array(x, table=table)).kind_columns
        ['day']

    Caveat: Meaningless labels of kinds that the features tell apart are learnt well too: low selectivity says that the
    readout is strong, not that the label is absent.
    """
    scored, fitted = scored_and_fitted(features, fit, label, seed=seed)
    names, codes = coded(_joined(scored, fitted), label)
    kind, columns = kinds(_joined(scored, fitted).table.drop(columns=[features.group], errors="ignore"), label)
    random_class = np.random.default_rng(seed).permutation(kind.max() + 1)[kind] % len(names)
    n = len(scored)

    def read(scored: Features, fitted: Features) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        task = _read(scored, fitted, codes[n:], codes[:n], seed)
        return task, _read(scored, fitted, random_class[n:], random_class[:n], seed)

    correct, control_task_correct = read(scored, fitted)
    controls = {name: read(*spaces) for name, *spaces in aligned_controls(control_features, scored, fitted)}
    truth = codes[:n]
    control_values = {
        name: {r: balanced_mean(task[r].astype(float) - control_task[r], truth) for r in READOUTS}
        for name, (task, control_task) in controls.items()
    }
    return Selectivity(
        label=label,
        classes=names,
        ids=scored.ids,
        truth=truth,
        correct=correct,
        control_task_correct=control_task_correct,
        control_values=control_values,
        n_kinds=int(kind.max()) + 1,
        kind_columns=columns,
        seed=seed,
        **pictures_of(scored, fitted),
    )


def kinds(table: pd.DataFrame, label: str) -> tuple[np.ndarray, list[str]]:
    """The kind of each image, a number (n,) of the cell of the table's other columns; and these columns."""
    cell, columns = np.zeros(len(table), int), list[str]()
    label_codes = pd.factorize(table[label])[0]
    for name in table.columns:
        column = table[name]
        if name == "split" or column.isna().any():
            continue
        if pd.api.types.is_numeric_dtype(column) and column.nunique() > 12:
            codes = (column > column.median()).to_numpy().astype(int)
        else:
            codes = pd.factorize(column)[0]
        finer = np.unique(cell * (codes.max() + 1) + codes, return_inverse=True)[1]
        enough = finer.max() > cell.max() and len(table) >= MIN_PER_KIND * (finer.max() + 1)
        if enough and not _determines(codes, label_codes):
            cell, columns = finer, [*columns, str(name)]
    return (cell, columns) if columns else (np.arange(len(table)), [])


def _determines(codes: np.ndarray, label: np.ndarray) -> bool:
    """Whether one column gives the other away."""
    return len(np.unique(codes * (label.max() + 1) + label)) == codes.max() + 1


def _joined(scored: Features, fitted: Features) -> Features:
    """The tables of both, one after the other, with features of nothing."""
    table = pd.concat([scored.table, fitted.table], join="inner", ignore_index=True)
    return Features(np.zeros((len(table), 1)), np.arange(len(table)), table)


def _read(scored: Features, fitted: Features, codes: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Whether each image is read rightly by each readout fitted to `codes`: {readout: (n,) bool}."""
    return {name: readout(fitted, codes, scored, seed=seed)[0] == truth for name, readout in READOUTS.items()}
