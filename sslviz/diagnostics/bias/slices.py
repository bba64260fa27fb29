"""Slice discovery: regions of the features in which a readout errs more than elsewhere."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sslviz.diagnostics.bias.excess_errors import ExcessErrors, judged_slices
from sslviz.diagnostics.hypothesis import Hypothesis
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.result import Fitted
from sslviz.features import Features
from sslviz.features.columns import one_of_each, stratified_half
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

RANDOM = "random slices, 95 of 100"
DIRECTIONS = 16  # of the features, the most important ones: a region of more is a region of noise
WEIGHT = 2.0  # of label and error beside a direction of the features, whose mean variance is 1
MIN_VARIANCE = 0.1  # of a slice along any of these: what is narrower is not a region but a point
MIN_IMAGES = 20  # per slice on average
MIN_ERRORS = 5  # per slice that starts among the images read wrongly
MIN_JUDGES = 5  # images that judge a slice
POWER_DRAWS = 60  # of the errors of a slice at one rate, to see how often it is found


@dataclass(frozen=True, eq=False)
class Slices(Fitted):
    """Result of `slices`: s slices, and the n images that judge them.

    - label: the column that is read
    - classes: names of its classes, (c,)
    - ids: the images that judge, (n,)
    - member: the slice of each, (n,); -1 for one of too few images to be judged
    - certainty: how surely each belongs there, (n,)
    - truth, predicted: indices into `classes`, (n,)
    - sizes: images of each slice, (s,); slices come in the order in which the other half calls them bad
    - errors, low, high: share of each slice read wrongly, and its interval, (s,)
    - expected: share expected of random slices with the same predictions, (s,)
    - reach: share that the worst of random slices stays below in 95 of 100 draws, (s,)
    - p_corrected: p, corrected for all slices together, (s,)
    - n_discovery: images that the slices were found on
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
    n_discovery: int

    @property
    def found(self) -> bool:
        """Whether any slice fails more than luck explains, at 5 % for all of them together."""
        return bool(self.p_corrected.min() < 0.05)

    @cached_property
    def detectable(self) -> float | None:
        """The least share of errors in the worst slice that would be found in 80 of 100 such samples; None if none would.

        The errors of the other images stay as they are, and those of the slice are drawn anew at every rate that is tried.
        """
        from scipy.special import ndtri

        membership, wrong, predicted = self._judged
        rng, slice_ = np.random.default_rng(0), membership[:, 0]
        # What the largest of as many standard normal deviates stays below in 95 of 100 draws.
        reach = max(float(ndtri(0.95 ** (1 / len(self.sizes)))), self._reach)
        for rate in np.arange(0.05, 1.001, 0.05):
            drawn = np.where(slice_, rng.random((POWER_DRAWS, len(wrong))) < rate, wrong)
            excess = ExcessErrors(drawn, predicted, membership[:, :1])
            if (excess.standardized(drawn @ membership[:, :1])[:, 0] > reach).sum() >= 0.8 * POWER_DRAWS:
                return float(rate)
        return None

    @property
    def _judged(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Membership (n, s), errors (n,) and predictions (n,) of the images that judge a slice."""
        wrong = (self.truth != self.predicted).astype(float)
        return self.member[:, None] == np.arange(len(self.sizes)), wrong, self.predicted

    @property
    def _reach(self) -> float:
        """The standardised excess that the worst of random slices stayed below in 95 of 100 draws; 0 where not known."""
        membership, wrong, predicted = self._judged
        excess = ExcessErrors(wrong, predicted, membership)
        told = (self.reach < 1) & (excess.spread > 1e-9)
        beyond = (self.reach * self.sizes - excess.expected)[told] / excess.spread[told]
        return float(np.median(beyond)) if told.any() else 0.0

    def hypothesis(self) -> Hypothesis:
        """That some slice fails more often than random slices of the same predictions; the examples are its images."""
        worst = int(self.p_corrected.argmin())
        statement = (
            f"A region of {self.sizes[worst]:,} images, mostly {self.majority(worst)[0]}, is read wrongly in "
            f"{self.errors[worst]:.2f} of them; {self.expected[worst]:.2f} were to be expected."
        )
        p, n = float(self.p_corrected[worst]), int(self.sizes.sum())
        return Hypothesis(statement, "worst_slice", p, self.detectable, n, self.images(worst).tolist())

    def images(self, number: int) -> np.ndarray:
        """The ids of a slice's images, the surest first, for a gallery."""
        rows = np.flatnonzero(self.member == number)
        return self.ids[rows[np.argsort(-self.certainty[rows], kind="stable")]]

    def majority(self, number: int) -> tuple[str, str]:
        """The class of most images of a slice, and the class that most of its errors are taken for ("" without errors)."""
        rows = self.member == number
        wrong = rows & (self.truth != self.predicted)
        mistaken_for = str(self.classes[np.bincount(self.predicted[wrong]).argmax()]) if wrong.any() else ""
        return str(self.classes[np.bincount(self.truth[rows]).argmax()]), mistaken_for

    def scores(self) -> dict[str, Score]:
        """`worst_slice`: the share read wrongly in the slice that the other half of the images calls the worst.

        These images did not choose the slice, so that the choice does not flatter it.
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

    The label is read by a `linear_probe`.  One half of the images it is scored on finds slices.  They are a mixture of
    Gaussians (at most `components`) over the 16 main directions of the features, the label and the error.  The other
    half is put into them by its features alone and judges them.  The share of errors of each slice stands beside random
    slices of the same predictions.  In these, the errors of each predicted class fall on any of its images, in 2,000
    draws.  Each p is corrected for all slices by the worst of each draw.

    Of images kept together by a column, all are on one side of the halves, and one judges.

    The score is `worst_slice`, chosen by the half that finds.  Its interval is Wilson's.  ValueError as for `linear_probe`,
    and for too few images to judge any slice.

    Example:
        >>> import numpy as np, sslviz
        >>> rng = np.random.default_rng(0)
        >>> label, hard = np.arange(600) % 2, np.arange(600) < 90
        >>> x = np.stack([8 * label + rng.normal(size=600), 9 * hard + rng.normal(size=600)], axis=1)
        >>> shown = np.where(hard & (rng.random(600) < 0.8), 1 - label, label)  # wrong labels in a region apart
        >>> sslviz.slices(sslviz.Features.from_array(x, table={"label": shown})).found
        True

    Caveat: A slice is a region, not a reason: look at its images before naming it, and what no region of these features
    holds apart is not found.
    """
    probe = linear_probe(features, label, fit=fit, seed=seed)
    scored = features.select(list(probe.ids))
    finds = stratified_half(probe.truth, seed, scored.units)
    judges = ~finds & one_of_each(scored, seed=seed)  # errors of copies are no luck of their own
    wrong = (~probe.correct).astype(float)
    x = _main_directions(scored.x, finds)
    seen = np.column_stack([x, WEIGHT * np.eye(len(probe.classes))[probe.truth], WEIGHT * wrong])
    certainty = _certainty(_mixture(seen[finds], wrong[finds] > 0, components, seed), x)
    member = certainty.argmax(axis=1)
    judged = np.flatnonzero(np.bincount(member[judges], minlength=certainty.shape[1]) >= MIN_JUDGES)
    if len(judged) == 0:
        raise ValueError(f"No slice has {MIN_JUDGES} images to judge it by; bring more than these {len(wrong)}.")
    membership = member[:, None] == judged  # (n, s)
    discovery = ExcessErrors(wrong[finds], probe.predicted[finds], membership[finds])
    judged = judged[np.argsort(-discovery.standardized(wrong[finds] @ membership[finds]), kind="stable")]
    membership, predicted = member[judges, None] == judged, probe.predicted[judges]
    return Slices(
        label=label,
        classes=probe.classes,
        ids=probe.ids[judges],
        member=np.where(membership.any(axis=1), membership.argmax(axis=1), -1),
        certainty=certainty[judges].max(axis=1),
        truth=probe.truth[judges],
        predicted=predicted,
        **judged_slices(wrong[judges], predicted, membership, seed),
        n_discovery=int(finds.sum()),
        scored_on=probe.scored_on,
        fitted_on=probe.fitted_on,
        group_column=scored.group,
        units=scored.rows(judges).units,
    )


def _main_directions(x: np.ndarray, finds: np.ndarray) -> np.ndarray:
    """Each image along the main directions, (n, DIRECTIONS or fewer), of mean variance 1 where slices are found."""
    center = x[finds].mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(x[finds] - center, full_matrices=False)
    sizes = sizes[:DIRECTIONS]
    if sizes[0] <= 1e-6 * np.abs(x).max() * np.sqrt(finds.sum()):
        raise ValueError(
            "The features are the same for every image, so that no region of them can fail; has this encoder collapsed?"
        )
    return (x - center) @ axes[:DIRECTIONS].T / np.sqrt((sizes**2).mean() / finds.sum())


def _mixture(seen: np.ndarray, wrong: np.ndarray, components: int, seed: int) -> GaussianMixture:
    """Slices of directions, label and error, (m, directions + classes + 1): some start among errors, some among others.

    A start among all images would spend every slice on where images are many.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    k = int(np.clip(len(seen) // MIN_IMAGES, 2, components))
    failing = int(np.clip(wrong.sum() // MIN_ERRORS, 1, k // 2))
    starts = [
        KMeans(min(count, int(rows.sum())), n_init=3, random_state=seed).fit(seen[rows]).cluster_centers_
        for rows, count in ((wrong, failing), (~wrong, k - failing))
        if rows.any()
    ]
    means = np.concatenate(starts)
    mixture = GaussianMixture(
        len(means), covariance_type="diag", reg_covar=MIN_VARIANCE, means_init=means, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred rounds are enough for a region
        return mixture.fit(seen)


def _certainty(mixture: GaussianMixture, x: np.ndarray) -> np.ndarray:
    """The probability of each slice for each image by its features alone, (n, s): label and error are integrated out."""
    from scipy.special import softmax

    means, variances = (a[:, : x.shape[1]] for a in (mixture.means_, mixture.covariances_))
    distance = (
        (x**2) @ (1 / variances).T - 2 * x @ (means / variances).T + (means**2 / variances + np.log(variances)).sum(1)
    )
    return softmax(np.log(mixture.weights_) - distance / 2, axis=1)
