"""Label choice: whether features tell which images are worth a label, beside images drawn without looking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.linear import best_penalty
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import one_of_each
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_mean, percentile_interval, permutation_p
from sslviz.transfer.label_split import LabelSplit, label_split
from sslviz.transfer.selection import chosen, stratified, uniform

How = Literal["typical", "coverage", "k_centre"]
HOW = ("typical", "coverage", "k_centre")
A_CLASS = 2  # labels a class where no budget is given: few enough that the choice matters
MOST_POOL = 10_000  # images to choose from: `coverage` holds all their distances
RANDOM = "drawn without looking"
LUCKY = "the luckiest of those draws, 95 of 100"
ORACLE = "classes known beforehand"
TOO_MANY = "more images to choose from than are looked at"
ONE_OF_EACH = "of images that belong together, and are of one class, one can be chosen"


@dataclass(frozen=True, eq=False)
class LabelChoice(Fitted):
    """Result of `label_choice`, of n scored images and a budget of b labels.

    - label: the column that is read
    - how: "typical", "coverage" or "k_centre"
    - budget: labels that are asked for
    - classes: names of its classes, (c,)
    - ids: the scored images, (n,)
    - truth: index into `classes`, (n,)
    - chosen_ids: the images that were chosen, in their order, (b,)
    - chosen_codes: their classes, (b,)
    - correct: whether each image is read rightly after a fit to these, (n,) bool
    - random_correct: after a fit to images drawn without looking, (draws, n) bool
    - oracle_correct: after a fit to draws that have the classes alike, (draws, n) bool
    - random_classes: classes among the images of each draw, (draws,)
    - control_correct: chosen by the features of a control, read from these, {control: (n,) bool}
    - left_out: {reason: images}
    - seed: of halves, choices, draws and fits
    """

    label: str
    how: str
    budget: int
    classes: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    chosen_ids: np.ndarray
    chosen_codes: np.ndarray
    correct: np.ndarray
    random_correct: np.ndarray
    oracle_correct: np.ndarray
    random_classes: np.ndarray
    control_correct: dict[str, np.ndarray]
    left_out: dict[str, int]
    seed: int

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks."""
        return 1 / len(np.unique(self.truth))

    @cached_property
    def random(self) -> np.ndarray:
        """The class-balanced accuracy after each draw without looking, (draws,)."""
        return np.array([balanced_mean(row, self.truth) for row in self.random_correct])

    @property
    def accuracy(self) -> float:
        """The class-balanced accuracy after the choice."""
        return balanced_mean(self.correct, self.truth)

    @property
    def p(self) -> float:
        """The share of draws without looking that do as well, the choice counted among them."""
        return permutation_p(self.accuracy, self.random)

    def scores(self) -> dict[str, Score]:
        """`gain` over random draws, with its interval over these draws; `accuracy`; `classes covered` by the choice."""
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        by_others = {f"chosen by {name}": balanced_mean(c, self.truth) for name, c in self.control_correct.items()}
        mean, value = float(self.random.mean()), self.accuracy
        low, high = percentile_interval(value - self.random) if len(self.random) >= 10 else (None, None)
        lucky = {LUCKY: float(np.quantile(self.random, 0.95)) - mean}
        covered = float(len(np.unique(self.chosen_codes)))
        return {
            "gain": Score(value - mean, low, high, lucky | {name: v - mean for name, v in by_others.items()}),
            "accuracy": Score(value, controls={"chance": self.chance, RANDOM: mean} | by_others),
            "classes covered": Score(covered, controls={RANDOM: float(self.random_classes.mean())}),
        }


@one_thread
def label_choice(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    budget: int | None = None,
    how: How = "typical",
    draws: int = 20,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> LabelChoice:
    """Which images should be labelled first, and is that better than drawing them?

    Of the `fit` images, or a stratified half of `features` (by `seed`), `budget` are chosen without their labels, by default
    two a class.  Then a logistic regression as in `linear_probe` is fitted on them and scored on the others.  It standardises
    features by all images to choose from.

    - "typical": the densest image of each of `budget` k-means clusters (TypiClust, arXiv 2202.02794)
    - "coverage": images whose balls cover most others (ProbCover, arXiv 2205.11320)
    - "k_centre": images far from each other (arXiv 1708.00489), which at small budgets are outliers

    Scores: `gain`, class-balanced accuracy less the mean of `draws` uniform draws of as many images; `accuracy`; `classes
    covered`.  The interval of `gain` is over the draws: how much better the choice is than one draw.  Controls: the uniform
    draws, and images chosen by `control_features` {name: Features, or (Features, fit Features)}, read from these features.
    `oracle_correct` are draws with the classes alike, which know the labels.  Of more than 10,000 images to choose from,
    10,000 are looked at.  Images that share the `group` of the features stay on one side, and one of each can be chosen.

    ValueError as for `linear_probe`, and for a budget below 2 or above the number of images.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(240) % 3
        >>> x = 30 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(240, 3))
        >>> result = sslviz.label_choice(sslviz.Features.from_array(x, table={"label": label}), budget=3)
        >>> result.scores()["classes covered"].value, bool(result.scores()["gain"].value > 0)
        (3.0, True)

    Caveat: A choice is made once, a draw twenty times: another start of the clustering may choose otherwise, and at
    larger budgets drawing is hard to beat.
    """
    if how not in HOW or draws < 1:
        raise ValueError(
            f"Images are chosen by {', '.join(map(repr, HOW))} beside at least one draw; `how` is {how!r}, `draws` {draws}."
        )
    split = label_split(features, label, fit, seed)
    pool, codes, left_out = _pool(split, label, seed)
    budget = min(len(pool), A_CLASS * len(split.classes)) if budget is None else budget
    if not 2 <= budget <= len(pool):
        raise ValueError(
            f"Between 2 and all {len(pool)} images to choose from can be labelled, but `budget` is {budget}."
        )

    standard = standardization(pool.x)  # by all of them: no label is needed for that
    x, scored = standard(pool.x), standard(split.scored.x)

    def read(some: np.ndarray) -> np.ndarray:
        units = None if pool.units is None else pool.units[some]
        return _read(x[some], codes[some], scored, seed, units) == split.truth

    def choose(x: Features) -> np.ndarray:
        return chosen(x.x[:], budget, how, classes=len(split.classes), seed=seed)

    taken, drawn = choose(pool), uniform(len(pool), budget, draws, seed)
    return LabelChoice(
        label=label,
        how=how,
        budget=budget,
        classes=split.classes,
        ids=split.scored.ids,
        truth=split.truth,
        chosen_ids=pool.ids[taken],
        chosen_codes=codes[taken],
        correct=read(taken),
        random_correct=np.stack([read(some) for some in drawn]),
        oracle_correct=np.stack([read(some) for some in stratified(codes, budget, draws, seed)]),
        random_classes=np.array([len(np.unique(codes[some])) for some in drawn]),
        control_correct={
            name: read(choose(fitted)) for name, _, fitted in aligned_controls(control_features, split.scored, pool)
        },
        left_out=left_out,
        seed=seed,
        **pictures_of(split.scored, split.fitted),
    )


def _pool(split: LabelSplit, label: str, seed: int) -> tuple[Features, np.ndarray, dict[str, int]]:
    """The images to choose from, their classes (m,), and {reason: images} of those that cannot be chosen."""
    choices = np.flatnonzero(one_of_each(split.fitted, label, seed=seed))  # a copy is no other image to label
    rows = choices[np.sort(np.random.default_rng(seed).permutation(len(choices))[:MOST_POOL])]
    left_out = {ONE_OF_EACH: len(split.fitted) - len(choices), TOO_MANY: len(choices) - len(rows)}
    return split.fitted.rows(rows), split.codes[rows], {why: n for why, n in left_out.items() if n}


@small_classes()
def _read(x: np.ndarray, codes: np.ndarray, scored: np.ndarray, seed: int, units: np.ndarray | None) -> np.ndarray:
    """The predicted class of each scored image; of a single class, that class."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(codes)) == 1:
        return np.full(len(scored), codes[0])
    penalty = best_penalty(x, codes, codes, seed, class_weight="balanced", units=units)
    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=1000).fit(x, codes).predict(scored)
