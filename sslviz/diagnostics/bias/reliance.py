"""Is an attribute used?  How a readout of the label answers where the attribute contradicts it, the more it was misled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.probes.linear import PENALTIES
from sslviz.diagnostics.probes.probe import Controls
from sslviz.features import Features
from sslviz.features.columns import coded, halves, partners_of
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, delete_groups

BIASES = (0.7, 0.9, 0.95, 1.0)  # of the images fitted on; before them 1 / values, where the attribute says nothing
HEADLINE = 0.95
DRAWS = 4  # of the images fitted on, at each bias
FEWEST = 16  # images to fit on
CORE, SHORTCUT = "core oracle", "shortcut oracle"
POWER = 2.8  # standard errors: what is found in 80 of 100 samples at the 5 % level
MEASURES = ("aligned", "conflict", "cue_conflict", "lost_at_random")


@dataclass(frozen=True, eq=False)
class Reliance:
    """Is an attribute used?

    `truth` (n,) indexes `classes` (k,), `cue` (n,) `values` (m,) of the attribute; `partner` (k,) is the value that goes
    with each class.  `biases` (b,) are the shares of partners among the images fitted on, `answers` (b, draws, n) the
    classes read.  `controls` {name: (b, draws, n)}, the two oracles among them.  `n_fit` images were fitted on each time.
    `paired`: whether the partners were given, or classes and values go together among the images to fit on by more than
    luck; else which images agree is arbitrary, and nothing is said of a bias that the encoder met elsewhere.
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    partner: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    cue: np.ndarray
    biases: np.ndarray
    n_fit: int
    paired: bool
    answers: np.ndarray
    controls: dict[str, np.ndarray]
    seed: int

    def curve(self, measure: str, name: str = "") -> np.ndarray:
        """One of "aligned", "conflict", "cue_conflict", "lost_at_random" and "gap" at each bias, (b,), of a control by name."""
        answers = self.controls[name] if name else self.answers
        return np.nanmean(self._measured(answers, np.ones((1, len(self.truth))))[measure], axis=1)[:, 0]

    def band(self, measure: str) -> tuple[np.ndarray, np.ndarray]:
        """The ends of its 95 % interval at each bias, (b,) each."""
        low, high = np.nanquantile(self._draws[measure], [0.025, 0.975], axis=1)
        return low, high

    @property
    def detectable(self) -> float:
        """The least gap under even fitting that would be found in 80 of 100 samples such as this."""
        return float(POWER * self._draws["gap"][0].std())

    @property
    def found(self) -> bool:
        """Whether the label is read worse where attribute and label disagree although the readout was fitted evenly."""
        return bool(self.band("gap")[0][0] > 0)

    def scores(self) -> dict[str, Score]:
        """`even_gap`, and at a bias of 0.95 `aligned`, `conflict`, `cue_conflict` and `lost_at_random`, beside the controls.

        Intervals: bootstrap over images within groups, each time with one of the draws of images to fit on.
        """
        at = int(np.argmin(np.abs(self.biases - HEADLINE)))
        others = [name for name in self.controls if name != CORE]
        found = {"even_gap": self._score("gap", 0, {"no use of it": 0.0}, [n for n in others if n != SHORTCUT], None)}
        chance = {"chance": 1 / len(self.classes)}
        for measure in MEASURES:
            more_is_better = measure in ("aligned", "conflict")
            floor = chance if more_is_better else {}
            found[measure] = self._score(measure, at, floor, others, more_is_better)
        return {name: score for name, score in found.items() if np.isfinite(score.value)}

    def _score(self, measure: str, at: int, floor: dict[str, float], names: list[str], better: bool | None) -> Score:
        low, high = (float(ends[at]) for ends in self.band(measure))
        value = float(self.curve(measure)[at])
        controls = floor | {name: float(self.curve(measure, name)[at]) for name in names}
        return Score(value, min(low, value), max(high, value), controls, better)

    @cached_property
    def replicates(self) -> dict[str, np.ndarray]:
        """{score: (10,)}: each without one tenth of the images at a time, for paired differences."""
        group = delete_groups(len(self.truth))
        kept = (group != np.arange(group.max() + 1)[:, None]).astype(float)
        at = int(np.argmin(np.abs(self.biases - HEADLINE)))
        parts = {name: np.nanmean(values, axis=1) for name, values in self._measured(self.answers, kept).items()}
        return {"even_gap": parts["gap"][0]} | {name: parts[name][at] for name in MEASURES}

    @cached_property
    def _draws(self) -> dict[str, np.ndarray]:
        """{measure: (b, resamples)}: on other images, and with other images to fit on."""
        rng = np.random.default_rng(self.seed)
        groups = self.truth * len(self.values) + self.cue
        times = np.zeros((1000, len(groups)))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            times[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=len(times))
        measured = self._measured(self.answers, times)
        which = rng.integers(self.answers.shape[1], size=len(times))
        return {name: values[:, which, np.arange(len(times))] for name, values in measured.items()}

    def _measured(self, answers: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
        """Each measure of answers (b, draws, n) if each image counted so many `times` (r, n): {measure: (b, draws, r)}."""
        groups = self.truth * len(self.values) + self.cue
        aligned = self.partner[self.truth] == self.cue
        misled = ~aligned & (self.partner[answers] == self.cue)
        right = answers == self.truth
        by_group: dict[bool, list[np.ndarray]] = {True: [], False: []}
        for group in np.unique(groups):
            rows = groups == group
            with np.errstate(invalid="ignore"):
                share = right[..., rows].astype(float) @ times[:, rows].T / times[:, rows].sum(axis=1)
            by_group[bool(aligned[rows][0])].append(share)
        with_it, against = (np.nanmean(by_group[side], axis=0) for side in (True, False))
        everywhere = np.nanmean([*by_group[True], *by_group[False]], axis=0)
        conflict = times[:, ~aligned].T
        fooled, kept = misled[..., ~aligned].astype(float) @ conflict, right[..., ~aligned].astype(float) @ conflict
        with np.errstate(invalid="ignore"):
            cue_conflict = fooled / (fooled + kept)
        return {
            "aligned": with_it, "conflict": against, "gap": with_it - against, "lost_at_random": with_it - everywhere,
            "cue_conflict": cue_conflict,
        }  # fmt: skip


@one_thread
def reliance(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    partner: Mapping[str, str] | None = None,
    controls: Controls | None = None,
    seed: int = 0,
) -> Reliance:
    """Is an attribute used?

    Each class has a `partner` among the values of the attribute: as given {class: value}, or the one it goes with most in
    the fit images.  A logistic regression of the label is fitted on always as many images, of which a share of 1 / values,
    0.7, 0.9, 0.95, 1 shows the partner (four draws of each, classes even), and answers images of which every group counts
    the same.  Scores, fitted evenly: `even_gap`, the accuracy where attribute and label agree less that where they do not.
    This judges the encoder.  Scores at a share of 0.95, which judge what a careless user gets: `aligned` and `conflict`
    accuracy; `cue_conflict`, of the conflicting images that are answered with the label or with the class whose partner
    they show, the share of the latter (0 to 1; arXiv 1811.12231); `lost_at_random`, aligned accuracy less that with the
    attribute at random, which for a background is the BG-gap of arXiv 2006.09994.  Controls: chance, the `controls`
    {name: Features, or (Features, fit Features)}, and two oracles, of which the shortcut oracle sees the attribute alone,
    the core oracle the label alone.  `detectable` is the least gap that would have been found.  ValueError as for
    `linear_probe`, and where fewer than 16 images can be drawn at every bias or a group is not among those scored.

    Caveat: A readout misled on purpose may lean on what an even one would leave alone; only the even gap speaks of the
    encoder, and of nothing smaller than what could be found.
    """
    scored, fitted = halves(features, label, attribute, seed) if fit is None else (features, fit)
    classes, codes, truth = _common(fitted, scored, label)
    values, cues, cue = _common(fitted, scored, attribute)
    partners = (
        _together(codes, cues, len(classes), len(values))
        if partner is None
        else partners_of(fitted.table, label, attribute, partner)
    )
    _check_groups(truth, cue, partners, classes, values)
    biases = np.array([1 / len(values), *(b for b in BIASES if b > 1 / len(values))])
    drawn = _draw(codes, cues, partners, len(values), biases, seed)

    def answers(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.array([[_read(x[rows], codes[rows], z) for rows in of_bias] for of_bias in drawn])

    oracles = {SHORTCUT: (cues, cue, len(values)), CORE: (codes, truth, len(classes))}
    beside = {name: answers(np.eye(k)[known], np.eye(k)[shown]) for name, (known, shown, k) in oracles.items()}
    for name, control in (controls or {}).items():
        whole, bank = control if isinstance(control, tuple) else (control, None)
        bank = (whole if bank is None else bank).select(list(fitted.ids))
        beside[name] = answers(bank.x, whole.select(list(scored.ids)).x)
    return Reliance(
        label=label, attribute=attribute, classes=classes, values=values, partner=partners, ids=scored.ids, truth=truth,
        cue=cue, biases=biases, n_fit=len(drawn[0][0]),
        paired=partner is not None or _go_together(codes, cues), answers=answers(fitted.x, scored.x), controls=beside,
        seed=seed,
    )  # fmt: skip


def _common(fitted: Features, scored: Features, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The names of a column's classes, and of which class each image fitted on and each scored is."""
    (names, codes), (shown, known) = coded(fitted, column), coded(scored, column)
    where = {str(name): i for i, name in enumerate(names)}
    if unseen := [str(name) for name in shown if str(name) not in where]:
        raise ValueError(
            f"Images of {', '.join(map(repr, unseen[:5]))} are to be scored, but the images fitted on show no such "
            f"{column!r}; fit on images of every class."
        )
    return names, codes, np.array([where[str(name)] for name in shown])[known]


def _together(codes: np.ndarray, cues: np.ndarray, classes: int, values: int) -> np.ndarray:
    """Which value goes with each class as often as possible, (classes,); no value has two before each has one."""
    from scipy.optimize import linear_sum_assignment

    together = np.zeros((classes, values))
    np.add.at(together, (codes, cues), 1)
    lift = together / together.sum(axis=1, keepdims=True) / together.sum(axis=0)
    again = -(-classes // values)  # with fewer values than classes, some go with several
    return linear_sum_assignment(-np.tile(lift, again))[1] % values


def _go_together(codes: np.ndarray, cues: np.ndarray) -> bool:
    """Whether classes and values of the images fitted on go together by more than luck, at 5 %: chi-squared."""
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import crosstab

    return bool(chi2_contingency(crosstab(codes, cues).count, correction=False).pvalue < 0.05)


def _check_groups(
    truth: np.ndarray, cue: np.ndarray, partner: np.ndarray, classes: np.ndarray, values: np.ndarray
) -> None:
    aligned = partner[truth] == cue
    for c in range(len(classes)):
        for side, what in ((aligned, "that show"), (~aligned, "that do not show")):
            if not (side & (truth == c)).any():
                raise ValueError(
                    f"There are no images of {str(classes[c])!r} {what} {str(values[partner[c]])!r} among those scored, so "
                    "that label and attribute cannot be told apart; score images of every combination."
                )


def _draw(
    codes: np.ndarray, cues: np.ndarray, partner: np.ndarray, m: int, biases: np.ndarray, seed: int
) -> list[list[np.ndarray]]:
    """Which images are fitted on: DRAWS times for each bias, always as many, of each class as many."""
    k = len(partner)
    aligned = partner[codes] == cues
    have = np.array([[(aligned & (codes == c)).sum(), (~aligned & (codes == c)).sum()] for c in range(k)])
    each = int(have[:, 0].min() / biases.max())
    for bias in biases[biases < 1]:
        each = min(each, int(have[:, 1].min() / (1 - bias)))
    each -= each % m  # so that fitting evenly is exactly even
    if each * k < FEWEST:
        raise ValueError(
            f"Only {each * k} images can be drawn to fit on at every bias, but {FEWEST} are needed: of some class there are "
            f"{have[:, 0].min()} that show the attribute it goes with, or {have[:, 1].min()} that do not."
        )
    rng = np.random.default_rng(seed)
    return [[_one_draw(codes, cues, aligned, k, each, bias, rng) for _ in range(DRAWS)] for bias in biases]


def _one_draw(
    codes: np.ndarray, cues: np.ndarray, aligned: np.ndarray, k: int, each: int, bias: float, rng: np.random.Generator
) -> np.ndarray:
    """`each` images of every class, a share `bias` of them aligned, the others of every other value about as many."""
    rows = []
    for c in range(k):
        with_it = rng.permutation(np.flatnonzero(aligned & (codes == c)))
        against = rng.permutation(np.flatnonzero(~aligned & (codes == c)))
        turn = np.zeros(len(against), int)  # the how manieth of its value
        for value in np.unique(cues[against]):
            mine = cues[against] == value
            turn[mine] = np.arange(mine.sum())
        many = int(round(bias * each))
        rows += [with_it[:many], against[np.argsort(turn, kind="stable")][: each - many]]
    return np.concatenate(rows)


def _read(x: np.ndarray, codes: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The classes of `z` (n,), by a logistic regression on features standardised by `x`."""
    from sklearn.linear_model import LogisticRegression

    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    model = LogisticRegression(C=PENALTIES[1], max_iter=300, tol=1e-3)
    return model.fit((x - center) / scale, codes).predict((z - center) / scale).astype(np.int16)
