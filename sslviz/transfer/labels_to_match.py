"""How many labels one encoder needs to be as good as another with so many: curves of accuracy, and where they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.statistics import Score, bootstrap_crossed_means, wider_levels

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracies at growing numbers of labels.

    - shots: labels a class, ascending, (s,)
    - of_draws: accuracy of each draw, (s, draws)
    - correct: whether each image was read rightly, (s, draws, n); None where only accuracies are known
    - groups: class of each image, (n,); None likewise
    - pairing: what two curves share whose draws and images are the same; empty: nothing
    - units: which images belong together, (n,); None: each stands for itself
    """

    shots: np.ndarray
    of_draws: np.ndarray
    correct: np.ndarray | None = None
    groups: np.ndarray | None = None
    pairing: str = ""
    units: np.ndarray | None = None

    def resampled(self, seed: int) -> np.ndarray:
        """The curve over other draws and other images, (resamples, s); where only accuracies are known, over draws."""
        draws = self.of_draws.shape[1]
        if draws < 2:
            return np.tile(self.of_draws[:, 0], (RESAMPLES, 1))
        if self.correct is not None and self.groups is not None:
            return bootstrap_crossed_means(self.correct, self.groups, resamples=RESAMPLES, seed=seed, units=self.units)
        times = np.random.default_rng(seed).multinomial(draws - 1, np.full(draws, 1 / draws), size=RESAMPLES)
        return times @ self.of_draws.T / (draws - 1)


@dataclass(frozen=True)
class LabelsToMatch:
    """How many labels of one are worth `labels` of the other.

    - labels: a class, given to the other
    - needed: the least number a class with which this one is as good; inf where it never is
    - needed_low, needed_high: its 95 % interval over draws and images; None for a single draw
    - least, most: labels a class between which this one was tried
    """

    labels: int
    needed: float
    needed_low: float | None
    needed_high: float | None
    least: int
    most: int

    @property
    def ratio(self) -> Score:
        """How many labels of the other one label of this one replaces; 1, the control, where both are alike.

        It cannot be told beyond the labels that were tried; an end of its interval is then the last that can be.
        """
        if not np.isfinite(self.needed):
            return Score.unknown(f"not as good with {self.most} labels a class, the most tried", {"alike": 1.0}, True)
        if self.needed <= self.least < self.labels:
            return Score.unknown(f"as good with {self.least} labels a class, the fewest tried", {"alike": 1.0}, True)
        ends = [None if end is None else self.labels / end for end in (self.needed_high, self.needed_low)]
        return Score(self.labels / self.needed, ends[0], ends[1], {"alike": 1.0})

    @property
    def needed_text(self) -> str:
        """The number needed and its interval: "2.1 [1.4, 3.3]", "1 or fewer [...]", "> 50"."""
        if not np.isfinite(self.needed) or self.needed_low is None or self.needed_high is None:
            return self._said(self.needed)
        value, low, high = map(self._said, (self.needed, self.needed_low, self.needed_high))
        return value if value == low == high else f"{value} [{low}, {high}]"

    def sentence(self, this: str, other: str) -> str:
        """In words: "10 labels a class with pixels are worth 2.1 [1.4, 3.3] with simclr"."""
        return f"{self.labels} labels a class with {other} are worth {self.needed_text} with {this}"

    def _said(self, labels: float) -> str:
        if not np.isfinite(labels):
            return f"> {self.most}"
        if labels <= self.least:
            return f"{self.least} or fewer"
        return f"{labels:.2g}" if labels < 10 else f"{labels:.0f}"


def labels_to_match(this: Curve, other: Curve, labels: int, seed: int) -> LabelsToMatch:
    """The least number of labels with which `this` is as good as `other` with so many.

    Mean curves are made to rise (isotonic regression) and run straight in the logarithm of labels between shots.  The
    interval resamples draws and images, the same for both where they share these.
    """
    at = int(np.searchsorted(other.shots, labels))
    if at == len(other.shots) or other.shots[at] != labels:
        raise ValueError(f"Accuracies are known at {', '.join(map(str, other.shots))} labels a class; got {labels}.")
    paired = bool(this.pairing) and this.pairing == other.pairing
    target = rising(other.of_draws.mean(axis=1)[None])[:, at]
    value = float(reached(rising(this.of_draws.mean(axis=1)[None]), this.shots, target)[0])
    low = high = None
    draws = min(this.of_draws.shape[1], other.of_draws.shape[1])
    if draws > 1:
        theirs = rising(other.resampled(seed if paired else seed + 1))[:, at]
        found = reached(rising(this.resampled(seed)), this.shots, theirs)
        # As for an interval that rests on the draws alone, which are the fewer.
        low, high = (float(end) for end in np.quantile(found, wider_levels(draws - 1), method="nearest"))
    return LabelsToMatch(int(labels), value, low, high, int(this.shots[0]), int(this.shots[-1]))


def rising(curves: np.ndarray) -> np.ndarray:
    """The isotonic regression of each curve (b, s), all points alike: the least square change that makes it rise.

    By its min-max formula: the largest over starts of the least over ends of the mean in between.
    """
    s = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    fitted = np.full(curves.shape, -np.inf)
    for i in range(s):
        for start in range(i + 1):
            ends = np.arange(i + 1, s + 1)
            least = ((sums[:, ends] - sums[:, [start]]) / (ends - start)).min(axis=1)
            fitted[:, i] = np.maximum(fitted[:, i], least)
    return fitted


def reached(curves: np.ndarray, shots: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The least number of labels at which each rising curve (b, s) is at its target (b,): inf for never, at least shots[0]."""
    above = curves >= targets[:, None] - 1e-12
    first = above.argmax(axis=1)
    rows, before = np.arange(len(curves)), np.maximum(first - 1, 0)
    rise = curves[rows, first] - curves[rows, before]
    share = np.divide(targets - curves[rows, before], rise, out=np.ones(len(curves)), where=rise > 0)
    logs = np.log(shots)
    labels = np.exp(logs[before] + np.clip(share, 0, 1) * (logs[first] - logs[before]))
    return np.where(above.any(axis=1), labels, np.inf)
