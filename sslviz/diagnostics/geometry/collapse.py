"""Has it collapsed, and how?  A verdict in words, from the spectrum and from whether the images fall into heaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.geometry.cluster_gap import SAMPLE, SMALLEST_HEAP, heaps_beside_noise
from sslviz.diagnostics.geometry.spectrum import effective_rank, spectrum
from sslviz.features import Features
from sslviz.statistics import Score, jackknife_interval

# Where the words begin.  Measured on planted spaces, see tests/diagnostics/test_collapse.py.
LEAST_SPREAD = 0.02  # of the isotropic std: below, images share more than 99.96 % of their squared length
LEAST_SHARE = 0.1  # of the directions that noise uses
FEW_DIRECTIONS, MOST_VARIANCE = 3, 0.9  # few directions that hold most of the variance: what SimSiam without ...
FEW_SHARE = 0.35  # ... its stop-gradient leaves, while a long tail keeps its rank at a quarter of that of noise
LEAST_GAP = (
    5.0  # the next heap this many times as far as the farthest of one's own; ordinary classes reach 3, a curve 1.5
)
DEAD = 1e-3  # of the root mean square over dimensions: what varies less than this is a millionth of the variance


@dataclass(frozen=True, eq=False)
class Collapse:
    """Has it collapsed, and how?

    `n` images (`images` is their `Features.images`) and `d` dimensions were looked at, and of `sample` images all
    distances.  `numbers` {name: value} are the scores and what else the verdict needs: `held`, the share of the variance
    in 3 directions, and of the heaps how many (`heaps`) and how far apart two images of one are, as a share of two of
    different ones (`within`).  `controls` {score: value} are what noise reads, `replicates` {score: (10,)} the scores
    without a tenth of the images.  `projector_*` are the same of the projector, or None.
    """

    images: str
    n: int
    sample: int
    d: int
    numbers: dict[str, float]
    controls: dict[str, float]
    replicates: dict[str, np.ndarray]
    projector_d: int | None = None
    projector_numbers: dict[str, float] | None = None
    projector_controls: dict[str, float] | None = None
    projector_replicates: dict[str, np.ndarray] | None = None

    @property
    def verdict(self) -> str:
        """In a word or two: healthy, complete, dimensional or cluster collapse, or projector-only collapse."""
        if self.encoder_verdict == "healthy" and self.projector_verdict not in (None, "healthy"):
            return "projector-only collapse"
        return self.encoder_verdict

    @property
    def reasons(self) -> list[str]:
        """The sentences that led to the verdict, numbers included."""
        reasons = list(self._encoder[1])
        if self._projector is not None:
            verdict, said = self._projector
            shows = "is healthy" if verdict == "healthy" else f"shows a {verdict}"
            reasons.append(f"The projector {shows}: {' '.join(said)}")
        return reasons

    @property
    def encoder_verdict(self) -> str:
        """The verdict on the encoder alone."""
        return self._encoder[0]

    @property
    def projector_verdict(self) -> str | None:
        """The verdict on the projector alone, None without one."""
        return None if self._projector is None else self._projector[0]

    @cached_property
    def _encoder(self) -> tuple[str, list[str]]:
        return judge(self.d, self.numbers, self.controls)

    @cached_property
    def _projector(self) -> tuple[str, list[str]] | None:
        if self.projector_d is None or self.projector_numbers is None or self.projector_controls is None:
            return None
        return judge(self.projector_d, self.projector_numbers, self.projector_controls)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images, of the encoder and of its projector."""
        projector = self.projector_replicates or {}
        return self.replicates | {f"projector_{name}": values for name, values in projector.items()}

    def scores(self) -> dict[str, Score]:
        """What the verdict was read from, beside what noise reads; the projector's scores begin with `projector_`."""
        scores = _scores("", self.numbers, self.controls, self.replicates)
        if self.projector_numbers and self.projector_controls and self.projector_replicates is not None:
            scores |= _scores("projector_", self.projector_numbers, self.projector_controls, self.projector_replicates)
        return scores


def collapse(features: Features, projector: Features | None = None, *, seed: int = 0) -> Collapse:
    """Has it collapsed, and how?

    The first of these that holds is the verdict: "complete collapse" (all images nearly alike), "cluster collapse"
    (images fall into heaps far apart, and hardly differ within one), "dimensional collapse" (few directions in use),
    "projector-only collapse" (none of these, but one in `projector`: the same images after the projector), "healthy".
    Scores: `spread` in [0, 1], mean per-dimension std of rows at length one over 1 / sqrt(d) (SimSiam, arXiv
    2011.10566); `directions`, the effective rank; `dead_dimensions` in [0, 1], the share of dimensions whose std is
    below a thousandth of the root mean square over dimensions; `cluster_gap` >= 1, how many times farther the next
    image is once an image's own heap is left, the median over (at most 1,000) images.  Controls: isotropic noise, and
    for the gap noise with the same covariance.  Jackknife intervals.  ValueError for fewer than two rows, and for a
    projector of other images.

    Caveat: Healthy says that nothing of this kind is wrong, not that the features are good: noise is healthy too, and
    more than 50 heaps or fewer than 12 images are too many and too few to see heaps.
    """
    if projector is not None and not np.array_equal(features.ids, projector.ids):
        raise ValueError(
            f"Encoder and projector are compared on the same images in the same order, but their ids differ "
            f"({len(features)} and {len(projector)} rows); embed both from the same images."
        )
    of_encoder, of_projector = _measure(features, seed), None if projector is None else _measure(projector, seed)
    return Collapse(features.images, len(features), min(len(features), SAMPLE), *of_encoder, *(of_projector or ()))


def judge(d: int, numbers: dict[str, float], controls: dict[str, float]) -> tuple[str, list[str]]:
    """Which words describe these numbers of a space of `d` dimensions?  The verdict, and the sentences that led to it.

    Caveat: The thresholds are where planted spaces of every kind are told apart; a space near one may fall either way.
    """
    share = numbers["directions"] / controls["directions"] if controls["directions"] else 0.0
    spread = f"{numbers['spread']:.2g}" if numbers["spread"] >= 1e-3 else "less than 0.001"
    varies = f"At length one, features vary {spread} times as much between images as random directions would."
    uses = f"{numbers['directions']:.0f} of {d} directions are in use; noise would use {controls['directions']:.0f}."
    dead = [f"{numbers['dead_dimensions']:.0%} of the dimensions hardly vary."] * (numbers["dead_dimensions"] > 0)
    if numbers["spread"] < LEAST_SPREAD or numbers["directions"] == 0:
        return "complete collapse", [varies]
    if numbers.get("cluster_gap", 1) >= LEAST_GAP:
        fall = f"The images fall into about {numbers['heaps']:.0f} heaps: two of one heap differ by"
        return "cluster collapse", [f"{fall} {numbers['within']:.1%} of what two of different heaps do.", uses]
    if share < LEAST_SHARE:
        return "dimensional collapse", [uses, *dead]
    if numbers["held"] >= MOST_VARIANCE and share < FEW_SHARE:
        holds = f"{numbers['held']:.0%} of the variance lies in {FEW_DIRECTIONS} directions."
        return "dimensional collapse", [holds, uses, *dead]
    return "healthy", [uses, varies, *dead]


def _scores(
    prefix: str, numbers: dict[str, float], controls: dict[str, float], replicates: dict[str, np.ndarray]
) -> dict[str, Score]:
    scores = {}
    for name, control in controls.items():
        low, high = jackknife_interval(numbers[name], replicates.get(name, np.empty(0)))
        better, against = name in ("spread", "directions"), "noise"
        if name == "cluster_gap":
            against = "noise, same covariance"
        scores[prefix + name] = Score(numbers[name], low, high, {against: control}, better, "ceiling")
    return scores


Measured = tuple[int, dict[str, float], dict[str, float], dict[str, np.ndarray]]


def _measure(features: Features, seed: int) -> Measured:
    """d, numbers, controls and replicates of one space."""
    n, d = features.x.shape
    found = spectrum(features, seed=seed)
    numbers = {
        "spread": found.std / found.noise_std,
        "directions": effective_rank(np.sqrt(found.eigenvalues)),
        "dead_dimensions": _dead(found.dimension_std) if found.eigenvalues.any() else 1.0,
        "held": float(found.eigenvalues[:FEW_DIRECTIONS].sum() / (found.eigenvalues.sum() or 1.0)),
    }
    controls = {
        "spread": np.sqrt((n - 1) / n),  # of n directions drawn at random: var 1 / d each, about their own mean
        "directions": effective_rank(np.sqrt(found.noise_eigenvalues)),
        "dead_dimensions": _dead(np.sqrt(np.random.default_rng(seed).chisquare(n - 1, d))),
    }
    replicates = {}
    if found.replicates:
        replicates = {
            "spread": found.replicates["std"] / found.noise_std,
            "directions": found.replicates["effective_rank"],
        }
    if n >= 2 * SMALLEST_HEAP:
        found_heaps, control, replicates["cluster_gap"] = heaps_beside_noise(features.x, found.eigenvalues, seed)
        numbers, controls = numbers | found_heaps, controls | {"cluster_gap": control}
    return d, numbers, controls, replicates


def _dead(std: np.ndarray) -> float:
    """Share of the dimensions, given the std of each, that hardly vary."""
    return float((std <= DEAD * np.sqrt((std**2).mean())).mean())
