"""LowLabel: accuracies with few labels, over draws of which images are labelled, beside controls of the same draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted
from sslviz.features.columns import folds
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_intervals,
    balanced_mean,
    bootstrap_crossed_means,
    crossed_interval,
    group_sizes,
    low_of_perfect,
)
from sslviz.transfer.labels_to_match import Curve, LabelsToMatch, labels_to_match

# What a table shows.  One or two labels are a lottery, and with fifty a class encoders come together; ten of each of ten
# classes are a morning's labelling.
SHOWN = 10
ALL_LABELS, SCRATCH = "all labels", "from scratch"


@dataclass(frozen=True, eq=False)
class LowLabel(Fitted):
    """Result of `low_label`, of n scored images.

    - label: the column that was read
    - readout: "logistic" or "centroid"
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - n_fit: images that labels were drawn from
    - shots: labels a class, ascending, (s,)
    - correct: whether each image was read rightly, at each number of labels and in each draw, (s, draws, n) bool
    - correct_of_all: the same with all labels, (n,) bool
    - control_correct: {control: (s, draws, n) bool}, of the same draws
    - control_correct_of_all: {control: (n,) bool}
    - scratch: accuracies of training from scratch, {labels a class: (draws,)}; empty where none were given
    - penalties: the C of each readout, {"features" or control: {labels a class, or "all": C}}; empty for centroids
    - shared: share of the labels of one draw that another holds too, on average over pairs of draws, (s,)
    - left_out: {reason: images}, of shots that a class has too few images for
    - seed: of halves, draws, fits and resamples
    """

    label: str
    readout: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    n_fit: int
    shots: np.ndarray
    correct: np.ndarray
    correct_of_all: np.ndarray
    control_correct: dict[str, np.ndarray]
    control_correct_of_all: dict[str, np.ndarray]
    scratch: dict[str, np.ndarray]
    penalties: dict[str, dict[str, float]]
    shared: np.ndarray
    left_out: dict[str, int]
    seed: int

    @property
    def draws(self) -> int:
        """How often labels were drawn."""
        return self.correct.shape[1]

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks: 1 / number of classes among the scored images."""
        return 1 / len(np.unique(self.truth))

    @property
    def shown(self) -> int:
        """The labels a class whose score comes first: 10, or the most below that; else the fewest there are."""
        few = self.shots[self.shots <= SHOWN]
        return int(few[-1] if len(few) else self.shots[0])

    @cached_property
    def accuracy(self) -> np.ndarray:
        """The class-balanced accuracy at each number of labels and in each draw, (s, draws)."""
        return _accuracies(self.correct, self.truth)

    @cached_property
    def control_accuracy(self) -> dict[str, np.ndarray]:
        """{control: (s, draws)}."""
        return {name: _accuracies(correct, self.truth) for name, correct in self.control_correct.items()}

    def per_image(self) -> dict[str, np.ndarray]:
        """Whether each image was read rightly with all labels, the only score that rests on images alone: {score: (n,)}."""
        return {ALL_LABELS: self.correct_of_all.astype(float)}

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """Each score of few labels without one draw and one share of the images at a time: {score: (draws,)}.

        What a draw and what an image is worth both vary between replicates, so that their spread holds both.
        """
        if self.draws < 2:
            return {}
        group = folds(self.truth, self.draws, self.seed, self.units)
        without = []
        for r in range(self.draws):
            keep, others = group != r, np.arange(self.draws) != r
            without.append(_accuracies(self.correct[:, others][..., keep].mean(axis=1), self.truth[keep]))
        return {shots_said(k): np.array(values) for k, values in zip(self.shots, np.transpose(without), strict=True)}

    def labels_to_match(self, other: LowLabel | str, labels: int | None = None) -> LabelsToMatch:
        """How many labels does this encoder need to be as good as another with so many?

        - other: a result on the same images, the name of a control, or "from scratch"
        - labels: a class, given to the other; None: those whose score is shown first

        The interval resamples draws and images (of training from scratch, draws).  ValueError for another that is not
        there, other images, another label, and labels that the other was not tried with.
        """
        theirs = other._curve() if isinstance(other, LowLabel) else self._control_curve(other)
        if isinstance(other, LowLabel) and (other.label != self.label or set(other.ids) != set(self.ids)):
            raise ValueError("Labels are matched on one column of the same images; compute both results on these.")
        if labels is None:
            labels = self.shown if self.shown in theirs.shots else int(theirs.shots[-1])
        return labels_to_match(self._curve(), theirs, labels, self.seed)

    def scores(self) -> dict[str, Score]:
        """Accuracy at each number of labels and with all of them, classes counted alike, beside each control.

        First comes that of ten labels a class.  Intervals are over draws and images, with all labels over images; there is
        none for a single draw, or where a class has fewer than ten scored images.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {shots_said(k): self._score(i) for i, k in enumerate(self.shots)}
        scores[ALL_LABELS] = self._score_of_all()
        first = shots_said(self.shown)
        return {first: scores[first]} | scores

    @cached_property
    def _resampled(self) -> np.ndarray:
        return bootstrap_crossed_means(self.correct, self.truth, seed=self.seed, units=self.units)

    def _score(self, i: int) -> Score:
        value, low, high = float(self.accuracy[i].mean()), None, None
        if self.draws > 1 and self._counts.min() >= MIN_PER_CLASS:
            low, high = crossed_interval(self._resampled[:, i], self.accuracy[i])
            low = min(low, low_of_perfect(self._counts)) if value == 1 else low
        controls = {"chance": self.chance} | {k: float(v[i].mean()) for k, v in self.control_accuracy.items()}
        if (k := str(self.shots[i])) in self.scratch:
            controls[SCRATCH] = float(self.scratch[k].mean())
        return Score(value, low, high, controls)

    def _score_of_all(self) -> Score:
        value = balanced_mean(self.correct_of_all, self.truth)
        [(low, high)] = balanced_intervals(self.correct_of_all[None], self.truth, seed=self.seed, units=self.units)
        if value == 1 and low is not None:
            low = low_of_perfect(self._counts)
        controls = {name: balanced_mean(right, self.truth) for name, right in self.control_correct_of_all.items()}
        return Score(value, low, high, {"chance": self.chance} | controls)

    @property
    def _counts(self) -> np.ndarray:
        return group_sizes(self.truth, self.units)

    @property
    def _pairing(self) -> str:
        return f"{self.seed} {self.draws} {self.fitted_on} {self.scored_on}"

    def _curve(self) -> Curve:
        return Curve(self.shots, self.accuracy, self.correct, self.truth, self._pairing, self.units)

    def _control_curve(self, name: str) -> Curve:
        if name == SCRATCH and self.scratch:
            shots = sorted(self.scratch, key=int)
            draws = min(len(self.scratch[k]) for k in shots)
            return Curve(np.array(shots, int), np.array([self.scratch[k][:draws] for k in shots]))
        if name not in self.control_correct:
            have = ", ".join([*self.control_correct, *([SCRATCH] if self.scratch else [])]) or "none"
            raise ValueError(f"There is no control {name!r} to match; there are: {have}.")
        right = self.control_correct[name]
        return Curve(self.shots, self.control_accuracy[name], right, self.truth, self._pairing, self.units)


def shots_said(k: int) -> str:
    """The name of a score: "1 label a class"."""
    return f"{k} label{'' if k == 1 else 's'} a class"


def _accuracies(correct: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The class-balanced mean over the last axis."""
    return np.mean([correct[..., truth == c].mean(axis=-1) for c in np.unique(truth)], axis=0)
