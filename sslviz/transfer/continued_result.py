"""Continued: the result of `continued_pretraining`, what a readout gets right in another domain after each training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted, OfRun
from sslviz.statistics import Score, balanced_intervals, balanced_mean
from sslviz.transfer.target_streams import NONE, TRAINED_THERE

TARGET, SOURCE, SCRATCH = "continued on the target", "continued on the source", "from scratch on the target"
ONE_CLASS, CLASS_BY_CLASS = "continued, 85 % of one class", "continued, class by class"
ARMS = (NONE, TARGET, SOURCE, SCRATCH, ONE_CLASS, CLASS_BY_CLASS, TRAINED_THERE)
GAINS = {"gain": TARGET, "gain_label_shift": ONE_CLASS, "gain_class_sorted": CLASS_BY_CLASS}


@dataclass(frozen=True, eq=False)
class Continued(OfRun, Fitted):
    """Result of `continued_pretraining`, of n scored images of the target.

    - run: the run that the checkpoint comes from
    - method: by which it was pretrained, and trained on
    - label: the column that was read
    - classes: names of the classes that both domains show, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - correct: whether each is read rightly after each training, {arm: (n,) bool}; "none" is the checkpoint as it is
    - steps: of each training
    - rate: the learning rate, as a share of the method's own
    - n_fit: images of the source that readouts were fitted on
    - n_trained_on: images of the target that it was trained on, without labels
    - left_out: {reason: images}
    - seed: of halves, trainings, fits and resamples
    """

    run: str
    method: str
    label: str
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    correct: dict[str, np.ndarray]
    steps: int
    rate: float
    n_fit: int
    n_trained_on: int
    left_out: dict[str, int]
    seed: int

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose class-balanced mean is the score, for each image: {score: (n,)}."""
        right = {arm: of.astype(float) for arm, of in self.correct.items()}
        gains = {name: right[arm] - right[NONE] for name, arm in GAINS.items()}
        over = {"gain_over_source": right[TARGET] - right[SOURCE], "target_trained": right[TRAINED_THERE] - right[NONE]}
        return {"accuracy": right[TARGET]} | gains | over

    def level(self, arm: str) -> Score:
        """The accuracy of one arm, beside the checkpoint as it is."""
        return self._score(self.correct[arm].astype(float), {"no adaptation": self._accuracy(NONE)})

    def scores(self) -> dict[str, Score]:
        """What is won in the target by training on with its pictures?

        - accuracy: of a readout of the source after that, beside chance and the other trainings
        - gain: beyond the checkpoint as it is, on the same images
        - gain_label_shift, gain_class_sorted: the same where 85 % of the pictures trained on are of one class, and where
          they come class by class
        - gain_over_source: beyond as many steps on the source
        - target_trained: what a readout fitted on labels of the target would win, without any training on

        Bootstrap intervals over images, every class counting the same; none where a class has fewer than ten.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        without = self._accuracy(NONE)
        others = {arm: self._accuracy(arm) for arm in (SOURCE, SCRATCH)}
        gained = {"no adaptation": 0.0} | {arm: accuracy - without for arm, accuracy in others.items()}
        controls = dict.fromkeys(GAINS, gained) | {
            "accuracy": {"chance": 1 / len(self.classes), "no adaptation": without, **others}
        }
        return {
            name: self._score(values, controls.get(name, {"no gain": 0.0})) for name, values in self.per_image().items()
        }

    def _accuracy(self, arm: str) -> float:
        return balanced_mean(self.correct[arm], self.truth)

    def _score(self, values: np.ndarray, controls: dict[str, float]) -> Score:
        [(low, high)] = balanced_intervals(values[None], self.truth, seed=self.seed, units=self.units)
        return Score(balanced_mean(values, self.truth), low, high, controls)
