"""What `segmentation` counts: which pixels were taken for which class, and the overlaps that follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted, OfRun
from sslviz.explanations.mean_interval import FEWEST_IMAGES
from sslviz.statistics import Score, delete_groups, percentile_interval
from sslviz.transfer.dense.confusion import mean_overlap, overlap_draws, overlaps

MOST_CLASSES = 12  # that have a score of their own; `overlap_of` has all


@dataclass(frozen=True, eq=False)
class Segmentation(OfRun, Fitted):
    """Result of `segmentation`, of n scored pictures and c classes.

    - run: the run it comes from
    - readout: what reads the tokens
    - layer: whose tokens they are; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - classes: names of the masks, (c,)
    - ids: of the scored pictures, (n,)
    - counts: pixels of each class that were taken for each, int32 (n, true class, predicted class)
    - ceiling_counts: the same, where every patch is the class that most of it is
    - control_counts: the same of controls, all pictures together, {control: (c, c)}
    - shown: pictures that the figure shows, the worst first, indices into `ids` (k,)
    - pictures, truth, predicted, untrained: of these, uint8 (k, h, w, 3) and classes of pixels int16 (k, h, w), -1: unknown
    - left_out: {reason: images}
    - seed: of halves, fits and resamples
    - precision: in which the encoder computed the tokens
    """

    run: str
    readout: str
    layer: str
    grid: tuple[int, int]
    classes: list[str]
    ids: np.ndarray
    counts: np.ndarray
    ceiling_counts: np.ndarray
    control_counts: dict[str, np.ndarray]
    shown: np.ndarray
    pictures: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    untrained: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    precision: str = "fp32"

    @property
    def ceiling(self) -> float:
        """The mean overlap where every patch is the class that most of it is."""
        return float(mean_overlap(self.ceiling_counts.sum(0)))

    @cached_property
    def overlap_of(self) -> dict[str, float]:
        """{class: intersection over union} over all pictures; NaN for one neither there nor predicted."""
        return dict(zip(self.classes, overlaps(self.counts.sum(0)).tolist(), strict=True))

    def of_pictures(self) -> np.ndarray:
        """The mean overlap within each picture (n,); the score is not their mean, for classes are rare in some."""
        return mean_overlap(self.counts)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: the score without each tenth of the pictures}."""
        groups = delete_groups(len(self.ids), seed=self.seed, units=self.units)
        kept = [groups != group for group in np.unique(groups)] if groups.any() else []
        return {"miou": np.array([float(mean_overlap(self.counts[keep].sum(0))) for keep in kept])}

    def scores(self) -> dict[str, Score]:
        """How well do predicted and true regions overlap?

        - miou: intersection over union, the mean over classes; all pixels of all pictures are counted together
        - of_ceiling: the same as a share of what this grid could show, if every patch were the class that most of it is
        - iou CLASS: of each class by itself

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        totals = {control: overlaps(counts) for control, counts in self.control_counts.items()}
        means = {control: float(mean_overlap(counts)) for control, counts in self.control_counts.items()}
        own = float(mean_overlap(self.counts.sum(0)))
        draws = ceilings = None
        if (len(self.ids) if self.units is None else len(np.unique(self.units))) >= FEWEST_IMAGES:
            both = (self.counts, self.ceiling_counts)
            draws, ceilings = (overlap_draws(counts, self.seed, self.units) for counts in both)
        mean_draws = None if draws is None else np.nanmean(draws, axis=1)
        ratio_draws = None if ceilings is None else mean_draws / np.nanmean(ceilings, axis=1)
        scores = {
            "miou": _score(own, mean_draws, means),
            "of_ceiling": _score(
                own / self.ceiling, ratio_draws, {name: value / self.ceiling for name, value in means.items()}
            ),
        }
        for i, (name, value) in enumerate([*self.overlap_of.items()][:MOST_CLASSES]):
            controls = {control: float(each[i]) for control, each in totals.items()}
            scores[f"iou {name}"] = _score(value, None if draws is None else draws[:, i], controls)
        return scores


def _score(value: float, draws: np.ndarray | None, controls: dict[str, float]) -> Score:
    if not np.isfinite(value):
        return Score.unknown("no picture shows this class, and none was said to", dict.fromkeys(controls, 0.0), True)
    controls = {name: one if np.isfinite(one) else 0.0 for name, one in controls.items()}
    finite = np.empty(0) if draws is None else draws[np.isfinite(draws)]  # a rare class is in some draws only
    low, high = percentile_interval(finite) if len(finite) else (None, None)
    return Score(float(value), low, high, controls)
