"""The result of `flips` and `flips_between`: decisions of a head before and after pictures were changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.diagnostics.result import Fitted
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_mean,
    bootstrap_balanced_mean,
    group_sizes,
    holm,
    p_beyond,
    percentile_interval,
)

ANOTHER = "another picture"


@dataclass(frozen=True, eq=False)
class Flips(Fitted):
    """Result of `flips` and `flips_between`, of n pictures, each changed in f ways.

    - label: the column that the head reads
    - classes: names of its classes, (c,)
    - factors: what was changed alone, (f,)
    - null: the change that means nothing, empty where there is none
    - ids: the pictures, (n,)
    - truth, predicted: their classes, true and as read, (n,)
    - new_truth, new_predicted: the same once they were changed, (f, n)
    - null_predicted: the classes read after the change that means nothing, (n,); empty without one
    - control_outcome: of each control, what `outcome` holds, {name: (f, n)}; NaN where it has none
    - control_correct: whether each control reads a picture rightly before any change, {name: (n,) bool}
    - n_fit: pictures that the head was fitted on
    - seed: of halves, fits and resamples
    - left_out: {reason: pictures} that were not changed
    - precision: in which the encoder made the features, where `flips` embedded them
    - example_at: factor and picture, as indices, of some whose decision flipped and should not have, (m, 2)
    - example_pixels: these pictures before and after, uint8 (m, 2, h, w, 3)
    """

    label: str
    classes: np.ndarray
    factors: list[str]
    null: str
    ids: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    new_truth: np.ndarray
    new_predicted: np.ndarray
    null_predicted: np.ndarray
    control_outcome: dict[str, np.ndarray]
    control_correct: dict[str, np.ndarray]
    n_fit: int
    seed: int
    left_out: dict[str, int] = field(default_factory=dict)
    precision: str = "fp32"
    example_at: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    example_pixels: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 1, 1, 3), np.uint8))

    @property
    def names(self) -> list[str]:
        """The scores of the factors, in their order: "follows shape" where the label changes, else "flipped by color"."""
        return [f"follows {f}" if own else f"flipped by {f}" for f, own in zip(self.factors, self.moves, strict=True)]

    @property
    def moves(self) -> np.ndarray:
        """Whether a change is one of the label itself, (f,) bool."""
        return (self.new_truth != self.truth).all(axis=1)

    @property
    def outcome(self) -> np.ndarray:
        """Whether the decision is another one after each change, or, where the label changed, the new one: (f, n) bool."""
        return outcome(self.predicted, self.new_predicted, self.truth, self.new_truth)

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose class-balanced mean is the score, for each picture: {score: (n,)}."""
        correct = {"accuracy": (self.predicted == self.truth).astype(float)}
        own = dict(zip(self.names, self.outcome.astype(float), strict=True))
        return {name: own[name] for name in sorted(own, key=lambda name: not name.startswith("follows"))} | correct

    def groups(self) -> np.ndarray:
        """The class that each picture counts for, before any change: (n,)."""
        return self.truth

    @property
    def causes(self) -> list[str]:
        """The factors beside the label that flip more decisions than the change that means nothing, by more than luck.

        Paired over pictures; at 5 % for all factors together (Holm).  Empty where nothing was changed that means nothing.
        """
        asked = np.flatnonzero(~self.moves)
        if not self.null or not len(asked) or not self._enough:
            return []
        by_luck = (self.null_predicted != self.predicted).astype(float)
        excess = self.outcome[asked].astype(float) - by_luck
        draws = bootstrap_balanced_mean(excess, self.truth, seed=self.seed, units=self.units)
        values = [balanced_mean(one, self.truth) for one in excess]
        tests = [Score(v, *percentile_interval(draws[:, i])) for i, v in enumerate(values)]
        p = holm(np.array([p_beyond(test) if test.value > 0 else 1.0 for test in tests]))
        return [self.factors[row] for row, one in zip(asked, p, strict=True) if one < 0.05]

    def scores(self) -> dict[str, Score]:
        """Does the decision follow the label, and nothing else?  Means over pictures, every class counting the same.

        - follows F: the share of decisions that move to the new value where the label itself was changed; 1 is wanted
        - flipped by F: the share of decisions that change although the label did not; 0 is wanted
        - accuracy: the share of pictures read rightly before any change

        Bootstrap intervals over pictures, from ten of each class on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        whole = np.stack(list(self.per_image().values()))
        draws = bootstrap_balanced_mean(whole, self.truth, seed=self.seed, units=self.units)
        scores = {}
        for i, (name, values) in enumerate(self.per_image().items()):
            value = balanced_mean(values, self.truth)
            low, high = self._interval(value, draws[:, i]) if self._enough else (None, None)
            if name == "accuracy":
                correct = {k: balanced_mean(v, self.truth) for k, v in self.control_correct.items()}
                scores[name] = Score(value, low, high, {"chance": 1 / len(np.unique(self.truth))} | correct)
                continue
            row = self.names.index(name)
            kind: Literal["floor", "ceiling"] = "floor" if self.moves[row] else "ceiling"
            scores[name] = Score(value, low, high, self._controls(row), kind == "floor", kind)
        return scores

    @property
    def _enough(self) -> bool:
        return bool(group_sizes(self.truth, self.units).min() >= MIN_PER_CLASS)

    def _interval(self, value: float, draws: np.ndarray) -> tuple[float, float]:
        low, high = percentile_interval(draws)
        hidden = float((3 / group_sizes(self.truth, self.units)).mean())  # what none seen may hide: 3 of n
        return (1 - hidden if value == 1 else low), (hidden if value == 0 else high)

    def _controls(self, row: int) -> dict[str, float]:
        """What the score of this factor reads without the change, for another picture, and in each control."""
        shares = np.array([balanced_mean(self.predicted == c, self.truth) for c in range(len(self.classes))])
        own = self.new_truth[row]
        if self.moves[row]:
            controls = {ANOTHER: balanced_mean(shares[own], self.truth)}
            unchanged = self.null_predicted == own if self.null else None
        else:
            controls = {ANOTHER: 1 - float((shares**2).sum())}
            unchanged = self.null_predicted != self.predicted if self.null else None
        if unchanged is not None:
            controls = {self.null: balanced_mean(unchanged, self.truth)} | controls
        others = {k: v[row] for k, v in self.control_outcome.items() if np.isfinite(v[row]).all()}
        return controls | {k: balanced_mean(v, self.truth) for k, v in others.items()}


def outcome(predicted: np.ndarray, after: np.ndarray, truth: np.ndarray, new_truth: np.ndarray) -> np.ndarray:
    """Whether decisions became the new label where it changed, or any other one where it did not: bool, as `after`."""
    return np.where(new_truth != truth, after == new_truth, after != predicted)
