"""Reliance on an attribute: answers of a readout where the attribute contradicts the label, the more it was misled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sslviz.diagnostics.bias.contrasting_images import common_codes, contrasting_images, fit_biases
from sslviz.diagnostics.bias.fit_draws import dependent, draw_at_biases
from sslviz.diagnostics.bias.reliance_measures import MEASURES, reliance_measures
from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.linear import PENALTIES
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import scored_and_fitted
from sslviz.runtime.threads import one_thread
from sslviz.statistics import POWER_80, Score, delete_groups, p_beyond, resampled_times

HEADLINE = 0.95
CORE, SHORTCUT = "core oracle", "shortcut oracle"


@dataclass(frozen=True, eq=False)
class Reliance(Fitted):
    """Result of `reliance`, of n scored images at b biases.

    - label, attribute: the two columns
    - classes: names of the classes of the label, (k,)
    - values: names of the values of the attribute, (m,)
    - expected_pairs: the value that goes with each class, index into `values`, (k,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - cue: index into `values`, (n,)
    - biases: shares of the images fitted on that show the pair, (b,)
    - n_fit: images fitted on each time
    - pairs_known: whether pairs were given, or are found in the images to fit on by more than luck; else they are arbitrary
    - answers: the classes read, (b, draws, n)
    - control_answers: those of controls and of both oracles, {name: (b, draws, n)}
    - seed: of draws and resamples
    - left_out: {reason: images}, of classes in which label and attribute cannot be told apart
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    expected_pairs: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    cue: np.ndarray
    biases: np.ndarray
    n_fit: int
    pairs_known: bool
    answers: np.ndarray
    control_answers: dict[str, np.ndarray]
    seed: int
    left_out: dict[str, int] = field(default_factory=dict)

    def curve(self, measure: str, name: str = "") -> np.ndarray:
        """A measure at each bias, (b,): one of MEASURES or "gap"; of the control `name`, if given."""
        answers = self.control_answers[name] if name else self.answers
        return np.nanmean(self._measured(answers, np.ones((1, len(self.truth))))[measure], axis=1)[:, 0]

    def band(self, measure: str) -> tuple[np.ndarray, np.ndarray]:
        """The ends of a measure's 95 % interval at each bias, (b,) each."""
        low, high = np.nanquantile(self._draws[measure], [0.025, 0.975], axis=1)
        return low, high

    @property
    def detectable(self) -> float:
        """The least gap under even fitting that would be found in 80 of 100 samples such as this."""
        return float(POWER_80 * self._draws["gap"][0].std())

    @property
    def found(self) -> bool:
        """Whether the label is read worse where attribute and label disagree although the readout was fitted evenly."""
        return bool(self.band("gap")[0][0] > 0)

    def hypothesis(self) -> Hypothesis:
        """That an evenly fitted readout goes by the attribute; the examples are images it misled."""
        score = self.scores()["even_gap"]
        more = "more" if score.value >= 0 else "less"
        statement = (
            f"A readout of {self.label} that was fitted on even images is right {abs(score.value):.2f} {more} often where "
            f"{self.attribute} agrees with it than where it does not."
        )
        conflict = self.expected_pairs[self.truth] != self.cue
        misled = conflict & (self.answers[0] != self.truth).any(axis=0)
        detectable = self.detectable if self.pairs_known else None  # between arbitrary pairs no gap says nothing
        return Hypothesis(statement, "even_gap", p_beyond(score), detectable, len(self.ids), self.ids[misled])

    def scores(self) -> dict[str, Score]:
        """`even_gap`, and at a bias of 0.95 `aligned`, `conflict`, `cue_conflict` and `lost_at_random`.

        Intervals: bootstrap over images within groups, each time with one of the draws of images to fit on.
        """
        others = [name for name in self.control_answers if name != CORE]
        untaught = [name for name in others if name != SHORTCUT]
        scores = {"even_gap": self._score("gap", 0, {"no use of it": 0.0}, untaught, None)}
        chance = {"chance": 1 / len(self.classes)}
        for measure in MEASURES:
            more_is_better = measure in ("aligned", "conflict")
            floor = chance if more_is_better else {}
            scores[measure] = self._score(measure, self._headline, floor, others, more_is_better)
        return {name: score for name, score in scores.items() if np.isfinite(score.value)}

    @property
    def _headline(self) -> int:
        """Where among `biases` the scores are read."""
        return int(np.argmin(np.abs(self.biases - HEADLINE)))

    def _score(self, measure: str, bias: int, floor: dict[str, float], names: list[str], better: bool | None) -> Score:
        low, high = (float(ends[bias]) for ends in self.band(measure))
        value = float(self.curve(measure)[bias])
        controls = floor | {name: float(self.curve(measure, name)[bias]) for name in names}
        return Score(value, min(low, value), max(high, value), controls, better)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: each without one tenth of the images at a time, for paired differences."""
        group = delete_groups(len(self.truth), units=self.units)
        kept = (group != np.arange(group.max() + 1)[:, None]).astype(float)
        parts = {name: np.nanmean(values, axis=1) for name, values in self._measured(self.answers, kept).items()}
        return {"even_gap": parts["gap"][0]} | {name: parts[name][self._headline] for name in MEASURES}

    @cached_property
    def _draws(self) -> dict[str, np.ndarray]:
        """{measure: (b, resamples)} on resampled images, with one of the draws to fit on each."""
        rng = np.random.default_rng(self.seed)
        groups = self.truth * len(self.values) + self.cue
        if self.units is not None:
            times = resampled_times(groups, 1000, rng, self.units)
        else:
            times = np.zeros((1000, len(groups)))
            for group in np.unique(groups):
                rows = np.flatnonzero(groups == group)
                times[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=len(times))
        measured = self._measured(self.answers, times)
        which = rng.integers(self.answers.shape[1], size=len(times))
        return {name: values[:, which, np.arange(len(times))] for name, values in measured.items()}

    def _measured(self, answers: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
        return reliance_measures(answers, self.truth, self.cue, self.expected_pairs, times)


@one_thread
def reliance(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    expected_pairs: Mapping[str, str] | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Reliance:
    """Is an attribute used?

    Each class is expected with one value of the attribute: as `expected_pairs` {class: value} say, or with the one it goes
    with most in the fit images.  A logistic regression of the label is fitted on always as many images, classes even.  Of
    these a share of 1 / values, 0.7, 0.9, 0.95, 1 shows the pair, in four draws of each.  It answers images of which every
    group counts the same.

    Score of the encoder, fitted evenly: `even_gap`, the accuracy where attribute and label agree less that where they do
    not.  Scores at a share of 0.95, which judge what a careless user gets:

    - aligned, conflict: accuracy where label and attribute agree, and where they do not
    - cue_conflict: of conflicting images answered with the label or with the class whose value they show, the share of
      the latter (0 to 1; arXiv 1811.12231)
    - lost_at_random: aligned accuracy less that with the attribute at random; for a background, the BG-gap of arXiv
      2006.09994

    Controls: chance, the `control_features` {name: Features, or (Features, fit Features)}, and two oracles.  The shortcut
    oracle sees the attribute alone, the core oracle the label alone.  `detectable` is the least gap that would have been
    found.  A class that is not often enough with its value, or not often enough without, is left out and counted.  ValueError
    as for `linear_probe`, and where fewer than two classes, or 16 images at every bias, are left.

    Example:
        >>> import numpy as np, sslviz
        >>> shape, color = np.arange(320) % 2, np.arange(320) // 2 % 2
        >>> features = sslviz.Features.from_array(color[:, None], table={"shape": shape, "color": color})
        >>> result = sslviz.reliance(features, "shape", "color", expected_pairs={"0": "0", "1": "1"})
        >>> result.scores()["cue_conflict"].value  # these features hold the colour alone
        1.0

    Caveat: A readout misled on purpose may lean on what an even one would leave alone.  Only the even gap speaks of the
    encoder, and of nothing smaller than what could be found.
    """
    scored, fitted = scored_and_fitted(features, fit, label, attribute, seed=seed)
    scored, fitted, pairs, left_out = contrasting_images(scored, fitted, label, attribute, expected_pairs)
    classes, codes, truth = common_codes(fitted, scored, label)
    values, cues, cue = common_codes(fitted, scored, attribute)
    biases = fit_biases(len(values))
    draws = draw_at_biases(codes, cues, pairs, len(values), biases, seed)

    def answers(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.array([[_read(x[rows], codes[rows], z) for rows in bias_draws] for bias_draws in draws])

    oracles = {SHORTCUT: (cues, cue, len(values)), CORE: (codes, truth, len(classes))}
    control_answers = {name: answers(np.eye(k)[fit_], np.eye(k)[shown]) for name, (fit_, shown, k) in oracles.items()}
    for name, control, bank in aligned_controls(control_features, scored, fitted):
        control_answers[name] = answers(bank.x, control.x)
    return Reliance(
        label=label,
        attribute=attribute,
        classes=classes,
        values=values,
        expected_pairs=pairs,
        ids=scored.ids,
        truth=truth,
        cue=cue,
        biases=biases,
        n_fit=len(draws[0][0]),
        pairs_known=expected_pairs is not None or dependent(codes, cues),
        answers=answers(fitted.x, scored.x),
        control_answers=control_answers,
        seed=seed,
        left_out=left_out,
        **pictures_of(scored, fitted),
    )


@small_classes()
def _read(x: np.ndarray, codes: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The classes of `z` (n,), by a logistic regression on features standardised by `x`."""
    from sklearn.linear_model import LogisticRegression

    standard = standardization(x)
    model = LogisticRegression(C=PENALTIES[1], max_iter=300, tol=1e-3)
    return model.fit(standard(x), codes).predict(standard(z)).astype(np.int16)
