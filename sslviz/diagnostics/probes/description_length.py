"""Description length of a label given the features, by online coding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.probes.control_features import ControlFeatures, scored_and_fit
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import units_of
from sslviz.features import Features
from sslviz.features.columns import coded, folds
from sslviz.runtime.threads import one_thread
from sslviz.statistics import POWER_80, Score, bootstrap_balanced_mean, p_beyond, percentile_interval

SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)  # of the images, as in the paper
PENALTIES = (1e-3, 1e-1, 10.0)  # scikit-learn's C, for standardised features
UNIFORM_SHARES = (1e-3, 0.01, 0.1, 0.3, 1.0)  # of a uniform guess mixed into the readout's
MIN_IMAGES = 40  # to learn from and to code
FEW = 100  # images, of which every fifth is held out in turn, not one alone
SHUFFLES = 4  # of the labels; the one that takes the fewest bits is the control
LEARNING = 1.4  # times a saving that could be told with a code known beforehand
SHUFFLED, UNIFORM = "labels shuffled", "no features"


@dataclass(frozen=True, eq=False)
class DescriptionLength:
    """Result of `description_length`, of n images in the order in which they were coded.

    - label: the column that was coded
    - classes: names of its classes, (c,); each needs log2 c bits without features
    - ids: the images, (n,)
    - ends: where blocks begin and end, (b,); each block was coded by a readout of all images before it, the first without
    - bits: of each image, (n,)
    - control_bits: those of each control, {name: (n,)}
    - seed: of the order and of resamples
    - group_column, units: as of `Fitted`
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    ends: np.ndarray
    bits: np.ndarray
    control_bits: dict[str, np.ndarray]
    seed: int
    group_column: str = ""
    units: np.ndarray | None = None

    def per_image(self) -> dict[str, np.ndarray]:
        """The bits of each image: {"bits": (n,)}."""
        return {"bits": self.bits}

    def by_block(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images seen before a block, and its mean bits of an image, from the second block on: (b - 2,) each."""
        means = [bits[start:end].mean() for start, end in pairwise(self.ends[1:])]
        return self.ends[1:-1], np.array(means)

    @property
    def found(self) -> bool:
        """Whether the features save bits by more than luck, at 5 %."""
        high = self.scores()["bits"].high
        return bool(high is not None and high < np.log2(len(self.classes)))

    @property
    def detectable(self) -> float:
        """The least saving, in bits for an image, that would be found in 80 of 100 samples such as this.

        What a good code saves varies by twice as much, so that n images tell a saving of 2 * 2.8^2 / n nats.  This readout
        is learnt on the way, the more slowly the more classes there are: `LEARNING` was measured on planted spaces.
        """
        n = len(self.bits) if self.units is None else len(np.unique(self.units))
        told = 2 * POWER_80**2 / np.log(2) / n
        return float(LEARNING * np.sqrt(len(self.classes) - 1) * told)

    def hypothesis(self) -> Hypothesis:
        """That the label takes fewer bits with the features than without."""
        score, uniform = self.scores()["bits"], float(np.log2(len(self.classes)))
        statement = f"{self.label} takes {score.value:.2f} bits for an image with the features, {uniform:.2f} without."
        p = p_beyond(score, uniform) if score.value < uniform else 1.0
        return Hypothesis(statement, "bits", p, self.detectable, len(self.ids))

    def scores(self) -> dict[str, Score]:
        """`compression`, how many times fewer bits than without features, and `bits` for an image, beside the controls.

        Interval: bootstrap over images, for the readouts as fitted.
        """
        uniform = np.log2(len(self.classes))
        mean, controls = float(self.bits.mean()), {name: float(b.mean()) for name, b in self.control_bits.items()}
        draws = bootstrap_balanced_mean(self.bits, np.zeros(len(self.bits)), seed=self.seed, units=self.units)
        low, high = percentile_interval(draws)
        compressions = {UNIFORM: 1.0} | {name: float(uniform / value) for name, value in controls.items()}
        return {
            "compression": Score(float(uniform / mean), float(uniform / high), float(uniform / low), compressions),
            "bits": Score(mean, low, high, {UNIFORM: float(uniform)} | controls, higher_is_better=False),
        }


@one_thread
def description_length(
    features: Features, label: str = "label", *, control_features: ControlFeatures | None = None, seed: int = 0
) -> DescriptionLength:
    """How many bits does it take to say a label, given the features?

    Online coding (Voita and Titov, arXiv 2003.12298): images come in random order, in blocks of 0.1, 0.2, 0.4 ... 50, 100 %.
    The label of each is coded in the bits that a logistic regression of all images before its block gives it.  Those of
    the first block take log2 c.  The penalty, and the share of a uniform guess mixed in, are chosen anew for each block.  A
    fifth of the images before it decides, of fewer than 100 each fifth in turn.  With one fixed penalty random labels would
    take more bits than without any features.  A label that is easy to read is learnt from few images, and costs little.

    Images that share the `group` of the features are coded in one block, so that none is read off its copy.

    Scores: `compression` >= 0, n log2 c over all bits, 1 where the features say nothing; `bits` for an image.  Controls:
    the same labels shuffled (the best of four), about 1 where classes are even, and the `control_features` {name: Features,
    or (Features, fit Features)}, of which the first count.  ValueError for a missing or incomplete column, a single class
    and fewer than 40 images.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(60) % 2
        >>> x = 9 * np.eye(2)[label] + np.random.default_rng(0).normal(size=(60, 2))
        >>> result = sslviz.description_length(sslviz.Features.from_array(x, table={"label": label}))
        >>> result.scores()["compression"].beats_control
        True

    Caveat: A long description may come from few images as well as from poor features: compare spaces on the same images.
    """
    names, codes = coded(features, label)
    if len(codes) < MIN_IMAGES:
        raise ValueError(
            f"A description length needs {MIN_IMAGES} images, to learn from and to be told; got {len(codes)}."
        )
    order = _order(features, seed)
    first = min(max(10, 2 * len(names)), len(codes) // 4)
    ends = np.unique([0, first, *(max(first, round(share * len(codes))) for share in SHARES)])
    ordered, codes = features.rows(order), codes[order]
    ends = _between_units(ends, ordered.units)
    rng = np.random.default_rng([seed, 1])
    shuffled = [_bits(ordered.x, rng.permutation(codes), len(names), ends, ordered.units) for _ in range(SHUFFLES)]
    control_bits = {SHUFFLED: min(shuffled, key=lambda bits: bits.sum())}
    for name, control in (control_features or {}).items():
        x = scored_and_fit(control)[0].select(list(ordered.ids)).x
        control_bits[name] = _bits(x, codes, len(names), ends, ordered.units)
    bits = _bits(ordered.x, codes, len(names), ends, ordered.units)
    return DescriptionLength(label, names, ordered.ids, ends, bits, control_bits, seed, **units_of(ordered))


def _order(features: Features, seed: int) -> np.ndarray:
    """The images in random order, those of one unit behind each other."""
    rng = np.random.default_rng(seed)
    if features.units is None:
        return rng.permutation(len(features))
    return np.argsort(rng.permutation(features.units.max() + 1)[features.units], kind="stable")


def _between_units(ends: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """The ends of blocks, each moved on to where a unit ends; ValueError where no second block is left."""
    if units is None:
        return ends
    borders = np.flatnonzero(np.diff(units, prepend=-1, append=-1))
    moved = np.unique(borders[np.searchsorted(borders, ends)])
    if len(moved) < 3:
        raise ValueError("All images belong together, so that a readout of some can be tried on no other.")
    return moved


@small_classes()
def _bits(x: np.ndarray, codes: np.ndarray, k: int, ends: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """The bits of each label (n,), block by block."""
    bits = np.full(len(codes), np.log2(k))
    for start, end in pairwise(ends[1:]):
        standard = standardization(x[:start], silent_below=1e-6)
        own = None if units is None else units[:start]
        p = _probabilities(standard(x[:start]), codes[:start], standard(x[start:end]), k, own)
        bits[start:end] = -np.log2(p[np.arange(end - start), codes[start:end]])
    return bits


def _probabilities(x: np.ndarray, codes: np.ndarray, z: np.ndarray, k: int, units: np.ndarray | None) -> np.ndarray:
    """The probability of each class for each row of `z` (m, k), as confident as a fifth of the rows of `x` allows."""
    fold = folds(codes, 5, 0, units)
    few = (len(x) if units is None else len(np.unique(units))) < FEW
    held_out = [fold == f for f in (range(5) if few else (4,)) if 0 < (fold == f).sum() < len(x)]
    least, penalty, uniform_share = np.log2(k), PENALTIES[0], 1.0
    for c in PENALTIES if held_out else ():
        guesses = [_fitted(x[~h], codes[~h], x[h], k, c)[np.arange(h.sum()), codes[h]] for h in held_out]
        p = np.concatenate(guesses)
        for share in UNIFORM_SHARES[:-1]:
            bits = -np.log2((1 - share) * p + share / k)
            loss = bits.mean() + bits.std() / np.sqrt(len(bits))  # surely better, not by luck of a few
            if loss < least:
                least, penalty, uniform_share = loss, c, share
    if uniform_share == 1:
        return np.full((len(z), k), 1 / k)
    return (1 - uniform_share) * _fitted(x, codes, z, k, penalty) + uniform_share / k


def _fitted(x: np.ndarray, codes: np.ndarray, z: np.ndarray, k: int, c: float) -> np.ndarray:
    """The probabilities (m, k) of a logistic regression of `codes`, some of which may be missing."""
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(codes)
    p = np.zeros((len(z), k))
    if len(classes) == 1:
        p[:, classes] = 1
    else:
        p[:, classes] = LogisticRegression(C=c, max_iter=1000, tol=1e-3).fit(x, codes).predict_proba(z)
    return p
