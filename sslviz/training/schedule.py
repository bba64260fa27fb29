"""The schedule of a run: its steps, which epoch each belongs to, and the learning rate of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_UP = 0.05  # of all steps: long enough for Adam's second moments to settle


@dataclass(frozen=True)
class Schedule:
    """The steps of a run, counted from 0, and its epochs, counted from 1.

    - epoch_steps: steps of a whole epoch
    - total: steps of the run; the last epoch has what is left, and may be shorter
    - peak: the learning rate at the end of the warm-up
    """

    epoch_steps: int
    total: int
    peak: float

    @property
    def epochs(self) -> int:
        """How many epochs are begun."""
        return math.ceil(self.total / self.epoch_steps)

    def steps(self, epoch: int) -> range:
        """The steps of one epoch."""
        return range((epoch - 1) * self.epoch_steps, min(epoch * self.epoch_steps, self.total))

    def progress(self, step: int) -> float:
        """The share of the run that is done before this step."""
        return step / self.total

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero."""
        warm_up = max(1, round(WARM_UP * self.total))
        if step < warm_up:
            return self.peak * (step + 1) / warm_up
        return self.peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, self.total - warm_up)))
