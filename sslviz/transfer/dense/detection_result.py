"""What `detection` finds: boxes, which of them are right, and the average precision that follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import Fitted, OfRun
from sslviz.explanations.mean_interval import FEWEST_IMAGES
from sslviz.statistics import Score, delete_groups, percentile_interval
from sslviz.transfer.dense.average_precision import Matches, average_precisions, precision_draws, without_truth
from sslviz.transfer.dense.box_truth import agreement, surest_threshold


@dataclass(frozen=True, eq=False)
class Detection(OfRun, Fitted):
    """Result of `detection`, of n scored pictures and c classes.

    - run: the run it comes from
    - layer: whose tokens they are; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - classes: of the boxes, those that were fitted or are true, (c,)
    - ids: of the scored pictures, (n,)
    - found: boxes x0 y0 x1 y1 in pixels, (m, 4)
    - found_of, found_class: the picture of each, an index into `ids`, and its class, (m,)
    - confidence: how sure each is, 0 to 1, (m,)
    - right: whether each is right from an overlap of .5, .55, ... .95 on, bool (m, 10)
    - true_boxes, true_of, true_class: the same of true ones
    - true_counts: how many there are of each class in each picture, int (n, c)
    - control_precision: average precision of controls, by class and overlap, {control: (c, 10)}
    - ceiling_precision: of the true boxes themselves, as far as this grid can say them, (c, 10)
    - untrained_found, untrained_of: boxes of the encoder untrained in the pictures that are shown
    - shown: pictures that the figure shows, the worst first, indices into `ids` (k,)
    - pictures: of these, uint8 (k, h, w, 3)
    - size: height and width in pixels of the pictures that boxes are of
    - steps: that each head was fitted for
    - seed: of halves, fits and resamples
    - left_out: {reason: pictures}
    - precision: in which the encoder computed the tokens
    """

    run: str
    layer: str
    grid: tuple[int, int]
    classes: list[str]
    ids: np.ndarray
    found: np.ndarray
    found_of: np.ndarray
    found_class: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    true_boxes: np.ndarray
    true_of: np.ndarray
    true_class: np.ndarray
    true_counts: np.ndarray
    control_precision: dict[str, np.ndarray]
    ceiling_precision: np.ndarray
    untrained_found: np.ndarray
    untrained_of: np.ndarray
    shown: np.ndarray
    pictures: np.ndarray
    size: tuple[int, int]
    steps: int
    seed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    precision: str = "fp32"

    @property
    def matches(self) -> Matches:
        """Its boxes as `average_precisions` takes them."""
        return Matches(self.found_of, self.found_class, self.confidence, self.right, self.true_counts)

    @cached_property
    def shown_from(self) -> float:
        """How sure a box is that the figure shows: from where on found and true boxes agree best."""
        return surest_threshold(self.found_class, self.confidence, self.right[:, 0], self.true_counts.sum(0))

    @cached_property
    def class_precision(self) -> np.ndarray:
        """The average precision of each class at each overlap, (c, 10); NaN for a class that no picture shows."""
        return average_precisions(self.matches)

    @property
    def ap50_of(self) -> dict[str, float]:
        """{class: average precision at an overlap of a half}; NaN for a class that no picture shows."""
        return dict(zip(self.classes, self.class_precision[:, 0].tolist(), strict=True))

    @property
    def without_truth(self) -> dict[str, int]:
        """{class: boxes found of it}, of classes that no scored picture shows: they count nothing."""
        counts = without_truth(self.matches)
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True) if count}

    def of_pictures(self) -> np.ndarray:
        """How well shown and true boxes of each picture agree, F1 (n,); the score is not their mean."""
        sure = self.confidence >= self.shown_from
        return agreement(self.found_of[sure], self.right[sure, 0], self.true_counts)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: the score without each tenth of the pictures}."""
        groups = delete_groups(len(self.ids), seed=self.seed, units=self.units)
        kept = [groups != group for group in np.unique(groups)] if groups.any() else []
        each = average_precisions(self.matches, np.array(kept, dtype=int).reshape(-1, len(self.ids)))
        return {"ap50": _mean(each[..., :1]), "ap": _mean(each)}

    def scores(self) -> dict[str, Score]:
        """How many objects are found, and how few others?

        - ap50: average precision, the mean over classes, of boxes that overlap by half or more
        - ap: the mean of this over overlaps of .5, .55, ... .95, as COCO says it: it asks for exact edges

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        draws = precision_draws(self.matches, self.seed) if len(self.ids) >= FEWEST_IMAGES else None
        scores = {}
        for name, overlaps in (("ap50", slice(0, 1)), ("ap", slice(None))):
            controls = {control: float(_mean(each[:, overlaps])) for control, each in self.control_precision.items()}
            low, high = (None, None) if draws is None else percentile_interval(_known(_mean(draws[..., overlaps])))
            scores[name] = Score(float(_mean(self.class_precision[:, overlaps])), low, high, controls)
        return scores


def _mean(precision: np.ndarray) -> np.ndarray:
    """The mean (...,) over classes that are there and overlaps, of (..., c, t); NaN where no class is there."""
    there = np.isfinite(precision)
    total = np.where(there, precision, 0).sum((-2, -1))
    return np.divide(total, there.sum((-2, -1)), out=np.full(total.shape, np.nan), where=there.any((-2, -1)))


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]  # of few pictures, some draws have no object at all
