"""Adaptation: what a readout wins in another domain by adapting features without labels, and what it loses by that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.result import Fitted
from sslviz.features import Features
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_intervals, balanced_mean
from sslviz.transfer.target_streams import NONE, STREAMS, TRAINED_THERE, read_streams, target_streams
from sslviz.transfer.two_domains import Space, two_domains

HOW = (NONE, "statistics", "coral", "tent")


@dataclass(frozen=True, eq=False)
class Adaptation(Fitted):
    """Result of `adaptation`, of n images of the target, in three streams.

    - label: the column that was read
    - classes: names of the classes that both domains show, (c,)
    - how: the ways to adapt, "none" first
    - ids: the images of the balanced stream, which also come sorted by class, (n,)
    - truth: index into `classes`, (n,)
    - correct: whether each is read, {stream: {way, or "head fitted on the target": bool}}; (n,), with label shift (r,)
    - majority: the class that 85 % of the images have, of each image of the streams with label shift, (r,)
    - histogram: entropy of how often each class is answered, 0 to 1, {stream: {way: value}}
    - control_values: {control: {score: value}}
    - n_fit: images of the source that the head was fitted on
    - left_out: {reason: images} that were not looked at
    - seed: of halves, fits, streams and resamples
    - shift_units: which images of the streams with label shift belong together, (r,), as `units` says of the balanced one
    """

    label: str
    classes: np.ndarray
    how: list[str]
    ids: np.ndarray
    truth: np.ndarray
    correct: dict[str, dict[str, np.ndarray]]
    majority: np.ndarray
    histogram: dict[str, dict[str, float]]
    control_values: dict[str, dict[str, float]]
    n_fit: int
    left_out: dict[str, int]
    seed: int
    shift_units: np.ndarray | None = None

    def groups(self) -> np.ndarray:
        """The class that each image counts for: (n,)."""
        return self.truth

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image of the target adds to a gain, {score: (n,)}; streams with label shift hold other images."""
        return {
            _name(way, stream): self.correct[stream][way].astype(float) - self.correct[stream][NONE]
            for stream in ("balanced", "class_sorted")
            for way in self.ways
        }

    @property
    def ways(self) -> list[str]:
        """The ways to adapt, without "none"."""
        return [way for way in self.how if way != NONE]

    def alarms(self, least: float = 0.1) -> list[str]:
        """Ways and streams in which the entropy of the answers' histogram falls by `least`: fewer and fewer classes are said.

        It needs no labels, so that it can be watched wherever a readout is adapted.
        """
        return [
            _name(way, stream)
            for stream, found in self.histogram.items()
            for way in self.ways
            if found[way] < found[NONE] - least
        ]

    def levels(self) -> dict[str, dict[str, Score]]:
        """{stream: {way, or "head fitted on the target": accuracy}}, beside no adaptation."""
        return {
            stream: {
                way: self._score(stream, right, None, {NONE: self._accuracy(stream, NONE)}) for way, right in of.items()
            }
            for stream, of in self.correct.items()
        }

    def scores(self) -> dict[str, Score]:
        """What is won by each way to adapt, in each stream, and by a head fitted on the target, all beside no adaptation.

        - statistics, coral, tent: in a balanced stream
        - ..._label_shift: where 85 % of the images are of one class, each class in turn (ten at most)
        - ..._class_sorted: where the images come class by class and are adapted 128 at a time
        - target_trained: by a head fitted on the other half of the target, in the balanced stream
        - ..._histogram: entropy of how often each class is answered in the balanced stream; near 0 all answers are one

        Gains are paired over the same images.  Intervals are bootstraps over images, every class counting the same; none
        where a class has fewer than ten.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for stream in STREAMS:
            for way in self.ways:
                scores[_name(way, stream)] = self._gain(_name(way, stream), stream, way)
        scores["target_trained"] = self._gain("target_trained", "balanced", TRAINED_THERE)
        for way in self.ways:
            controls = {"no adaptation": self.histogram["balanced"][NONE]} | self._controls(f"{way}_histogram")
            scores[f"{way}_histogram"] = Score(self.histogram["balanced"][way], None, None, controls, None)
        return scores

    def _gain(self, name: str, stream: str, way: str) -> Score:
        right = self.correct[stream]
        return self._score(stream, right[way], right[NONE], {"no adaptation": 0.0} | self._controls(name))

    def _controls(self, name: str) -> dict[str, float]:
        return {control: values[name] for control, values in self.control_values.items()}

    def _groups(self, stream: str) -> np.ndarray:
        return self.majority if stream == "label_shift" else self.truth

    def _accuracy(self, stream: str, way: str) -> float:
        return balanced_mean(self.correct[stream][way], self._groups(stream))

    def _score(
        self, stream: str, right: np.ndarray, without: np.ndarray | None, controls: Mapping[str, float]
    ) -> Score:
        values = right.astype(float) - (0 if without is None else without)
        groups, units = self._groups(stream), self.shift_units if stream == "label_shift" else self.units
        [(low, high)] = balanced_intervals(values[None], groups, seed=self.seed, units=units)
        return Score(balanced_mean(values, groups), low, high, controls)


@one_thread
def adaptation(
    features: Features,
    target: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    how: Sequence[str] = HOW,
    control_features: ControlFeatures | None = None,
    target_controls: Mapping[str, Features] | None = None,
    seed: int = 0,
) -> Adaptation:
    """Can a readout be carried to another domain without labels there?

    The linear readout of `linear_probe` is fitted on `fit`, or on a stratified half of `features`, and stays.  It reads one
    half of `target`, of other images by the same encoder with the same column `label`.  Images that share the `group` of the
    features stay on one side of every split, those of the target too where its table has that column.

    - statistics: each column gets the source's mean and variance (AdaBN, arXiv 1603.04779, on features).
    - coral: the covariance becomes the source's (arXiv 1511.05547; ridge 1 in standardised columns).
    - tent: as statistics, in batches of 200, with a scale and a shift a column that lower the entropy of the answers, one
      step of Adam at 1e-3 a batch (arXiv 2006.10726).

    Every one of them takes for granted that the classes are as frequent as at home.  So each is measured on a balanced
    target, under label shift (85 % of the images are of one class), and where images come class by class, 128 at a time.
    What an adaptation does in the last two is what it costs where that does not hold.

    Controls: no adaptation; and the gains in `control_features` {name: Features, or (Features, fit Features)} that
    `target_controls` {name: Features} has too.  A head fitted on the other half of the target says what could be won.
    Images left out and errors as for `shift`; ValueError for another way.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(400) % 2
        >>> x = 6 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(400, 2))
        >>> here, there = (sslviz.Features.from_array(x + by, table={"label": label}) for by in ([0, 0], [9, 0]))
        >>> scores = sslviz.adaptation(here, there).scores()
        >>> print(f"{scores['statistics'].value:.1f} {scores['statistics_class_sorted'].value < 0.1}")
        0.5 True

    Caveat: A gain on a balanced target is no promise: where classes come in other shares than at home, the same adaptation
    can cost more than the shift itself.
    """
    if unknown := [way for way in how if way not in HOW]:
        raise ValueError(f"There is no adaptation {unknown[0]!r}; possible are: {', '.join(HOW)}.")
    ways = list(dict.fromkeys([NONE, *how]))
    two = two_domains(features, target, label, fit, seed)
    truth = two.codes(two.space.target_scored)
    streams = target_streams(truth, seed)
    balanced = streams["balanced"][0]

    units, shifted = two.space.target_scored.units, np.concatenate(streams["label_shift"])

    def read(space: Space) -> Adaptation:
        correct, histogram = read_streams(two, space, streams, ways, seed)
        return Adaptation(
            label=label,
            classes=two.classes,
            how=ways,
            ids=space.target_scored.ids[balanced],
            truth=truth[balanced],
            correct=correct,
            majority=np.repeat(np.arange(len(streams["label_shift"])), [*map(len, streams["label_shift"])]),
            histogram=histogram,
            control_values={},
            n_fit=len(space.fitted),
            left_out=two.left_out,
            seed=seed,
            scored_on=target.pictures,
            fitted_on=two.space.fitted.pictures,
            group_column=features.group,
            units=None if units is None else units[balanced],
            shift_units=None if units is None else units[shifted],
        )

    controls = {name: read(space).scores() for name, space in two.controls(control_features, target_controls)}
    values = {name: {score: one.value for score, one in scores.items()} for name, scores in controls.items()}
    return replace(read(two.space), control_values=values)


def _name(way: str, stream: str) -> str:
    return way if stream == "balanced" else f"{way}_{stream}"
