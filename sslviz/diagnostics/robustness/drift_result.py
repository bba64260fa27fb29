"""What `drift` finds: which corrupted pictures are still read rightly, and how far their features moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from sslviz.diagnostics.result import Fitted
from sslviz.diagnostics.robustness.feature_steps import in_spreads, why_untold
from sslviz.statistics import Score, percentile_interval, resampled_times

SAME = "no corruption"


@dataclass(frozen=True, eq=False)
class Drift(Fitted):
    """Result of `drift`, of n pictures, c corruptions and s severities.

    - label: the column that is read
    - ids: the pictures, (n,)
    - corruptions: their names, (c,)
    - severities: in rising order, (s,)
    - moved: squared lengths of steps, (c, s, n)
    - spread: on average the squared distance of two pictures, (n,)
    - correct: whether a linear readout of pictures as they are still reads the label, (c, s, n) bool
    - clean: whether it reads the picture as it is, (n,) bool
    - control_values: {name: {"moved": (c, s) in units of the spread, "accuracy": (c, s), "clean": ()}}
    - seed: of the bootstrap
    - difference: how much of their squared length pictures do not share, None in results of an older sslviz
    - left_out: {reason: pictures} that were not corrupted, since the others told enough
    - control_pictures: what `control_values` are made of, {name: {"moved": (c, s, n) squared lengths, "correct": (c, s, n),
      "clean", "spread": (n,), "difference": ()}}; empty in results of an older sslviz
    """

    label: str
    ids: np.ndarray
    corruptions: list[str]
    severities: list[int]
    moved: np.ndarray
    spread: np.ndarray
    correct: np.ndarray
    clean: np.ndarray
    control_values: dict[str, dict[str, np.ndarray]]
    seed: int
    difference: float | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    control_pictures: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean is the score, for each picture: {score: (n,)}."""
        return {"accuracy_lost": self.clean - self.correct.mean(axis=(0, 1))}

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: `drift` without one tenth of the pictures at a time, for paired differences."""
        kept = (np.arange(len(self.ids)) % 10 != np.arange(10)[:, None]).astype(float)
        return {"drift": (kept @ self.moved.mean(axis=(0, 1))) / (kept @ self.spread)}

    def of_pictures(self, ids: np.ndarray) -> Drift:
        """The same of some of its pictures, in this order, as where another result was had of fewer.

        So are its controls; those of which an older sslviz kept no single pictures are left out.
        """
        at = pd.Index(self.ids).get_indexer(pd.Index(ids))
        controls = {
            name: {key: value[..., at] if value.ndim else value for key, value in seen.items()}
            for name, seen in self.control_pictures.items()
        }
        return replace(
            self,
            ids=self.ids[at],
            moved=self.moved[..., at],
            spread=self.spread[at],
            correct=self.correct[..., at],
            clean=self.clean[at],
            control_values=values_of_controls(controls),
            control_pictures=controls,
            units=None if self.units is None else self.units[at],
            scored_on="",  # which is of other pictures
        )

    @property
    def drift(self) -> np.ndarray:
        """How far each corruption moves a picture, in units of the squared distance of two, (c, s)."""
        return self.moved.mean(axis=2) / self.spread.mean()

    @property
    def accuracy(self) -> np.ndarray:
        """The share of pictures still read rightly, (c, s)."""
        return self.correct.mean(axis=2)

    def _times(self, n: int) -> np.ndarray:
        """How often each picture is in other samples of n, (1000, n)."""
        if self.units is None:
            return _times_drawn(n, self.seed)
        times = resampled_times(np.zeros(n), 1000, np.random.default_rng(self.seed), self.units)
        return times * (n / times.sum(axis=1, keepdims=True))

    def scores(self) -> dict[str, Score]:
        """`accuracy_lost` and `drift`, means over corruptions and severities, lower is better; and `relative_error`.

        `relative_error` is the mean over corruptions of the errors over those of a control (mCE): 1 is the control's own.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        n = len(self.ids)
        times = self._times(n)
        lost = self.per_image()["accuracy_lost"]
        moved = self.moved.mean(axis=(0, 1))
        low, high = percentile_interval(times @ lost / n)
        controls = {c: float(values["clean"] - values["accuracy"].mean()) for c, values in self.control_values.items()}
        scores = {"accuracy_lost": Score(float(lost.mean()), low, high, {SAME: 0.0} | controls, None)}
        low, high = percentile_interval(times @ moved / (times @ self.spread))
        controls = {name: float(values["moved"].mean()) for name, values in self.control_values.items()}
        controls = {"another picture": 1.0} | controls
        scores["drift"] = Score(float(self.drift.mean()), low, high, controls, None)
        if reason := why_untold(self.difference, moved, self.spread):
            scores["drift"] = Score.unknown(reason, controls)
        wrong = n - times @ self.correct.reshape(-1, n).T.astype(float)  # (b, c * s)
        wrong = wrong.reshape(len(times), *self.correct.shape[:2]).sum(axis=2) / n  # (b, c)
        for name, values in self.control_values.items():
            control_errors = np.maximum((1 - values["accuracy"]).sum(axis=1), 1 / n)
            low, high = percentile_interval((wrong / control_errors).mean(axis=1))
            value = float(((1 - self.accuracy).sum(axis=1) / control_errors).mean())
            scores[f"relative_error to {name}"] = Score(value, low, high, {name: 1.0}, False)
        return scores


def values_of_controls(pictures: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """What controls read of their pictures, as `Drift.control_values`."""
    return {
        name: {
            "moved": in_spreads(seen["moved"].mean(axis=2), seen["spread"], float(seen["difference"])),
            "accuracy": seen["correct"].mean(axis=2),
            "clean": np.array(seen["clean"].mean()),
        }
        for name, seen in pictures.items()
    }


@lru_cache(maxsize=8)
def _times_drawn(n: int, seed: int) -> np.ndarray:
    """How often each of n is in samples of n, (1000, n): the same for every encoder that was shown as many pictures."""
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=1000)
    times.flags.writeable = False
    return times
