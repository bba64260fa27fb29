"""Where does it fail without being told?  Regions of the features in which a readout errs more than elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, permutation_p, wilson
from sslviz.statistics.shuffling import chunks, permuted

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

RANDOM = "random slices, 95 of 100"
DIRECTIONS = 16  # of the features, the most important ones: a region of more is a region of noise
WEIGHT = 2.0  # of label and error beside a direction of the features, whose mean variance is 1
LEAST_VARIANCE = 0.1  # of a slice along any of these: what is narrower is not a region but a point
IMAGES = 20  # per slice on average, at least
ERRORS = 5  # per slice that starts among the images read wrongly, at least
FEWEST = 5  # images that judge a slice, at least
DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Slices:
    """Where does it fail without being told?

    Of the images that judge: `ids` (n,), `member` (n,) the number of each one's slice (-1 for one of too few images to
    be judged), `certainty` (n,) how surely it belongs there; `truth` and `predicted` (n,) index `classes`.  Of each
    slice, in the order in which the images that find slices call them bad: `sizes` (s,), `errors` (s,) the share read
    wrongly, `low` and `high`, `expected` (s,) that of random slices with the same predictions, `reach` (s,) what it
    would have to exceed for the worst of random slices to do so in 5 of 100 draws only, and `p_corrected` (s,) for all
    slices together.  `n_found` images found the slices.
    """

    label: str
    classes: np.ndarray
    ids: np.ndarray
    member: np.ndarray
    certainty: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    sizes: np.ndarray
    errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    expected: np.ndarray
    reach: np.ndarray
    p_corrected: np.ndarray
    n_found: int

    @property
    def found(self) -> bool:
        """Whether any slice fails more than luck explains, at 5 % for all of them together."""
        return bool(self.p_corrected.min() < 0.05)

    def images(self, number: int, *, wrong: bool | None = None) -> np.ndarray:
        """The ids of a slice's images, the surest first, for a gallery; with `wrong`, only those read so."""
        rows = np.flatnonzero(self.member == number)
        if wrong is not None:
            rows = rows[(self.truth != self.predicted)[rows] == wrong]
        return self.ids[rows[np.argsort(-self.certainty[rows], kind="stable")]]

    def mostly(self, number: int) -> tuple[str, str]:
        """What most images of a slice are, and what most of those read wrongly are taken for ("" if none is)."""
        rows = self.member == number
        wrong = rows & (self.truth != self.predicted)
        taken = str(self.classes[np.bincount(self.predicted[wrong]).argmax()]) if wrong.any() else ""
        return str(self.classes[np.bincount(self.truth[rows]).argmax()]), taken

    def scores(self) -> dict[str, Score]:
        """`worst_slice`: the share read wrongly in the slice that other images than these call the worst.

        As others chose it, the choice does not flatter it.
        """
        worst = Score(
            float(self.errors[0]), float(self.low[0]), float(self.high[0]), {RANDOM: float(self.reach[0])}, None
        )
        return {"worst_slice": worst}


@one_thread
def slices(
    features: Features, label: str = "label", *, fit: Features | None = None, components: int = 20, seed: int = 0
) -> Slices:
    """Where does it fail without being told?  Slice discovery in the manner of Domino (arXiv 2203.14960), held to luck.

    A `linear_probe` reads `label`.  On half of the images it is scored on, a mixture of at most `components` Gaussians
    over the 16 main directions of the features, the label and the error finds slices; the other half is put into them by
    its features alone and judges them.  Share of errors of each slice, beside random slices of the same predictions:
    errors shuffled within each predicted class, 2,000 times; p corrected for all slices by the worst of each draw.  Score:
    `worst_slice`, chosen by the half that finds.  Interval: Wilson's.  ValueError as for `linear_probe`, and for too few
    images to judge any slice.

    Caveat: A slice is a region, not a reason: look at its images before naming it, and what no region of these features
    holds apart is not found.
    """
    probe = linear_probe(features, label, fit=fit, seed=seed)
    scored = features.select(list(probe.ids))
    finds = stratified_half(probe.truth, seed)
    wrong = (~probe.correct).astype(float)
    x = _directions(scored.x, finds)
    seen = np.column_stack([x, WEIGHT * np.eye(len(probe.classes))[probe.truth], WEIGHT * wrong])
    certainty = _certainty(_mixture(seen[finds], wrong[finds] > 0, components, seed), x)
    member = certainty.argmax(axis=1)
    judged = np.flatnonzero(np.bincount(member[~finds], minlength=certainty.shape[1]) >= FEWEST)
    if len(judged) == 0:
        raise ValueError(f"No slice has {FEWEST} images to judge it by; bring more than these {len(wrong)}.")
    within = member[:, None] == judged  # (n, s)
    before = _Excess(wrong[finds], probe.predicted[finds], within[finds])
    judged = judged[np.argsort(-before.of(wrong[finds]), kind="stable")]
    within, rest = member[~finds, None] == judged, wrong[~finds]
    sizes = within.sum(axis=0)
    excess = _Excess(rest, probe.predicted[~finds], within)
    worst = np.concatenate([excess.of(drawn).max(axis=-1) for drawn in _shuffled(rest, probe.predicted[~finds], seed)])
    errors = rest @ within / sizes
    low, high = wilson(errors, sizes)
    return Slices(
        label=label,
        classes=probe.classes,
        ids=probe.ids[~finds],
        member=np.where(within.any(axis=1), within.argmax(axis=1), -1),
        certainty=certainty[~finds].max(axis=1),
        truth=probe.truth[~finds],
        predicted=probe.predicted[~finds],
        sizes=sizes,
        errors=errors,
        low=low,
        high=high,
        expected=excess.expected / sizes,
        reach=np.minimum((excess.expected + np.quantile(worst, 0.95) * excess.spread) / sizes, 1),
        p_corrected=np.array([permutation_p(value, worst) for value in excess.of(rest)]),
        n_found=int(finds.sum()),
    )


class _Excess:
    """By how many standard deviations do errors in each slice exceed those of random slices of the same predictions?"""

    def __init__(self, wrong: np.ndarray, predicted: np.ndarray, within: np.ndarray) -> None:
        self.within = within.astype(float)
        n, errors = np.bincount(predicted), np.bincount(predicted, wrong)
        of = np.stack([within[predicted == c].sum(axis=0) for c in range(len(n))])  # (c, s): drawn from each prediction
        n, rate = np.maximum(n, 1)[:, None], (errors / np.maximum(n, 1))[:, None]
        self.expected = (of * rate).sum(axis=0)
        variance = of * rate * (1 - rate) * (n - of) / np.maximum(n - 1, 1)  # hypergeometric
        self.spread = np.sqrt(variance.sum(axis=0))

    def of(self, wrong: np.ndarray) -> np.ndarray:
        """For errors (..., n): (..., s); 0 where luck has no say."""
        excess = wrong @ self.within - self.expected
        return np.divide(excess, self.spread, out=np.zeros_like(excess), where=self.spread > 1e-9)


def _shuffled(wrong: np.ndarray, predicted: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The errors in other orders within each prediction, (b, n) at a time, DRAWS in all."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(predicted == c) for c in np.unique(predicted)]
    for b in chunks(DRAWS, len(wrong)):
        drawn = np.empty((b, len(wrong)))
        for rows in members:
            drawn[:, rows] = permuted(wrong[rows], b, rng)
        yield drawn


def _directions(x: np.ndarray, finds: np.ndarray) -> np.ndarray:
    """Where each image lies along the main directions, (n, DIRECTIONS or fewer), of mean variance 1 where slices are found."""
    center = x[finds].mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(x[finds] - center, full_matrices=False)
    sizes = sizes[:DIRECTIONS]
    return (x - center) @ axes[:DIRECTIONS].T / np.sqrt((sizes**2).mean() / finds.sum())


def _mixture(seen: np.ndarray, wrong: np.ndarray, components: int, seed: int) -> GaussianMixture:
    """Slices of what is seen, (m, directions + classes + 1): some start among the images read wrongly, some among others.

    A start among all would spend every slice on where images are many.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    k = int(np.clip(len(seen) // IMAGES, 2, components))
    failing = int(np.clip(wrong.sum() // ERRORS, 1, k // 2))
    starts = [
        KMeans(min(count, int(rows.sum())), n_init=3, random_state=seed).fit(seen[rows]).cluster_centers_
        for rows, count in ((wrong, failing), (~wrong, k - failing))
        if rows.any()
    ]
    means = np.concatenate(starts)
    mixture = GaussianMixture(
        len(means), covariance_type="diag", reg_covar=LEAST_VARIANCE, means_init=means, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred rounds are enough for a region
        return mixture.fit(seen)


def _certainty(mixture: GaussianMixture, x: np.ndarray) -> np.ndarray:
    """How surely each image lies in each slice by its features alone, (n, s): label and error are integrated out."""
    from scipy.special import softmax

    means, variances = (a[:, : x.shape[1]] for a in (mixture.means_, mixture.covariances_))
    far = (x**2) @ (1 / variances).T - 2 * x @ (means / variances).T + (means**2 / variances + np.log(variances)).sum(1)
    return softmax(np.log(mixture.weights_) - far / 2, axis=1)
