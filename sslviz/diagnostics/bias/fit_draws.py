"""Images to fit on at a chosen bias: which value of an attribute goes with which class, and draws in which they agree."""

from __future__ import annotations

import numpy as np

DRAWS = 4  # of the images fitted on, at each bias
MIN_FIT_IMAGES = 16  # to be drawn at every bias


def likely_pairs(codes: np.ndarray, cues: np.ndarray, classes: int, values: int) -> np.ndarray:
    """The value that goes with each class most, (classes,); no value has two classes before each has one."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, values))
    np.add.at(counts, (codes, cues), 1)
    lift = counts / counts.sum(axis=1, keepdims=True) / counts.sum(axis=0)
    copies = -(-classes // values)  # with fewer values than classes, some go with several
    return linear_sum_assignment(-np.tile(lift, copies))[1] % values


def dependent(codes: np.ndarray, cues: np.ndarray) -> bool:
    """Whether classes and values of the images go together by more than luck, at 5 %: chi-squared."""
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import crosstab

    return bool(chi2_contingency(crosstab(codes, cues).count, correction=False).pvalue < 0.05)


def contrasting_classes(
    codes: np.ndarray,
    cues: np.ndarray,
    truth: np.ndarray,
    cue: np.ndarray,
    pairs: np.ndarray,
    biases: np.ndarray,
    m: int,
) -> np.ndarray:
    """Classes that show their pair and something else, to be fitted on at every bias and to be scored: (k,) bool.

    Where all together leave too few images to fit on, the class with the fewest goes, and so on.
    """
    k = len(pairs)
    each = np.zeros(k, int)
    for c in range(k):
        own, scored = codes == c, truth == c
        agreeing, conflicting = (own & (cues == pairs[c])).sum(), (own & (cues != pairs[c])).sum()
        if (scored & (cue == pairs[c])).any() and (scored & (cue != pairs[c])).any():
            each[c] = images_at_every_bias(int(agreeing), int(conflicting), biases)
    kept = each > 0
    while kept.sum() > 2 and (each[kept].min() // m * m) * kept.sum() < MIN_FIT_IMAGES:
        kept[np.flatnonzero(kept)[each[kept].argmin()]] = False
    return kept


def images_at_every_bias(agreeing: int, conflicting: int, biases: np.ndarray) -> int:
    """How many images can be drawn of a class with so many that show its pair, and so many that do not."""
    return min(int(agreeing / biases.max()), *(int(conflicting / (1 - bias)) for bias in biases[biases < 1]))


def draw_at_biases(
    codes: np.ndarray, cues: np.ndarray, pairs: np.ndarray, m: int, biases: np.ndarray, seed: int
) -> list[list[np.ndarray]]:
    """Rows to fit on, DRAWS times for each bias: always as many, and of each class as many."""
    k = len(pairs)
    aligned = pairs[codes] == cues
    available = np.array([[(aligned & (codes == c)).sum(), (~aligned & (codes == c)).sum()] for c in range(k)])
    each = images_at_every_bias(int(available[:, 0].min()), int(available[:, 1].min()), biases)
    each -= each % m  # so that fitting evenly is exactly even
    if each * k < MIN_FIT_IMAGES:
        raise ValueError(
            f"Only {each * k} images can be drawn to fit on at every bias, but {MIN_FIT_IMAGES} are needed: of some class "
            f"there are {available[:, 0].min()} that show the attribute it goes with, or {available[:, 1].min()} that do "
            "not."
        )
    rng = np.random.default_rng(seed)
    return [[_draw(codes, cues, aligned, k, each, bias, rng) for _ in range(DRAWS)] for bias in biases]


def _draw(
    codes: np.ndarray, cues: np.ndarray, aligned: np.ndarray, k: int, each: int, bias: float, rng: np.random.Generator
) -> np.ndarray:
    """`each` images of every class, a share `bias` of them aligned, the others of every other value about as many."""
    rows = []
    for c in range(k):
        agreeing = rng.permutation(np.flatnonzero(aligned & (codes == c)))
        conflicting = rng.permutation(np.flatnonzero(~aligned & (codes == c)))
        rank = np.zeros(len(conflicting), int)  # within the images of one value
        for value in np.unique(cues[conflicting]):
            own = cues[conflicting] == value
            rank[own] = np.arange(own.sum())
        many = int(round(bias * each))
        rows += [agreeing[:many], conflicting[np.argsort(rank, kind="stable")][: each - many]]
    return np.concatenate(rows)
