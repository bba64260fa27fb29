"""Embedding associations between the classes of a label and the values of an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from sslviz.diagnostics.bias.margins import (
    bootstrap_ends,
    class_margins,
    minus_rest,
    shuffled_margins,
    value_directions,
)
from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.class_names import class_text
from sslviz.features.columns import coded, one_of_each, scored_and_fitted
from sslviz.statistics import POWER_80_PAST_THRESHOLD, WIDTH_95, Score
from sslviz.statistics.shuffling import Null, all_sums, drawn_sums

LABELS, ATTRIBUTE = "labels shuffled, 95 of 100", "attribute shuffled, 95 of 100"


@dataclass(frozen=True, eq=False)
class Association(Fitted):
    """Result of `association`: margins and effects of every class (c of them) and value (v of them).

    - label, attribute: the two columns
    - classes, values: their names, (c,) and (v,)
    - counts: images of each class that were scored, (c,)
    - n_fit: images that the values were learnt from
    - margin, margin_low, margin_high: extra cosine with which a class leans to a value, and its interval, (c, v)
    - effect, effect_low, effect_high: the same in standard deviations (WEAT's d), (c, v)
    - effect_uncentered: the effect without centring, (c, v)
    - effect_max: the largest effect that classes of these sizes can have, (c,)
    - p_labels: p by shuffled labels alone, as in the papers, (c, v)
    - p: the larger of `p_labels` and p by the shuffled attribute, (c, v)
    - p_corrected: the same, corrected for all (c, v) together
    - p_floor: the least p there can be
    - exact: whether all partitions of the labels were tried
    - margin_reach, effect_reach: what the largest of all stays below in 95 of 100 shufflings
    - confounded: whether each class has one value only, so that nothing can be told
    """

    label: str
    attribute: str
    classes: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    n_fit: int
    margin: np.ndarray
    margin_low: np.ndarray
    margin_high: np.ndarray
    effect: np.ndarray
    effect_low: np.ndarray
    effect_high: np.ndarray
    effect_uncentered: np.ndarray
    effect_max: np.ndarray
    p_labels: np.ndarray
    p: np.ndarray
    p_corrected: np.ndarray
    p_floor: float
    exact: bool
    margin_reach: float
    effect_reach: float
    confounded: bool

    @property
    def strongest(self) -> tuple[int, int]:
        """The class and the value of the largest margin of either sign; among equals a positive one."""
        size = np.abs(self.margin) * (1 + 1e-6 * (self.margin > 0))
        row, column = np.unravel_index(size.argmax(), size.shape)
        return int(row), int(column)

    @property
    def found(self) -> bool:
        """Whether any association is more than luck, at 5 % for all of them together."""
        return bool(self.p_corrected.min() < 0.05)

    @property
    def detectable(self) -> float:
        """The least margin that would be found in 80 of 100 samples such as this; infinite where nothing can be told."""
        cell = self.strongest
        error = float(self.margin_high[cell] - self.margin_low[cell]) / WIDTH_95
        spread = float(self.margin[cell] / self.effect[cell])
        threshold = max(self.margin_reach, self.effect_reach * spread)  # both kinds of shuffling have to be passed
        return np.inf if self.confounded else threshold + POWER_80_PAST_THRESHOLD * error

    def hypothesis(self) -> Hypothesis:
        """That a class leans to a value, or away from it, more than the others do."""
        c, v = self.strongest
        leans = "to" if self.margin[c, v] >= 0 else "away from"
        score = self.scores()["association"]
        statement = (
            f"{self.label} {self.classes[c]} leans {leans} {self.attribute} {self.values[v]}: {score.value:.2f} of "
            f"cosine more than the others do, {abs(self.effect[c, v]):.1f} standard deviations."
        )
        detectable = None if self.confounded else self.detectable
        return Hypothesis(statement, "association", float(self.p_corrected.min()), detectable, int(self.counts.sum()))

    def scores(self) -> dict[str, Score]:
        """`association`, the size of the largest margin, and its `effect`; neither direction is good in itself.

        Intervals are for the cell that was the largest here, and for the attribute's images as they are.
        """
        cell = self.strongest
        sign = 1 if self.margin[cell] >= 0 else -1

        def score(value: np.ndarray, low: np.ndarray, high: np.ndarray, controls: dict[str, float]) -> Score:
            ends = sorted((sign * float(low[cell]), sign * float(high[cell])))
            return Score(sign * float(value[cell]), ends[0], ends[1], controls, None)

        return {
            "association": score(self.margin, self.margin_low, self.margin_high, {ATTRIBUTE: self.margin_reach}),
            "effect": score(self.effect, self.effect_low, self.effect_high, {LABELS: self.effect_reach}),
        }


def association(
    features: Features,
    label: str = "label",
    attribute: str = "attribute",
    *,
    fit: Features | None = None,
    targets: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
) -> Association:
    """What does it associate with what?  The embedding association test on images (WEAT; iEAT, arXiv 2010.15052).

    An image leans to a value by its mean cosine to the images of `fit` with that value, less that to the others.  Every
    class counts the same among those images.  Features are centred by `fit` first, as most of a cosine is common to all.
    Without `fit`, a stratified half of `features` (by `seed`) takes its place, and the other half is scored.

    The margin of a class is how much more its images lean than the others do.  Its effect is the margin over the standard
    deviation of all images (ddof 1).  With two `targets` (classes) and two `attributes` (values) it is the papers' test;
    else each class and each value is held against the rest.

    Each p is two-sided.  The papers shuffle the labels, `permutations` times or in every way there is.  Wherever classes lie
    apart, that calls an accident in the choice of attribute images an association.  So the attribute is shuffled within
    classes too, and the larger p counts, corrected by the largest of each shuffling (Westfall and Young).  Intervals:
    bootstrap over the scored images.  Of images that share the `group` of the features, one of each class is scored, and
    one of each class and value fitted on.  A test that shuffles copies would take each for news.

    ValueError for missing or incomplete columns, unknown names, classes with fewer than two images, constant features.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"shape": ["disc", "disc", "cross"] * 40, "color": ["red", "blue", "blue"] * 40}
        >>> x = np.random.default_rng(0).normal(size=(120, 4)) + 5 * (np.array(table["color"]) == "red")[:, None]
        >>> result = sslviz.association(sslviz.Features.from_array(x, table=table), "shape", "color", permutations=200)
        >>> result.found, bool(result.margin[1, 1] > 0)  # discs lean to red
        (True, True)

    Caveat: An effect is capped and in units of its own spread: it says how separate, not how far apart.  Where classes
    differ in the attribute themselves, the images may be what associates: see cooccurrence.
    """
    names = {label: targets, attribute: attributes}
    features, fit = _with_names(features, names), None if fit is None else _with_names(fit, names)
    if fit is None and np.bincount(coded(features, label)[1]).max() < 2:
        raise ValueError(
            f"Every class of {label!r} has a single image, but one half of them is to be fitted on and the other scored; "
            "bring more images."
        )
    scored, fitted = scored_and_fitted(features, fit, label, seed=seed)
    scored = scored.rows(one_of_each(scored, label, seed=seed))
    fitted = fitted.rows(one_of_each(fitted, label, attribute, seed=seed))
    return _association(scored, fitted, label, attribute, permutations, seed)


def _association(
    scored: Features, fitted: Features, label: str, attribute: str, permutations: int, seed: int
) -> Association:
    classes, codes = coded(scored, label)
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise ValueError(
            f"An association needs two images of each class that lean; of {label!r} {str(classes[counts.argmin()])!r} "
            f"there are {counts.min()}. Drop the class or add images."
        )
    bank_codes, (values, bank_values) = coded(fitted, label)[1], coded(fitted, attribute)
    center = fitted.x.mean(axis=0, dtype=np.float64).astype(np.float32)
    unit, bank = unit_rows(scored.x - center), unit_rows(fitted.x - center)
    leaning = unit @ value_directions(bank, bank_codes, bank_values).T  # (n, v)
    if not (leaning.std(axis=0) > 1e-9).all():
        raise ValueError("All images lean alike to every value; are the features constant?")
    margin, spread = class_margins(leaning, codes), leaning.std(axis=0, ddof=1)
    by_label, exact = _shuffled_labels(leaning, counts, np.abs(margin) / spread, spread, permutations, seed)
    by_value = Null(np.abs(margin))
    for drawn in shuffled_margins(unit, codes, bank, bank_codes, bank_values, permutations, seed):
        by_value.add(np.abs(drawn))
    uncentered = unit_rows(scored.x) @ value_directions(unit_rows(fitted.x), bank_codes, bank_values).T
    low, high = bootstrap_ends(leaning, codes, seed)
    share = counts / len(codes)
    return Association(
        label=label,
        attribute=attribute,
        classes=classes,
        values=values,
        counts=counts,
        n_fit=len(fitted),
        margin=margin,
        margin_low=low[0],
        margin_high=high[0],
        effect=margin / spread,
        effect_low=low[1],
        effect_high=high[1],
        effect_uncentered=class_margins(uncentered, codes) / uncentered.std(axis=0, ddof=1),
        effect_max=np.sqrt((len(codes) - 1) / len(codes) / (share * (1 - share))),
        p_labels=by_label.p(exact),
        p=np.maximum(by_label.p(exact), by_value.p()),
        p_corrected=np.maximum(by_label.p_corrected(exact), by_value.p_corrected()),
        p_floor=max(by_label.floor(exact), by_value.floor()),
        exact=exact,
        margin_reach=by_value.reach,
        effect_reach=by_label.reach,
        confounded=all(len(np.unique(bank_values[bank_codes == c])) == 1 for c in np.unique(bank_codes)),
        **pictures_of(scored, fitted),
    )


def _shuffled_labels(
    leaning: np.ndarray, counts: np.ndarray, effect: np.ndarray, spread: np.ndarray, permutations: int, seed: int
) -> tuple[Null, bool]:
    """The effects where the labels are shuffled, and whether that is in every way there is."""
    null = Null(effect)
    exact = len(counts) == 2 and comb(len(leaning), int(counts[0])) <= permutations
    for sums in all_sums(leaning, counts) if exact else drawn_sums(leaning, counts, permutations, seed):
        null.add(np.abs(minus_rest(sums, leaning.sum(axis=0), counts)) / spread)
    return null, exact


def _with_names(features: Features, names: dict[str, Sequence[str] | None]) -> Features:
    """The images whose columns hold one of these names; ValueError where there is no such name."""
    for column, chosen in names.items():
        if chosen is not None:
            text = np.array([class_text(value) for value in features.column(column)])
            if missing := sorted(set(map(str, chosen)) - set(text)):
                raise ValueError(
                    f"No image has the {column!r} {missing[0]!r}; there are: {', '.join(sorted(set(text)))}."
                )
            features = features.rows(np.isin(text, list(map(str, chosen))))
    return features
