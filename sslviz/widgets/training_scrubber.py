"""Training scrubber: maps, spectra and scores of several trainings, moved through their steps by one slider."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.diagnostics.projection.layout_methods import LayoutMethod
from sslviz.evaluation.training_steps import TrainingSteps, steps_of_features, steps_of_runs
from sslviz.figures import score_bars, theme, training
from sslviz.figures.geometry import over_training
from sslviz.figures.geometry.spectrum import FLOOR, spectrum
from sslviz.figures.parts.score_bars import scale
from sslviz.figures.projection.projection import projection
from sslviz.runs import Run
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.explorer import Explorer
from sslviz.widgets.parts.given import as_images, named_features
from sslviz.widgets.parts.html import note
from sslviz.widgets.parts.live_figure import LiveFigure
from sslviz.widgets.parts.passing_progress import passing_progress

GIVEN = "training"  # what a training is called of which only features are at hand


def scrub_training(
    runs: Any,
    images: Images | np.ndarray | None = None,
    *,
    color: str | None = "label",
    method: LayoutMethod = "pca",
) -> TrainingScrubber:
    """How did these features come to be?

    - runs: a Run; {step: Features, arrays (n, d) or checkpoints} of the same pictures; or {name: either of these}
    - images: of runs, the pictures that every checkpoint is embedded on, which is kept in the run folder; by default those
      they were diagnosed on.  Of arrays and checkpoints, their pictures
    - color: the column by which points are coloured; None, or a column that is not there: by training
    - method: of the maps, as for `aligned_projections`

    A slider over the stored steps, and a button that plays them.  At each step: maps laid over those before, each above
    its null map; spectra beside noise; scores with intervals and controls; and a mark in the curves of the training.
    Where a training has no checkpoint at a step, the one before it is shown.  One line says what is not stored.
    ValueError for runs without images in common, and for steps of different pictures.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(60, 8))
        >>> scrubber = sslviz.scrub_training({0: x, 100: x * 2 ** -np.arange(8.0)})
        >>> scrubber.step.value = 0

    Caveat: Between two checkpoints nothing is known; distances between clusters on a map mean nothing.
    """
    pictures = None if images is None else as_images(images)
    given = runs if isinstance(runs, Mapping) else {runs.name: runs} if isinstance(runs, Run) else {}
    if not given:
        raise ValueError(f"A training is a Run or {{step: features}}, or {{name: either}}; got {type(runs).__name__}.")
    if all(isinstance(key, int | np.integer) for key in given):
        given = {GIVEN: given}
    of_runs = {str(name): one for name, one in given.items() if isinstance(one, Run)}
    found: dict[str, TrainingSteps] = {}
    if of_runs:
        with passing_progress():
            found = steps_of_runs(of_runs, pictures)
    for name, one in given.items():
        if not isinstance(one, Run):
            features = named_features(one, pictures)
            found[str(name)] = steps_of_features(str(name), {int(step): x for step, x in features.items()})
    return TrainingScrubber({str(name): found[str(name)] for name in given}, color, method)


class TrainingScrubber(Explorer):
    """The explorer that `scrub_training` opens.

    - step: the slider
    - player: the button that moves it
    - maps, spectra, scores, curves: the figures
    """

    def __init__(self, trainings: Mapping[str, TrainingSteps], color: str | None, method: LayoutMethod) -> None:
        self._trainings, self._palette = trainings, theme.colors(trainings)
        steps = sorted(set().union(*(one.evidences for one in trainings.values())))
        table = next(iter(trainings.values())).table
        self._color: pd.Series | None = table[color] if color in table else None
        self._maps = {name: one.maps(method) for name, one in trainings.items()}
        # Of every step, because all steps share their scales; runs keep the answers in their folders.
        self._spectra = {name: {s: one.answer("spectrum", s) for s in one.evidences} for name, one in trainings.items()}
        self._scores = {name: {s: one.scores(s) for s in one.evidences} for name, one in trainings.items()}
        self._range = self._spectrum_range()
        self.step = controls.steps("Training step", [(f"{step:,}", step) for step in steps], steps[-1])
        self.player = controls.player(self.step)
        self.maps, self.spectra, self.scores, self.curves = map(LiveFigure, self._figures())
        super().__init__(lambda: [live.figure for live in self._all()])
        self.connect([self.step], self._draw)
        missing = ". ".join(one.missing for one in trainings.values() if one.missing)
        self.show(
            controls.row(self.player, self.step),
            controls.caption(note(escape(f"{missing}{'.' * bool(missing)}"))),
            controls.figures(self.maps.box, self.scores.box, self.spectra.box, self.curves.box),
        )

    def _all(self) -> list[LiveFigure]:
        return [self.maps, self.spectra, self.scores, self.curves]

    def _spectrum_range(self) -> list[float]:
        """The ends of the axis on which all steps' spectra are drawn, as powers of ten."""
        drawn = [spectrum({str(step): one}) for by_step in self._spectra.values() for step, one in by_step.items()]
        values = np.concatenate([np.asarray(trace.y, float) for figure in drawn for trace in figure.data])
        top = values.max()
        low = values[values > FLOOR * top].min()  # below it is rounding
        return [float(np.log10(low)) - 0.2, float(np.log10(top)) + 0.2]

    def _draw(self) -> None:
        for live, figure in zip(self._all(), self._figures(), strict=True):
            live.show(figure)

    def _figures(self) -> list[go.Figure]:
        """All figures at this step."""
        at = {name: one.until(self.step.value) for name, one in self._trainings.items()}
        titles = {name: f"{name}, step {step:,}" for name, step in at.items()}
        colors = {titles[name]: color for name, color in self._palette.items()}
        maps = {titles[name]: self._maps[name][step] for name, step in at.items()}
        along = {titles[name]: list(self._maps[name].values()) for name in at}
        spectra = spectrum({titles[name]: self._spectra[name][step] for name, step in at.items()}, colors=colors)
        return [
            projection(maps, color=self._color, colors=colors, along=along),
            spectra.update_yaxes(range=self._range),
            score_bars(
                {titles[name]: self._scores[name][step] for name, step in at.items()},
                colors=colors,
                scales=self._scales(),
            ),
            self._curves(),
        ]

    def _scales(self) -> dict[str, tuple[float, float]]:
        """One scale for each score, whatever the step."""
        every = [scores for by_step in self._scores.values() for scores in by_step.values()]
        names = dict.fromkeys(name for scores in every for name in scores)
        return {name: scale(name, [scores[name] for scores in every if name in scores]) for name in names}

    def _curves(self) -> go.Figure:
        """The history of the trainings that have one, or else the last score; a mark where the slider stands."""
        step = self.step.value
        epochs = {name: one.epoch(step) for name, one in self._trainings.items()}
        at = {name: epoch for name, epoch in epochs.items() if epoch is not None}
        runs = {name: one.run for name, one in self._trainings.items()}
        histories = {name: run.history for name, run in runs.items() if run is not None and name in at}
        if histories:
            return training(histories, colors=self._palette, at=at)
        *_, last = self._scales()  # the readout, where there are labels
        results = {
            name: {one: scores[last] for one, scores in by_step.items() if last in scores}
            for name, by_step in self._scores.items()
        }
        return over_training.scores(results, name=last, colors=self._palette, at=dict.fromkeys(results, step))
