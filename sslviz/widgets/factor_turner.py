"""Factor turner: a slider over the values of one factor of a picture, and what an encoder makes of each."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.features.evidence import TRAINED, UNTRAINED
from sslviz.figures import score_bars, theme
from sslviz.figures.bias.counterfactual import counterfactual
from sslviz.figures.explanations.turned_answer import turned_answer
from sslviz.runs import Checkpoint, Run
from sslviz.widgets.factor_turns import EDGES, SHARE, FactorTurns
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.explorer import Explorer
from sslviz.widgets.parts.given import as_checkpoint
from sslviz.widgets.parts.live_figure import LiveFigure

UNIT = (0.0, 1.0)  # of a probability


def turn_factor(
    checkpoint: Run | Checkpoint,
    images: Images,
    factor: str,
    *,
    label: str = "label",
    method: str = "feature_ablation",
) -> FactorTurner:
    """What would the encoder say, had one factor of the picture been different?

    - checkpoint: a Checkpoint, or a Run, whose last one is taken
    - images: as a world here draws them (`shapes`, `tagged_shapes`, `textured`, `randbit`); 40 of those scored are turned
    - factor: which factor the slider turns
    - label: the column that the readout tells, a linear probe fitted to the other images
    - method: of the attribution map, a key of ATTRIBUTION_METHODS

    At each value it shows the picture as drawn and turned, and how far the features move, beside every other factor
    changed alone.  It shows what the readout answers, beside chance and the encoder untrained.  And it shows where that
    answer comes from, and how much of it lies on the object, beside the untrained encoder's map and the picture's
    edges.  Everything but the factor stays as it was, noise included.  ValueError for images that no world here drew,
    and for unknown factors, labels and methods.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None, 1)
        >>> turner = sslviz.turn_factor(checkpoint, sslviz.shapes(n=200), "color")
        >>> turner.value.value = "blue"

    Caveat: A factor is turned as far as its world goes, which may be further than it differs in other images.
    """
    trained = as_checkpoint(checkpoint)
    name = f"{trained.run}, this one" if trained.run in (UNTRAINED, EDGES) else trained.run  # beside its controls
    return FactorTurner(name, FactorTurns.of(trained, images, factor, label), method)


class FactorTurner(Explorer):
    """The explorer that `turn_factor` opens.

    - picture: which picture is seen
    - value: the slider; `player` moves it
    - turns: the pictures and all that is known of them
    - answer, effect, sureness: the figures
    """

    def __init__(self, name: str, turns: FactorTurns, method: str) -> None:
        self.name, self.turns, self._method = name, turns, method
        self._colors = theme.colors([name])
        pictures = [(str(id_), row) for row, id_ in enumerate(turns.images.ids)]
        self.picture = controls.choice("Picture", pictures, 0)
        values = [(_in_words(value), value) for value in turns.values]
        self.value = controls.steps(turns.factor.capitalize(), values, self._unlike())
        self.player = controls.player(self.value)
        self.answer, self.effect, self.sureness = map(LiveFigure, self._figures())
        self.words = controls.caption(self._sentences())
        super().__init__(lambda: [live.figure for live in self._all()])
        self.connect([self.picture, self.value], self._draw)
        self.show(
            controls.row(self.picture, self.value, self.player),
            self.words,
            controls.figures(self.answer.box, self.sureness.box, self.effect.box),
        )

    def _all(self) -> list[LiveFigure]:
        return [self.answer, self.effect, self.sureness]

    def _unlike(self) -> Any:
        """The value that is least like the first picture's own, so that something is seen to be turned."""
        own = self.turns.images.table[self.turns.factor].iloc[0]
        if isinstance(own, str):
            return next(value for value in self.turns.values if value != own)
        return max(self.turns.values, key=lambda value: abs(value - own))

    def _draw(self) -> None:
        for live, figure in zip(self._all(), self._figures(), strict=True):
            live.show(figure)
        self.words.value = self._sentences()

    def _figures(self) -> list[go.Figure]:
        value, row = self.value.value, self.picture.value
        sureness = {f"{self.turns.label} = {one}": p for one, p in self.turns.probabilities(value, row).items()}
        scales = dict.fromkeys(sureness, UNIT)
        return [
            self._answer_figure(value, row),
            counterfactual({self.name: self.turns.effect(value)}, colors=self._colors),
            score_bars({self.name: sureness}, colors=self._colors, scales=scales),
        ]

    def _answer_figure(self, value: Any, row: int) -> go.Figure:
        turns, found = self.turns, self.turns.answer_map(value, row, self._method)
        titles = {TRAINED: self.name, UNTRAINED: UNTRAINED, EDGES: EDGES}
        maps = {titles[name]: cells for name, cells in found.maps.items()}
        share = found.scores[TRAINED].controls[SHARE]
        return turned_answer(
            {
                "as drawn": turns.images.pixels[row],
                f"{turns.factor} {_in_words(value)}": turns.turned(value).pixels[row],
            },
            {self.name: maps.pop(self.name)},
            control_maps=maps,
            subtitles={titles[name]: f"{score.value:.2f} on the {found.place}" for name, score in found.scores.items()},
            what=f"Where the answer {turns.label} = {found.answer} comes from ({self._method.replace('_', ' ')}); "
            f"the {found.place} is {share:.2f} of the picture",
            id=str(turns.images.ids[row]),
            colors=self._colors,
        )

    def _sentences(self) -> str:
        """What happened to this picture, in words."""
        value, row, turns = self.value.value, self.picture.value, self.turns
        effect = turns.effect(value)
        moved = effect.moved[effect.factors.index(turns.factor), row] / effect.spread.mean()
        answer = turns.answer(value, row)
        sure = turns.probabilities(value, row)[answer]
        own = turns.images.table[turns.factor].iloc[row]
        turned = f"<b>{turns.factor} {escape(_in_words(value))}</b>, drawn as {escape(_in_words(own))}"
        everywhere = f"all {len(turns.images)}: {effect.scores()[turns.factor]}"
        return (
            f"{turned}. This picture moved {moved:.2f} of the way to another one ({escape(everywhere)}). The readout "
            f"answers <b>{escape(answer)}</b>, {escape(str(sure))}; the picture shows {escape(self._shown(value, row))}."
        )

    def _shown(self, value: Any, row: int) -> str:
        """What the label of the turned picture is."""
        return str(np.asarray(self.turns.turned(value).table[self.turns.label])[row])


def _in_words(value: Any) -> str:
    """A value of a factor: its name, or a number of three figures."""
    return value if isinstance(value, str) else f"{value:.3g}"
