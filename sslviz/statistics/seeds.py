"""SeedSpread: a score over trainings that differ in nothing but the seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sslviz.statistics.intervals import t_interval
from sslviz.statistics.score import Score


@dataclass(frozen=True)
class SeedSpread:
    """How far does a score move when nothing but the seed changes?

    - score: the mean over seeds, with the 95 % interval of that mean (Student's t) from three seeds on, and the means of
      the controls
    - spread: standard deviation between seeds (n - 1); NaN of a single one
    - n: seeds that have the score

    The interval is one over seeds: what another training would give.  That of a single run is one over images.

    Example:
        >>> from sslviz.statistics import Score, SeedSpread
        >>> print(SeedSpread.of([Score(0.8), Score(0.82), Score(0.84)]))
        0.82 ± 0.02 over 3 seeds
    """

    score: Score
    spread: float
    n: int

    @classmethod
    def of(cls, scores: Iterable[Score]) -> SeedSpread:
        """The mean of these scores, one from each seed, and their spread; those that are not finite are left out."""
        known = [score for score in scores if np.isfinite(score.value)]
        values = np.array([score.value for score in known])
        if not len(values):
            return cls(Score.unknown("no seed has a score", {}), float("nan"), 0)
        low, high = t_interval(values) if len(values) > 2 else (None, None)  # of two it is wider than any plot
        shared = [name for name in known[0].controls if all(name in score.controls for score in known)]
        controls = {name: float(np.mean([score.controls[name] for score in known])) for name in shared}
        first = known[0]
        mean = Score(float(values.mean()), low, high, controls, first.higher_is_better, first.control_is)
        return cls(mean, float(values.std(ddof=1)) if len(values) > 1 else float("nan"), len(values))

    def __str__(self) -> str:
        spread = "" if np.isnan(self.spread) else f" ± {Score(self.spread).value_text}"
        return f"{self.score.value_text}{spread} over {self.n} seed{'s' * (self.n != 1)}"
