"""How tight are the classes?  The variance within them by that between them, beside classes drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from sslviz.features import Features
from sslviz.features.columns import in_order
from sslviz.statistics import Score, delete_groups, jackknife_interval

RCOND = 1e-12  # of the largest eigenvalue between classes: below it is rounding, as in a pseudo-inverse


@dataclass(frozen=True, eq=False)
class NeuralCollapse:
    """The tightness of the classes of `label`, of `n` images in `d` dimensions.

    - images: `Features.images`
    - classes: names (c,)
    - counts: images of each class (c,)
    - values: {score: value}
    - shuffled: the same with the labels shuffled
    - by_class: CDNV of each class, averaged over the other classes (c,)
    - shuffled_by_class: the same with the labels shuffled
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time
    """

    images: str
    n: int
    d: int
    label: str
    classes: np.ndarray
    counts: np.ndarray
    values: dict[str, float]
    shuffled: dict[str, float]
    by_class: np.ndarray
    shuffled_by_class: np.ndarray
    replicates: dict[str, np.ndarray]

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images."""
        return self.replicates

    def scores(self) -> dict[str, Score]:
        """`nc1` and `cdnv` beside what they read with the labels shuffled: lower means tighter than by chance."""
        scores = {}
        for name, value in self.values.items():
            low, high = jackknife_interval(value, self.replicates[name])
            low = None if low is None else max(low, 0.0)
            scores[name] = Score(value, low, high, {"labels shuffled": self.shuffled[name]}, higher_is_better=False)
        return scores


def neural_collapse(features: Features, label: str = "label", *, seed: int = 0) -> NeuralCollapse:
    """How tight are the classes?

    Scores, every class counting the same; lower is tighter, 0 where every class is one point:
    - `nc1`: variance within classes in units of that between their means, tr(S_W S_B^+) / classes (arXiv 2008.08186)
    - `cdnv`: the mean over pairs of classes of (v_i + v_j) / (2 |m_i - m_j|^2) (arXiv 2112.15121)

    Control: "labels shuffled" with `seed`; classes tighter than that are in the features.  Interval: delete-group
    jackknife over ten random groups of images.  ValueError for a missing or incomplete column, a single class, a class
    with fewer than two images, and where two classes have the same mean.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(60) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(60, 3))
        >>> score = sslviz.neural_collapse(sslviz.Features.from_array(x, table={"label": label})).scores()["cdnv"]
        >>> score.value < 0.05 < score.control
        True

    Caveat: Tight is not good in itself: an encoder in which nothing but the class is left has thrown everything else
    away.
    """
    classes, codes = _classes(features, label)
    x = features.x.astype(np.float64)
    x -= x.mean(axis=0)
    whole = _measure(x, codes, len(classes))
    if not np.isfinite(whole.cdnv):
        raise ValueError(
            f"Two classes of {label!r} have exactly the same mean, so that nothing lies between them; are the features "
            "constant?"
        )
    shuffled = _measure(x, np.random.default_rng(seed).permutation(codes), len(classes))
    group = delete_groups(len(x), seed=seed)
    kept = [group != g for g in range(group.max() + 1)] if group.any() else []
    rests = [_measure(x[rows], codes[rows], len(classes)) for rows in kept]
    return NeuralCollapse(
        images=features.images,
        n=len(x),
        d=x.shape[1],
        label=label,
        classes=classes,
        counts=np.bincount(codes),
        values={"nc1": whole.nc1, "cdnv": whole.cdnv},
        shuffled={"nc1": shuffled.nc1, "cdnv": shuffled.cdnv},
        by_class=whole.by_class,
        shuffled_by_class=shuffled.by_class,
        replicates={"nc1": np.array([r.nc1 for r in rests]), "cdnv": np.array([r.cdnv for r in rests])},
    )


class _Measured(NamedTuple):
    nc1: float
    cdnv: float
    by_class: np.ndarray


def _measure(x: np.ndarray, codes: np.ndarray, classes: int) -> _Measured:
    """Both scores of centred rows, without a d x d matrix: only the variance along the class means counts."""
    from scipy.sparse import csr_array

    counts = np.bincount(codes, minlength=classes)
    one_hot = csr_array((1 / counts[codes], (codes, np.arange(len(x)))), shape=(classes, len(x)))
    one_hot = one_hot[counts > 0]  # (c, n), rows that average; a jackknife may leave out a whole class
    means = one_hot @ x
    squares = np.einsum("nd,nd->n", x, x)
    variances = np.maximum(one_hot @ squares - (means**2).sum(axis=1), 0)
    c = len(means)
    _, sizes, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    between = sizes**2 / c
    real = between > RCOND * max(between[0], squares.mean())
    along = x @ axes[real].T  # (n, c - 1)
    within = (one_hot @ along**2 - (one_hot @ along) ** 2).mean(axis=0)
    nc1 = float((within / between[real]).sum() / c) if real.any() else np.inf
    lengths = (means**2).sum(axis=1)
    apart = np.maximum(lengths[:, None] + lengths - 2 * means @ means.T, 0)
    ratios = np.divide(
        (variances[:, None] + variances) / 2, apart, out=np.full((c, c), np.inf), where=apart > RCOND * squares.mean()
    )
    np.fill_diagonal(ratios, 0)
    by_class = ratios.sum(axis=1) / (c - 1)
    return _Measured(nc1, float(by_class.mean()), by_class)


def _classes(features: Features, label: str) -> tuple[np.ndarray, np.ndarray]:
    values = features.column(label)
    if missing := int(pd.isna(values).sum()):
        raise ValueError(
            f"The column {label!r} has no value for {missing} of {len(values)} images; drop those rows or fill them in."
        )
    names, codes, counts = np.unique(np.array([str(v) for v in values]), return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        raise ValueError(
            f"The tightness of classes needs two classes of {label!r} at least, with two images each; got {len(names)}, "
            f"the smallest ({str(names[counts.argmin()])!r}) with {counts.min()}."
        )
    order = pd.Index(names).get_indexer(pd.Index(in_order(names.tolist())))  # 9 before 10
    return names[order], np.argsort(order)[codes]
