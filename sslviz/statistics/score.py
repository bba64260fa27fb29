"""What does a number say once its uncertainty and its controls stand beside it?

A `Score` is the only form in which sslviz shows a number: the value, a 95 % interval where one can be had, and what
the same number reads where there is nothing to find.  The resampling every diagnostic shares lives here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Score:
    """Should this number be believed?  A value with its 95 % interval and its controls.

    `controls` maps a name ("chance", "untrained", "noise") to what the number reads there.  `control_is` says how to
    read them: a "floor" is to be beaten, a "ceiling" is what an ideal structureless space would read and is not to be
    passed.  `higher_is_better` is None where neither direction is good in itself.
    """

    value: float
    low: float | None = None
    high: float | None = None
    controls: Mapping[str, float] = field(default_factory=dict)
    higher_is_better: bool | None = True
    control_is: Literal["floor", "ceiling"] = "floor"

    @property
    def control(self) -> float | None:
        """The strongest control: the one to beat, or the ceiling not to expect to pass; None without controls."""
        values = [v for v in self.controls.values() if np.isfinite(v)]
        if not values:
            return None
        return min(values) if self.higher_is_better is False else max(values)

    @property
    def beats_control(self) -> bool | None:
        """Whether the whole interval lies beyond the strongest control; None where that means nothing or is not known.

        Without an interval it is not known: a value alone may lie beyond a control by luck.
        """
        if self.control is None or self.higher_is_better is None or self.control_is == "ceiling":
            return None
        if self.low is None or self.high is None:
            return None
        return bool(self.low > self.control) if self.higher_is_better else bool(self.high < self.control)

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form that `sslviz diagnose --json` writes; a number that is not finite becomes null."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "control": _finite(self.control),
            "controls": {name: _finite(value) for name, value in self.controls.items()},
            "higher_is_better": self.higher_is_better,
        }

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{_short(self.low)}, {_short(self.high)}]"
        if self.control is None:
            return f"{_short(self.value)}{interval}"
        name = next(k for k, v in self.controls.items() if v == self.control)
        return f"{_short(self.value)}{interval}  vs {_short(self.control)} {name}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _short(value: float) -> str:
    """Two or three significant figures, without scientific notation where a person would not write it."""
    if not np.isfinite(value):
        return "n/a"
    magnitude = abs(value)
    if 1e-4 <= magnitude < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if magnitude < 10 else f"{value:.1f}" if magnitude < 100 else f"{value:,.0f}"


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """Between which values do 95 % of the resampled numbers lie?  `draws` (b,) -> (low, high)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def jackknife_interval(value: float, replicates: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """How far could `value` lie elsewhere on other images?  95 % interval from the delete-group jackknife.

    `replicates` (g,) are the same number without one of g random groups of rows at a time; (None, None) for fewer
    than two, or where one of them does not exist.  Resampling rows with repetition would bias spectra (a repeated row
    adds no direction); leaving some out does not, because only the spread of the replicates is used.  Student's t
    with g - 1 degrees of freedom.
    """
    from scipy.special import stdtrit

    g = len(replicates)
    if g < 2 or not np.isfinite(replicates).all():
        return None, None
    error = np.sqrt((g - 1) / g * ((replicates - replicates.mean()) ** 2).sum())
    reach = float(stdtrit(g - 1, 0.975) * error)
    return value - reach, value + reach


def delete_groups(n: int, groups: int = 10, seed: int = 0) -> np.ndarray:
    """Which images are left out together in a jackknife?  Group numbers (n,), the same for every space of n images.

    At random: rows lie in the order of their class often enough that every tenth would not do.  A single group, so
    that there is nothing to leave out, for fewer than two rows a group.
    """
    return np.random.default_rng(seed).permutation(n) % (groups if n >= 2 * groups else 1)


def balanced_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """What is the mean of `values` (n,) when every group counts the same?  0/1: class-balanced accuracy."""
    _, codes = np.unique(groups, return_inverse=True)
    return float((np.bincount(codes, values) / np.bincount(codes)).mean())


def bootstrap_balanced_mean(values: np.ndarray, groups: np.ndarray, *, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How would the class-balanced mean vary over other samples of images?  Returns (draws,) resampled means.

    `values` (n,), or (m, n) for m paired quantities over the same images, which gives (draws, m): all m see the same
    resamples, so that differences between them are paired.  Images are resampled within their group, so that no group
    can vanish.
    """
    means = bootstrap_group_means(np.atleast_2d(values), groups, draws=draws, seed=seed).mean(axis=2)
    return means[:, 0] if np.ndim(values) == 1 else means


def bootstrap_group_means(values: np.ndarray, groups: np.ndarray, *, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How would the mean of each group vary over other samples of images?  `values` (m, n) -> (draws, m, groups).

    Groups come in the order of their sorted names; resampling as in `bootstrap_balanced_mean`.
    """
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    names, codes = np.unique(groups, return_inverse=True)
    means = np.zeros((draws, len(values), len(names)))
    for code in range(len(names)):
        member = values[:, codes == code]  # (m, n_g)
        n = member.shape[1]
        step = max(1, 2**20 // n)  # so that 100,000 images do not need 1000 copies of themselves at once
        for start in range(0, draws, step):
            part = means[start : start + step, :, code]
            row = n * np.arange(len(part))[:, None]
            drawn = (rng.integers(n, size=(len(part), n), dtype=np.int32) + row).ravel()
            times = np.bincount(drawn, minlength=len(part) * n).reshape(len(part), n)  # how often each image is drawn
            part[:] = times @ member.T / n
    return means


def permutation_p(value: float, null: np.ndarray) -> float:
    """How often does chance reach this value?  (1 + draws of `null` (b,) that do) / (1 + b), one-sided.

    Counting the value itself among the draws keeps the test exact: it is never 0, and 1 / (1 + b) at the least.  A draw
    that equals the value but for rounding reaches it.
    """
    slack = 1e-9 * max(1.0, abs(value))
    return float((1 + np.count_nonzero(null >= value - slack)) / (1 + len(null)))


def holm(p: np.ndarray) -> np.ndarray:
    """Which of several tests hold, if none may hold by luck?  Holm's adjusted p-values, in the shape of `p`.

    Those below 0.05 may all be claimed: the chance that any of them is false is at most 5 %, whatever their dependence.
    """
    flat = np.ravel(np.asarray(p, dtype=float))
    order = np.argsort(flat)
    adjusted = np.empty(len(flat))
    adjusted[order] = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    return np.minimum(adjusted, 1).reshape(np.shape(p))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Which of a grid of tests are worth following up?  Adjusted p-values, in the shape of `p`.

    Of those below 0.05, 5 % are expected to be false, where tests are independent or positively dependent (Benjamini
    and Hochberg 1995): enough to explore with, too little to confirm with; `holm` is for that.
    """
    flat = np.ravel(np.asarray(p, dtype=float))
    order = np.argsort(flat)[::-1]  # the largest first
    adjusted = np.empty(len(flat))
    adjusted[order] = np.minimum.accumulate(flat[order] * len(flat) / np.arange(len(flat), 0, -1))
    return np.minimum(adjusted, 1).reshape(np.shape(p))
