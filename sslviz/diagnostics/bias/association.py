"""What does it associate?  Whether images of a class lie nearer those with an attribute than images of other classes do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.features import Features
from sslviz.features.columns import coded, stratified_half
from sslviz.statistics import Score, bootstrap_group_means
from sslviz.statistics.shuffling import Null, all_sums, chunks, drawn_sums, permuted

POWER = 0.84  # standard errors beyond the threshold: what is found in 80 of 100 samples
LABELS, ATTRIBUTE = "labels shuffled, 95 of 100", "attribute shuffled, 95 of 100"


@dataclass(frozen=True, eq=False)
class Association:
    """What does it associate?

    For each of `classes` (c,) of `label` and `values` (v,) of `attribute`: `margin` (c, v), by how much more cosine the
    class leans to the value than other classes do, and `effect` (c, v), the same in standard deviations (WEAT's d), both
    with low and high.  `as_is` is the effect without centring, `caps` (c,) the largest that classes of `counts` (c,)
    images can have.  `p_papers` is what shuffled labels alone would say, `p` the larger of that and what the shuffled
    attribute says, `p_corrected` the same for all (c, v) together; `p_floor` the least there can be, `exact` whether
    all partitions of the labels were tried.  `margin_reach` and `effect_reach` are what the largest of all stays below
    in 95 of 100 shufflings.  `settled`: whether each class has one value only, so that nothing can be told.
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
    as_is: np.ndarray
    caps: np.ndarray
    p_papers: np.ndarray
    p: np.ndarray
    p_corrected: np.ndarray
    p_floor: float
    exact: bool
    margin_reach: float
    effect_reach: float
    settled: bool

    @property
    def strongest(self) -> tuple[int, int]:
        """The class and the value of the largest margin, whichever its sign; of equals, a positive one."""
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
        at = self.strongest
        error = float(self.margin_high[at] - self.margin_low[at]) / 3.92
        spread = float(self.margin[at] / self.effect[at])  # both kinds of shuffling have to be passed
        return np.inf if self.settled else max(self.margin_reach, self.effect_reach * spread) + POWER * error

    def scores(self) -> dict[str, Score]:
        """`association`, the size of the largest margin, and its `effect`; neither direction is good in itself.

        Intervals take it as given which is the largest, and the attribute's images as they are.
        """
        at = self.strongest
        sign = 1 if self.margin[at] >= 0 else -1

        def sized(value: np.ndarray, low: np.ndarray, high: np.ndarray, controls: dict[str, float]) -> Score:
            ends = sorted((sign * float(low[at]), sign * float(high[at])))
            return Score(sign * float(value[at]), ends[0], ends[1], controls, None)

        return {
            "association": sized(self.margin, self.margin_low, self.margin_high, {ATTRIBUTE: self.margin_reach}),
            "effect": sized(self.effect, self.effect_low, self.effect_high, {LABELS: self.effect_reach}),
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

    An image leans to a value of `attribute` by its mean cosine to the images of `fit` with that value less that to those
    with the others, every class counting the same among them; features are centred by `fit` first, because most of a
    cosine is common to all.  Without `fit`, half of `features` (by `seed`) leans on the other half.  The margin of a
    class is how much more its images lean than the others do, its effect the same over the standard deviation of all
    (ddof 1).  With `targets` (two classes) and `attributes` (two values) it is the papers' test; else each against the
    rest.  p, two-sided: the papers shuffle the labels (`permutations` times, or every way there is), which calls an
    accident in the choice of attribute images an association wherever classes lie apart; so the attribute is shuffled
    within classes too, and the larger p counts, corrected by the largest of each shuffling (Westfall and Young).
    Intervals: bootstrap over the images that lean.  ValueError for missing or incomplete columns, names that are not
    there, classes with fewer than two images and constant features.

    Caveat: An effect is capped and in units of its own spread: it says how separate, not how far apart; and where classes
    differ in the attribute themselves, the images may be what associates: see cooccurrence.
    """
    wanted = {label: targets, attribute: attributes}
    features, fit = _among(features, wanted), None if fit is None else _among(fit, wanted)
    if fit is None:
        half = stratified_half(coded(features, label)[1], seed)
        features, fit = features.rows(~half), features.rows(half)
    return _associated(features, fit, label, attribute, permutations, seed)


def _associated(
    scored: Features, fitted: Features, label: str, attribute: str, permutations: int, seed: int
) -> Association:
    classes, codes = coded(scored, label)
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise ValueError(
            f"An association needs two images of each class that lean; of {label!r} {str(classes[counts.argmin()])!r} "
            f"there are {counts.min()}. Drop the class or add images."
        )
    bank_codes, (values, known) = coded(fitted, label)[1], coded(fitted, attribute)
    center = fitted.x.mean(axis=0, dtype=np.float64).astype(np.float32)
    unit, bank = unit_rows(scored.x - center), unit_rows(fitted.x - center)
    leaning = unit @ _against(bank, bank_codes, known).T  # (n, v)
    if not (leaning.std(axis=0) > 1e-9).all():
        raise ValueError("All images lean alike to every value; are the features constant?")
    margin, spread = _margins(leaning, codes), leaning.std(axis=0, ddof=1)
    by_label, by_value = Null(np.abs(margin) / spread), Null(np.abs(margin))
    exact = len(counts) == 2 and comb(len(codes), int(counts[0])) <= permutations
    for sums in all_sums(leaning, counts) if exact else drawn_sums(leaning, counts, permutations, seed):
        by_label.add(np.abs(_against_rest(sums, leaning.sum(axis=0), counts)) / spread)
    for drawn in _drawn_margins(unit, codes, bank, bank_codes, known, permutations, seed):
        by_value.add(np.abs(drawn))
    plain = unit_rows(scored.x) @ _against(unit_rows(fitted.x), bank_codes, known).T
    low, high = _intervals(leaning, codes, seed)
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
        as_is=_margins(plain, codes) / plain.std(axis=0, ddof=1),
        caps=np.sqrt((len(codes) - 1) / len(codes) / (share * (1 - share))),
        p_papers=by_label.p(exact),
        p=np.maximum(by_label.p(exact), by_value.p()),
        p_corrected=np.maximum(by_label.p_corrected(exact), by_value.p_corrected()),
        p_floor=max(by_label.floor(exact), by_value.floor()),
        exact=exact,
        margin_reach=by_value.reach,
        effect_reach=by_label.reach,
        settled=all(len(np.unique(known[bank_codes == c])) == 1 for c in np.unique(bank_codes)),
    )


def _among(features: Features, wanted: dict[str, Sequence[str] | None]) -> Features:
    """The images whose columns hold one of the wanted names; ValueError where there is no such name."""
    for column, names in wanted.items():
        if names is not None:
            text = np.array([str(value) for value in features.column(column)])
            if missing := sorted(set(map(str, names)) - set(text)):
                raise ValueError(
                    f"No image has the {column!r} {missing[0]!r}; there are: {', '.join(sorted(set(text)))}."
                )
            features = features.rows(np.isin(text, list(map(str, names))))
    return features


def _against(bank: np.ndarray, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each value, the mean of its images less that of the others', (v, d), every class counting the same."""
    v = values.max() + 1
    means = np.zeros((v, bank.shape[1]))
    for value in range(v):  # cell by cell, so that a class that is frequent with a value does not stand for it
        cells = [bank[(values == value) & (codes == c)] for c in np.unique(codes[values == value])]
        means[value] = np.mean([cell.mean(axis=0, dtype=np.float64) for cell in cells], axis=0)
    return _less_others(means, axis=0)


def _less_others(means: np.ndarray, axis: int) -> np.ndarray:
    v = means.shape[axis]
    return (means - means.mean(axis=axis, keepdims=True)) * (v / (v - 1))


def _margins(leaning: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """How much more each class leans than all other images do, (c, v)."""
    counts = np.bincount(codes)
    sums = np.stack([leaning[codes == c].sum(axis=0) for c in range(len(counts))])
    return _against_rest(sums, leaning.sum(axis=0), counts)


def _against_rest(sums: np.ndarray, total: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of each class less that of all other images, from sums (..., c, v)."""
    size = counts[:, None]
    return sums / size - (total - sums) / (counts.sum() - size)


def _drawn_margins(
    unit: np.ndarray,
    codes: np.ndarray,
    bank: np.ndarray,
    bank_codes: np.ndarray,
    known: np.ndarray,
    draws: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """The margins (b, c, v) had the attribute been dealt out differently within each class, a chunk at a time.

    A margin is the product of a direction of the classes with one of the attribute, so images are projected first.
    """
    rng = np.random.default_rng([seed, 1])
    c, v = codes.max() + 1, known.max() + 1
    toward = bank @ _margins(unit, codes).T  # (m, c)
    table = np.zeros((bank_codes.max() + 1, v), int)
    np.add.at(table, (bank_codes, known), 1)
    for b in chunks(draws, toward.size):
        means = np.zeros((b, v, c))
        for group, counts in enumerate(table):
            there = counts > 0
            starts = np.r_[0, np.cumsum(counts[there])[:-1]]
            sums = np.add.reduceat(permuted(toward[bank_codes == group], b, rng), starts, axis=1)
            means[:, there] += sums / counts[there][:, None]
        yield _less_others(means / (table > 0).sum(axis=0)[:, None], axis=1).swapaxes(1, 2)


def _intervals(leaning: np.ndarray, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Where 95 % of margins and effects (2, c, v) of other samples of images begin and end; drawn within each class."""
    v, n, counts = leaning.shape[1], len(codes), np.bincount(codes)
    both = bootstrap_group_means(np.concatenate([leaning, leaning**2], axis=1).T, codes, seed=seed)  # (b, 2v, c)
    sums = both.swapaxes(1, 2) * counts[:, None]  # (b, c, 2v)
    total, squares = sums[:, :, :v].sum(axis=1), sums[:, :, v:].sum(axis=1)
    spread = np.sqrt(np.maximum(squares - total**2 / n, 1e-18) / (n - 1))
    margins = _against_rest(sums[:, :, :v], total[:, None], counts)
    low, high = np.quantile(np.stack([margins, margins / spread[:, None]]), [0.025, 0.975], axis=1)
    return low, high
