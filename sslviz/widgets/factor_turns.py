"""Pictures with one factor turned: how far features move, what a readout answers, and where its answer comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslviz.data import Images, counterfactual
from sslviz.data.sampling import sample_rows, spread_rows
from sslviz.data.worlds import factor_values
from sslviz.diagnostics.bias.counterfactual_effect import MIN_PICTURES, Counterfactual, counterfactual_effect
from sslviz.diagnostics.probes.linear import linear_weights, readout_probabilities
from sslviz.encoders import Encoder
from sslviz.evaluation.questions import scored_and_fit
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.control_maps import model_free_maps
from sslviz.explanations.faithfulness.localization import relevance_mass
from sslviz.explanations.targets.targets import probe
from sslviz.features import Features
from sslviz.features.embed import embed_pixels, to_device
from sslviz.features.evidence import TRAINED, UNTRAINED
from sslviz.features.pictures import changed_images
from sslviz.runs import Checkpoint
from sslviz.statistics import Score

PICTURES = 40  # that are turned: enough for an interval, few enough for a slider to follow
FITTED = 500  # that the readout is fitted to, at most
EDGES = "edges"
SHARE = "its share of the picture"


@dataclass(frozen=True, eq=False)
class AnswerMap:
    """Where the answer about one picture comes from.

    - answer: the class that is answered
    - maps: of the encoder, of the encoder untrained, and the picture's edges, {name: (rows, columns)}
    - scores: what share of each map lies on the object, {name: Score}
    - place: what the object is called
    """

    answer: str
    maps: Mapping[str, np.ndarray]
    scores: Mapping[str, Score]
    place: str


@dataclass(eq=False)
class FactorTurns:
    """Some pictures of a world, and each of them with one factor turned to any of its values.

    - images: the pictures that are turned
    - factor, values: what is turned, and to what
    - label: what the readout is fitted to tell
    - classes: what it can answer
    - encoders: {trained, untrained: encoder}
    - readouts: {trained, untrained: (weights, bias)}
    - changed: {trained, untrained: features of the pictures, each also with one factor changed at random}
    """

    images: Images
    factor: str
    values: list[Any]
    label: str
    classes: list[str]
    encoders: dict[str, Encoder]
    readouts: dict[str, tuple[np.ndarray, np.ndarray]]
    changed: dict[str, Features]
    _turned: dict[Any, tuple[Images, dict[str, Features]]] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint, images: Images, factor: str, label: str) -> FactorTurns:
        """ValueError for images that no world here drew, an unknown factor or label, and for too few images."""
        values = factor_values(images, factor)
        shown, fit = _turned_and_fitted(images)
        control = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))
        encoders = {TRAINED: to_device(checkpoint.encoder()), UNTRAINED: to_device(control.encoder())}
        fitted = {name: linear_weights(_features(encoder, fit), label) for name, encoder in encoders.items()}
        pictures = changed_images(shown)
        assert pictures is not None  # a world drew them, or there would be no values
        return cls(
            images=shown,
            factor=factor,
            values=list(values),
            label=label,
            classes=[str(name) for name in fitted[TRAINED][0]],
            encoders=encoders,
            readouts={name: (weights, bias) for name, (_, weights, bias) in fitted.items()},
            changed={name: _features(encoder, pictures) for name, encoder in encoders.items()},
        )

    def turned(self, value: Any) -> Images:
        """The pictures with this value of the factor."""
        return self._at(value)[0]

    def effect(self, value: Any) -> Counterfactual:
        """How far this value moves the features, beside each other factor changed alone."""
        own, untrained = (self._with(self.changed[name], x) for name, x in self._at(value)[1].items())
        return counterfactual_effect(own, self.factor, changed_controls={UNTRAINED: untrained})

    def probabilities(self, value: Any, row: int) -> dict[str, Score]:
        """{class: how sure the readout is of it} for one picture, beside chance and the encoder untrained."""
        found = {
            name: readout_probabilities(x.x[[row]], *self.readouts[name])[0] for name, x in self._at(value)[1].items()
        }
        chance = 1 / len(self.classes)
        return {
            one: Score(float(p), controls={"chance": chance, UNTRAINED: float(q)}, higher_is_better=None)
            for one, p, q in zip(self.classes, found[TRAINED], found[UNTRAINED], strict=True)
        }

    def answer(self, value: Any, row: int) -> str:
        """The class that the readout is most sure of."""
        scores = self.probabilities(value, row)
        return max(scores, key=lambda name: scores[name].value)

    def answer_map(self, value: Any, row: int, method: str) -> AnswerMap:
        """Where the answer about one picture comes from, by an attribution method."""
        picture, answer = self.turned(value).rows(np.array([row])), self.answer(value, row)
        maps: dict[str, np.ndarray] = {}
        for name, encoder in self.encoders.items():
            weights, bias = (each[self.classes.index(answer)] for each in self.readouts[name])
            target = probe(weights, float(bias), name=f"{self.label} {answer}")
            given: dict[str, Any] = {"target": target, "method": method, "check": False, "progress": False}
            maps[name] = attribute(encoder, picture, **given).maps[0]
        maps[EDGES] = model_free_maps(picture)["edge"][0]
        place = _place(picture, self.factor)
        mask = picture.masks[place]
        on_it = {name: float(relevance_mass(cells[None], mask)[0]) for name, cells in maps.items()}
        controls = {SHARE: float(mask.mean()), UNTRAINED: on_it[UNTRAINED], EDGES: on_it[EDGES]}
        scores = {name: Score(share, controls=controls) for name, share in on_it.items()}
        return AnswerMap(answer, maps, scores, place)

    def _at(self, value: Any) -> tuple[Images, dict[str, Features]]:
        """The pictures with this value and what both encoders make of them, computed once."""
        if value not in self._turned:
            pictures = counterfactual(self.images, self.factor, value=value)
            self._turned[value] = pictures, {name: _features(one, pictures) for name, one in self.encoders.items()}
        return self._turned[value]

    def _with(self, changed: Features, turned: Features) -> Features:
        """The changed features, the factor's own change replaced by its turn."""
        x = np.array(changed.x)
        x[changed.column("changed") == self.factor] = turned.x
        return Features(x, changed.ids, changed.table, changed.source)


def _features(encoder: Encoder, images: Images) -> Features:
    return Features(embed_pixels(encoder, images.pixels), images.ids, images.table, {"run": encoder.name})


def _turned_and_fitted(images: Images) -> tuple[Images, Images]:
    """The pictures that are turned, and others that the readout is fitted to; by their split, where they have one."""
    scored, fit = scored_and_fit(images)
    shown = scored.rows(spread_rows(len(scored), PICTURES))
    if fit is None:
        fit = scored.rows(~np.isin(scored.ids, shown.ids))
    if len(shown) < MIN_PICTURES or len(fit) < MIN_PICTURES:
        raise ValueError(
            f"Turning a factor takes {MIN_PICTURES} pictures at least, and as many others that the readout is fitted to; "
            f"of these {len(images)} there are {len(shown)} and {len(fit)}."
        )
    return shown, fit.rows(sample_rows(len(fit), FITTED))


def _place(images: Images, factor: str) -> str:
    """The mask of what the factor belongs to; of the object, where none is named after it."""
    named = [name for name in images.masks if factor.startswith(name)]
    return [*named, *(name for name in images.masks if name != "background")][0]
