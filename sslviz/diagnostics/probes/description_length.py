"""How many bits does it take to say a label, given the features?  Online coding, which counts the effort as well."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sslviz.diagnostics.probes.probe import Controls
from sslviz.features import Features
from sslviz.features.columns import coded, place_in_class
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, bootstrap_balanced_mean, percentile_interval

SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)  # of the images, as in the paper
PENALTIES = (1e-3, 1e-1, 10.0)  # scikit-learn's C, for standardised features
DOUBT = (1e-3, 0.01, 0.1, 0.3, 1.0)  # how much of a uniform guess is mixed in
FEW = 100  # images, of which every fifth is held out in turn, not one alone
SHUFFLES = 4  # of the labels; the one that takes the fewest bits is the control
SHUFFLED, UNIFORM = "labels shuffled", "no features"


@dataclass(frozen=True, eq=False)
class DescriptionLength:
    """How many bits does it take to say a label, given the features?

    `bits` (n,) of the images `ids`, in the order in which they were said; each block between two of `ends` (b,) was
    coded by a readout of all images before it, the first block without one.  `controls` {name: (n,) bits}.  `classes` (c,)
    need log2 c bits each without features.
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    ends: np.ndarray
    bits: np.ndarray
    controls: dict[str, np.ndarray]
    seed: int

    def per_image(self) -> dict[str, np.ndarray]:
        """The bits of each image: {"bits": (n,)}."""
        return {"bits": self.bits}

    def by_block(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many images had been seen, and the mean bits of an image then, from the second block on: (b - 2,) each."""
        parts = [bits[a:b].mean() for a, b in pairwise(self.ends[1:])]
        return self.ends[1:-1], np.array(parts)

    def scores(self) -> dict[str, Score]:
        """`compression`, how many times fewer bits than without features, and `bits` for an image, beside the controls.

        Interval: bootstrap over images, for the readouts as fitted.
        """
        plain = np.log2(len(self.classes))
        mean, controls = float(self.bits.mean()), {name: float(b.mean()) for name, b in self.controls.items()}
        draws = bootstrap_balanced_mean(self.bits, np.zeros(len(self.bits)), seed=self.seed)
        low, high = percentile_interval(draws)
        compressions = {UNIFORM: 1.0} | {name: float(plain / value) for name, value in controls.items()}
        return {
            "compression": Score(float(plain / mean), float(plain / high), float(plain / low), compressions),
            "bits": Score(mean, low, high, {UNIFORM: float(plain)} | controls, higher_is_better=False),
        }


@one_thread
def description_length(
    features: Features, label: str = "label", *, controls: Controls | None = None, seed: int = 0
) -> DescriptionLength:
    """How many bits does it take to say a label, given the features?

    Online coding (Voita and Titov, arXiv 2003.12298): images come in random order, in blocks of 0.1, 0.2, 0.4 ... 50, 100 %;
    the label of each is said in the bits that a logistic regression of all images before its block gives it, those of
    the first block in log2 c.  The penalty, and how much of a uniform guess is mixed in, are chosen anew for each
    block by a fifth of the images before it (of fewer than 100, by each fifth in turn): with one fixed penalty random
    labels would take more bits than without any features.  A label that is easy to read is learnt from few images, and
    costs little.  Scores: `compression` >= 0, n log2 c over all bits, 1 where the features say nothing; `bits` for an
    image.  Controls: the same labels shuffled (the best of four), about 1 where classes are even; the `controls` {name:
    Features, or (Features, fit Features)}, of which the first count.  ValueError for a missing or incomplete column, a
    single class and fewer than 40 images.

    Caveat: A long description may come from few images as well as from poor features: compare spaces on the same images.
    """
    names, codes = coded(features, label)
    if len(codes) < 40:
        raise ValueError(f"A description length needs 40 images, to learn from and to be told; got {len(codes)}.")
    order = np.random.default_rng(seed).permutation(len(codes))
    first = min(max(10, 2 * len(names)), len(codes) // 4)
    ends = np.unique([0, first, *(max(first, round(share * len(codes))) for share in SHARES)])
    told = features.rows(order)
    rng = np.random.default_rng([seed, 1])
    shuffled = [_bits(told.x, rng.permutation(codes[order]), len(names), ends) for _ in range(SHUFFLES)]
    beside = {SHUFFLED: min(shuffled, key=lambda bits: bits.sum())}
    for name, control in (controls or {}).items():
        space = control[0] if isinstance(control, tuple) else control
        beside[name] = _bits(space.select(list(told.ids)).x, codes[order], len(names), ends)
    bits = _bits(told.x, codes[order], len(names), ends)
    return DescriptionLength(label, names, told.ids, ends, bits, beside, seed)


def _bits(x: np.ndarray, codes: np.ndarray, k: int, ends: np.ndarray) -> np.ndarray:
    bits = np.full(len(codes), np.log2(k))
    for a, b in pairwise(ends[1:]):
        center, scale = x[:a].mean(axis=0), x[:a].std(axis=0)
        scale[scale < 1e-6 * scale.max()] = np.inf  # what has not varied yet says nothing
        seen, told = (x[:a] - center) / scale, (x[a:b] - center) / scale
        bits[a:b] = -np.log2(_guess(seen, codes[:a], told, k)[np.arange(b - a), codes[a:b]])
    return bits


def _guess(x: np.ndarray, codes: np.ndarray, z: np.ndarray, k: int) -> np.ndarray:
    """The probability of each class for each row of `z` (m, k), as confident as a fifth of the rows of `x` allows."""
    fold = place_in_class(codes, 0) % 5
    held = [fold == f for f in (range(5) if len(x) < FEW else (4,)) if (fold == f).any()]
    best, penalty, doubt = np.log2(k), PENALTIES[0], 1.0
    for c in PENALTIES if held else ():
        guesses = [_fitted(x[~h], codes[~h], x[h], k, c)[np.arange(h.sum()), codes[h]] for h in held]
        p = np.concatenate(guesses)
        for share in DOUBT[:-1]:
            bits = -np.log2((1 - share) * p + share / k)
            if (loss := bits.mean() + bits.std() / np.sqrt(len(bits))) < best:  # surely better, not by luck of a few
                best, penalty, doubt = loss, c, share
    if doubt == 1:
        return np.full((len(z), k), 1 / k)
    return (1 - doubt) * _fitted(x, codes, z, k, penalty) + doubt / k


def _fitted(x: np.ndarray, codes: np.ndarray, z: np.ndarray, k: int, c: float) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    found = np.unique(codes)
    p = np.zeros((len(z), k))
    if len(found) == 1:
        p[:, found] = 1
    else:
        p[:, found] = LogisticRegression(C=c, max_iter=200, tol=1e-3).fit(x, codes).predict_proba(z)
    return p
