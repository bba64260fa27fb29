"""FineTune: the result of `fine_tune`, answers of each arm on the same draws of labels and the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted, OfRun
from sslviz.statistics import (
    MIN_PER_CLASS,
    Score,
    balanced_mean,
    bootstrap_crossed_means,
    crossed_interval,
    group_sizes,
)

TUNED, FROZEN, SCRATCH, UNTRAINED, PIXELS = ARMS = ("fine-tuned", "frozen", "scratch", "untrained", "pixels")
NOTHING = "no gain"


@dataclass(frozen=True, eq=False)
class FineTune(OfRun, Fitted):
    """Result of `fine_tune`, of n scored images, s numbers of labels a class, and several draws of labelled images.

    - run: the run that the checkpoint comes from
    - label: the column that was learnt
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - shots: labels a class, (s,)
    - n_labels: images that were labelled, (s, draws)
    - arms: "fine-tuned", "frozen", "scratch", "untrained", "pixels"
    - predicted: indices into `classes`, (arms, s, draws, n)
    - rates: the learning rate that the labelled images chose, {arm: (s, draws)}, of the arms that descend
    - steps: of the optimiser in each of their fits
    - how, layer_decay, pull, interpolate, unfreeze: as `fine_tune` was asked
    - strength: of random crops and colours at the beginning and at the end; empty: none
    - left_out: {reason: images}
    - seed: of draws, fits and resamples
    """

    run: str
    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    shots: np.ndarray
    n_labels: np.ndarray
    arms: list[str]
    predicted: np.ndarray
    rates: dict[str, np.ndarray]
    steps: int
    how: str
    layer_decay: float
    pull: float
    interpolate: float
    unfreeze: str
    strength: list[float]
    left_out: dict[str, int]
    seed: int

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks: 1 / number of classes."""
        return 1 / len(self.classes)

    def correct(self, arm: str = TUNED) -> np.ndarray:
        """Whether each image was read rightly: (s, draws, n) bool."""
        return self.predicted[list(self.arms).index(arm)] == self.truth

    def curve(self, arm: str = SCRATCH) -> dict[int, np.ndarray]:
        """The accuracy of an arm, classes counted alike, by labels a class: {k: (draws,)}."""
        return {
            int(k): np.array([balanced_mean(draw, self.truth) for draw in of_draws])
            for k, of_draws in zip(self.shots, self.correct(arm), strict=True)
        }

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image adds to the scores, over the draws: {score: (n,)}."""
        return {name: values.mean(axis=0) for name, values in self._values.items()}

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def scores(self) -> dict[str, Score]:
        """For each number k of labels a class, with intervals over draws of labelled images and over images.

        - "accuracy at k": of the fine-tuned network, classes counted alike, beside all other arms and chance
        - "gain over frozen at k": what it has beyond the linear readout of the frozen encoder, draw by draw
        - "gain over scratch at k": what it has beyond the same network without any pretraining
        """
        return self._scores

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        """{score: (draws, n)}, whose class-balanced mean is the score."""
        right = {arm: self.correct(arm).astype(float) for arm in self.arms}
        named = {"accuracy": right[TUNED]}
        named |= {f"gain over {arm}": right[TUNED] - right[arm] for arm in (FROZEN, SCRATCH)}
        return {f"{name} at {k}": of[i] for name, of in named.items() for i, k in enumerate(self.shots)}

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for name, values in self._values.items():
            controls = {NOTHING: 0.0}
            if name.startswith("accuracy"):
                k = int(name.rpartition(" ")[2])
                controls = {"chance": self.chance}
                controls |= {arm: float(self.curve(arm)[k].mean()) for arm in self.arms if arm != TUNED}
            value, low, high = self.mean_of(values)
            scores[name] = Score(value, low, high, controls)
        return scores

    def by_shots(self, arm: str) -> list[Score]:
        """The accuracy of one arm at each number of labels, beside chance."""
        return [Score(*self.mean_of(of.astype(float)), {"chance": self.chance}) for of in self.correct(arm)]

    def mean_of(self, values: np.ndarray) -> tuple[float, float | None, float | None]:
        """The class-balanced mean of values (draws, n), and its 95 % interval over draws and images.

        None for a single draw, and where a class has fewer than ten scored images.
        """
        of_draws = np.array([balanced_mean(draw, self.truth) for draw in values])
        value = float(of_draws.mean())
        if len(values) < 2 or group_sizes(self.truth, self.units).min() < MIN_PER_CLASS:
            return value, None, None
        resampled = bootstrap_crossed_means(values[None], self.truth, seed=self.seed, units=self.units)[:, 0]
        return value, *crossed_interval(resampled, of_draws)
