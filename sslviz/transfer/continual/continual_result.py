"""The result of `continual`: what is right of each task after each training, and the numbers made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.diagnostics.result import Fitted
from sslviz.statistics import Score, balanced_intervals, balanced_mean, group_sizes
from sslviz.transfer.continual.accuracy_matrix import best_before_last

SEQUENCE, JOINT = "sequence", "joint"
FROZEN, UNTRAINED, PLAIN = "frozen encoder", "frozen untrained encoder", "plain sequence"


@dataclass(frozen=True, eq=False)
class Continual(Fitted):
    """Result of `continual`, of n scored pictures and T tasks learnt one after another in m ways.

    - run: what was trained on
    - label: the column that was learnt
    - tasks: the classes of each task, in the order of learning
    - how: the ways, (m,)
    - ids: the scored pictures, (n,)
    - truth: their classes, counted through all tasks, (n,)
    - right: whether each picture is read rightly by its task's own head after each task, {way: (T, n)}; NaN before the
      task has a head
    - refitted: the same by a head that is fitted again to the features as they are then, {way: (T, n) bool}
    - frozen, untrained: by heads on the checkpoint before any training, and on it with fresh random weights, (n,) bool
    - joint, joint_refitted: after all tasks were learnt together, (n,) bool
    - drift: CKA of the first task's features right after it with those after each task, {way: (T,)}
    - untrained_drift: the same CKA with the features of fresh random weights
    - steps: of training, for each task
    - seed: of halves, fits, batches and resamples
    - left_out: {reason: pictures}
    """

    run: str
    label: str
    tasks: list[list[str]]
    how: list[str]
    ids: np.ndarray
    truth: np.ndarray
    right: dict[str, np.ndarray]
    refitted: dict[str, np.ndarray]
    frozen: np.ndarray
    untrained: np.ndarray
    joint: np.ndarray
    joint_refitted: np.ndarray
    drift: dict[str, np.ndarray]
    untrained_drift: float
    steps: int
    seed: int
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def task(self) -> np.ndarray:
        """The task of each picture, (n,)."""
        return np.repeat(np.arange(len(self.tasks)), [len(task) for task in self.tasks])[self.truth]

    def of_tasks(self, right: np.ndarray) -> np.ndarray:
        """The accuracy on each task, its classes counting the same: (..., n) -> (..., T)."""
        rows = np.reshape(np.asarray(right, dtype=float), (-1, len(self.ids)))
        members = [self.task == t for t in range(len(self.tasks))]
        means = [[balanced_mean(row[member], self.truth[member]) for member in members] for row in rows]
        return np.reshape(means, (*np.shape(right)[:-1], len(self.tasks)))

    def matrix(self, way: str, *, refitted: bool = False) -> np.ndarray:
        """R (T, T): accuracy on task j (column) after training on task i (row), by own heads or by heads fitted again."""
        return self.of_tasks((self.refitted if refitted else self.right)[way])

    @property
    def chance(self) -> np.ndarray:
        """What a reader who never looks gets right of each task, who knows which task it is: (T,)."""
        return np.array([1 / len(task) for task in self.tasks])

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose class-balanced mean is the score, for each picture: {score: (n,)}."""
        return {name: values for name, values in self._values.items() if not name.endswith(" cka")}

    def groups(self) -> np.ndarray:
        """The class that each picture counts for: (n,)."""
        return self.truth

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        every, last = np.ones(len(self.tasks), bool), np.arange(len(self.tasks)) == len(self.tasks) - 1
        first = np.arange(len(self.tasks)) == 0
        values = {f"{way} accuracy": self._weight(every) * self.right[way][-1] for way in self.how}
        values[f"{JOINT} accuracy"] = self._weight(every) * self.joint
        for way in self.how:
            for name, right in (("forgetting", self.right[way]), ("lost_features", self.refitted[way])):
                best = self._after(right, np.append(best_before_last(self.of_tasks(right)), 0))
                values[f"{way} {name}"] = self._weight(~last) * (best - right[-1])
            since = self._after(self.right[way], np.arange(len(self.tasks)))
            values[f"{way} backward_transfer"] = self._weight(~last) * (self.right[way][-1] - since)
            ahead = self._after(self.refitted[way], np.arange(len(self.tasks)) - 1)
            values[f"{way} forward_transfer"] = self._weight(~first) * (ahead - self.frozen)
        return values

    def _weight(self, counted: np.ndarray) -> np.ndarray:
        """What makes the mean over classes one over the tasks counted (T,), each alike: (n,)."""
        sizes = np.array([len(task) for task in self.tasks])
        return (counted / sizes * sizes.sum() / counted.sum())[self.task]

    def _after(self, right: np.ndarray, stage: np.ndarray) -> np.ndarray:
        """What is right (T, n) after the stage that belongs to each picture's task (T,): (n,); 0 where not measured."""
        return np.nan_to_num(right[stage[self.task], np.arange(len(self.ids))].astype(float))

    def scores(self) -> dict[str, Score]:
        """What is left of the tasks?  For each way, beside the plain sequence and encoders that were never trained further.

        - accuracy: mean over all tasks after the last (ACC); also of training on all tasks jointly, the ceiling
        - forgetting: what the earlier tasks lost since they were done best, lower is better (arXiv 1801.10112)
        - lost_features: the same with heads fitted again; what is forgotten beyond that is only a head left behind
        - backward_transfer: what they gained since they were learnt (BWT, arXiv 1706.08840)
        - forward_transfer: by heads fitted again, what a task gains from those before it (FWT)
        - cka: how alike the first task's features are to those right after it, 1 where nothing moved

        Bootstrap intervals over pictures, from ten of each class on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        values = self.per_image()
        counts, every = group_sizes(self.truth, self.units), np.stack(list(values.values()))
        ends = dict(zip(values, balanced_intervals(every, self.truth, seed=self.seed, units=self.units), strict=True))
        means = {name: balanced_mean(one, self.truth) for name, one in values.items()}
        scores = {}
        for name, value in means.items():
            way, what = name.split()
            low, high = ends[name]
            if what == "accuracy" and value >= 1 and low is not None:
                low = 1 - float(np.mean(3 / counts))  # of a class without an error, 3 / n may hide (rule of three)
            plain = means.get(f"{SEQUENCE} {what}") if way != SEQUENCE and way != JOINT else None
            controls = ({} if plain is None else {PLAIN: plain}) | self._frozen_controls(what, plain is None)
            still = FROZEN in controls and what in ("forgetting", "lost_features", "backward_transfer")
            kind: Literal["floor", "ceiling"] = (
                "ceiling" if still else "floor"
            )  # none keeps more than what never learns
            scores[name] = Score(value, low, high, controls, what not in ("forgetting", "lost_features"), kind)
        beside = {"unrelated images": 0.0, "untrained": self.untrained_drift}
        for way in self.how:
            value = float(self.drift[way][-1])
            reason = "" if np.isfinite(value) else "all pictures of the first task have the same features"
            scores[f"{way} cka"] = Score(value, None, None, beside, None, reason=reason)
        return scores

    def _frozen_controls(self, what: str, alone: bool) -> dict[str, float]:
        """What encoders that are never trained further read: they forget nothing, and nothing carries over."""
        if what == "accuracy":
            return {
                FROZEN: float(self.of_tasks(self.frozen).mean()),
                UNTRAINED: float(self.of_tasks(self.untrained).mean()),
            }
        return {FROZEN: 0.0} if alone or what == "forward_transfer" else {}
