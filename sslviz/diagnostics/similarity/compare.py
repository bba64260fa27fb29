"""Paired differences of every score that two results over the same images share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.diagnostics.result import Fitted, PerImage, Replicated, Result, Sampled, Stratified, are_others, caution
from sslviz.statistics import Score, bootstrap_balanced_mean, jackknife_interval, percentile_interval

# Fields of a result, and why its scores mean something else where they differ.
MUST_AGREE = {
    "label": "read the same column out of both",
    "n": "look at the same images in both",
    "d": "numbers of directions only compare at one width",
    "k": "ask for as many neighbours in both",
    "attribute": "ask about the same attribute in both",
    "group_column": "keep the same images together in both",
}
NO_DIFFERENCE = "no difference"
Ends = tuple[float, float] | tuple[None, None]  # of an interval


@dataclass(frozen=True, eq=False)
class Comparison:
    """Does one of two results read more than the other, image for image?

    - first, second: {score: value} of a and of b
    - low, high: the ends of the 95 % interval of the paired difference second - first; None where none can be had
    - higher_is_better: {score: bool or None}
    - kind: what was compared
    - label: of which column; "" for none
    - caution: a sentence that says that the two were fitted on different images, where that is known; else ""
    """

    kind: str
    label: str
    first: dict[str, float]
    second: dict[str, float]
    low: dict[str, float | None]
    high: dict[str, float | None]
    higher_is_better: dict[str, bool | None]
    caution: str = ""

    def scores(self) -> dict[str, Score]:
        """The differences b - a, beside none at all."""
        return {
            name: Score(value - self.first[name], self.low[name], self.high[name], {NO_DIFFERENCE: 0.0}, None)
            for name, value in self.second.items()
        }

    @property
    def winner(self) -> dict[str, int]:
        """{score: 1 where b is better, -1 where a is, 0 where the interval holds 0 or neither direction is better}."""
        return {name: self._sign(name) * self._good(name) for name in self.second}

    def sentence(self, name: str, a: str = "a", b: str = "b") -> str:
        """What would one say of this score?  "b reads shape better by 0.12 [0.08, 0.16]", and a caution if there is one."""
        return " ".join(filter(None, [self.claim(name, a, b), self.caution]))

    def claim(self, name: str, a: str = "a", b: str = "b") -> str:
        """The same without the caution."""
        sign, what = self._sign(name), self._what(name)
        difference = self.second[name] - self.first[name]
        low, high = self.low[name], self.high[name]
        if low is None or high is None:
            return f"{a} and {b} differ by {abs(difference):.2g} in {what}; there is no interval to judge it by."
        if sign == 0:
            return f"No difference in {what} between {a} and {b} can be told: {_interval(difference, low, high)}."
        if sign < 0:  # said of the one that reads more, so that numbers are positive
            difference, low, high = -difference, -high, -low
        more, less = (b, a) if sign > 0 else (a, b)
        by = _interval(difference, low, high)
        if self._good(name) == 0:
            return f"{more} has {what} higher than {less} by {by}, which is neither better nor worse in itself."
        if self._good(name) < 0:
            return f"{less} is better than {more} in {what}, lower by {by}."
        if self.label:
            return f"{more} reads {self.label} better than {less} by {by}."
        return f"{more} is better than {less} in {what}, higher by {by}."

    @property
    def sentences(self) -> dict[str, str]:
        """One sentence for each score, of "a" and "b"."""
        return {name: self.sentence(name) for name in self.second}

    def _sign(self, name: str) -> int:
        """1 where b reads more, -1 where it reads less, 0 where the interval does not say."""
        low, high = self.low[name], self.high[name]
        if low is None or high is None:
            return 0
        return int(low > 0) - int(high < 0)

    def _good(self, name: str) -> int:
        return {True: 1, False: -1, None: 0}[self.higher_is_better[name]]

    def _what(self, name: str) -> str:
        return f"{self.label} {name}".strip().replace("_", " ")


def compare(a: Any, b: Any) -> Comparison:
    """Which of two is better?

    `a` and `b` are results of one kind over the same images: of two checkpoints, two steps, two layers.  For each score
    that both have: the difference b - a with its 95 % interval, from the same resamples of images on both sides.  Means
    over images (a result with `per_image()`) are bootstrapped over images, within their classes where the score is
    class-balanced (`groups()`).  Images that were kept together are drawn together (`units`).  Spectra and the like (a
    result with `replicates`) are left to the delete-group jackknife.
    Of results that more pictures were shown for on one side, the common ones are compared.
    Control: no difference.  What luck the fit of a probe had is not resampled.  ValueError where kinds, images, labels,
    widths or k differ, or no score is shared.

    Caveat: It asks whether these two differ on images such as these; another training of the same method may differ
    from itself as much.
    """
    a, b = _of_common_pictures(a, b)
    _check(a, b)
    own, other = a.scores(), b.scores()
    shared = [name for name in own if name in other and not own[name].reason and not other[name].reason]
    if not shared:
        raise ValueError(
            f"These two have no score in common: {', '.join(own) or 'none'} and {', '.join(other) or 'none'}."
        )
    differences = {name: other[name].value - own[name].value for name in shared}
    ends: dict[str, Ends] = {name: (None, None) for name in shared}
    ends |= _from_images(a, b, shared)
    ends |= _from_replicates(a, b, differences)
    for name in shared:  # too few images for an interval of either are too few for that of their difference
        if own[name].low is None or other[name].low is None:
            ends[name] = (None, None)
    return Comparison(
        kind=type(a).__name__,
        label=str(getattr(a, "label", "")),
        first={name: own[name].value for name in shared},
        second={name: other[name].value for name in shared},
        low={name: ends[name][0] for name in shared},
        high={name: ends[name][1] for name in shared},
        higher_is_better={name: own[name].higher_is_better for name in shared},
        caution=caution({"": a, " ": b}),
    )


def _of_common_pictures(a: Any, b: Any) -> tuple[Any, Any]:
    """Both results of the pictures that both have, where one was had of a part of the other's."""
    if not (type(a) is type(b) and isinstance(a, Sampled) and isinstance(b, Sampled)):
        return a, b
    common = a.ids[np.isin(a.ids, b.ids)]
    if len(a.ids) == len(b.ids) or len(common) < min(len(a.ids), len(b.ids)):
        return a, b
    return a.of_pictures(common), b.of_pictures(common)


def _check(a: Any, b: Any) -> None:
    if type(a) is not type(b) or not isinstance(a, Result):
        raise ValueError(
            f"Two results of one kind are compared, but these are a {type(a).__name__} and a {type(b).__name__}."
        )
    for name, advice in MUST_AGREE.items():
        here, there = getattr(a, name, None), getattr(b, name, None)
        if here != there:
            raise ValueError(f"These two cannot be compared, as their {name} is {here!r} and {there!r}; {advice}.")
    if isinstance(a, Fitted) and isinstance(b, Fitted) and are_others([a.scored_on, b.scored_on]):
        raise ValueError(
            "Differences are paired image by image, but these two were scored on different images, though some are called "
            "the same; compute both on the same images."
        )
    digests = {getattr(one, "images", "") for one in (a, b)}
    images = {one for one in digests if isinstance(one, str)} - {""}  # empty where an older sslviz did not store them
    if len(images) > 1:
        raise ValueError(
            "Differences are paired image by image, but these two are of images with other ids, or in another order; "
            "compute both on the same images."
        )
    if hasattr(a, "ids") and set(a.ids) != set(b.ids):
        both = len(np.intersect1d(a.ids, b.ids))
        raise ValueError(
            f"Differences are paired image by image, but of {len(a.ids)} and {len(b.ids)} images only {both} are in "
            "both results; compute both on the same images."
        )


def _from_images(a: Any, b: Any, names: list[str]) -> dict[str, Ends]:
    """{score: interval} of those that are means over images; every score sees the same resamples."""
    if not isinstance(a, PerImage) or not isinstance(b, PerImage):
        return {}
    own, other = a.per_image(), b.per_image()
    found = [name for name in names if name in own and name in other]
    if not found:
        return {}
    order = _order(a.ids, b.ids)
    groups = a.groups() if isinstance(a, Stratified) else np.zeros(len(a.ids))
    if isinstance(b, Stratified) and not np.array_equal(groups, b.groups()[order]):
        raise ValueError("The same images are of other classes in the second result; compare results of one table.")
    differences = np.stack([other[name][order] - own[name] for name in found]).astype(float)
    draws = bootstrap_balanced_mean(differences, groups, seed=0, units=getattr(a, "units", None))
    return {name: percentile_interval(draws[:, i]) for i, name in enumerate(found)}


def _order(ids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where in `others` each of `ids` is: (n,)."""
    ranked = np.argsort(others)
    return ranked[np.searchsorted(others, ids, sorter=ranked)]


def _from_replicates(a: Any, b: Any, differences: dict[str, float]) -> dict[str, Ends]:
    """{score: interval} of those that were computed without a tenth of the images at a time.

    None where these were not the same images in both, as of another seed or with the rows in another order.
    """
    if not isinstance(a, Replicated) or not isinstance(b, Replicated):
        return {}
    if getattr(a, "seed", 0) != getattr(b, "seed", 0):
        return {}
    if not np.array_equal(getattr(a, "ids", ()), getattr(b, "ids", ())):
        return {}
    own, other = a.paired_replicates(), b.paired_replicates()
    return {
        name: jackknife_interval(value, other[name] - own[name])
        for name, value in differences.items()
        if name in own and name in other and len(own[name]) == len(other[name])
    }


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.2g} [{low:.2g}, {high:.2g}]"
