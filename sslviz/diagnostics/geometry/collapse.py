"""Has it collapsed, and how?  A verdict in words, from the spectrum and from whether the images fall into heaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.geometry.cluster_gap import MIN_HEAP, SAMPLE, heaps_beside_noise
from sslviz.diagnostics.geometry.spectrum import effective_rank, spectrum
from sslviz.features import Features
from sslviz.statistics import Score, jackknife_interval

# Thresholds of the verdicts, measured on planted spaces: see tests/diagnostics/geometry/test_collapse.py.
MIN_SPREAD = 0.02  # of the isotropic std: below, images share more than 99.96 % of their squared length
MIN_SHARE = 0.1  # of the directions that noise uses
# SimSiam without its stop-gradient leaves a few directions that hold most of the variance.  A long tail then keeps the
# rank at a quarter of that of noise.
FEW_DIRECTIONS, MOST_VARIANCE, FEW_SHARE = 3, 0.9, 0.35
MIN_GAP = 5.0  # how many times farther the next heap is; ordinary classes reach 3, a curve 1.5
DEAD = 1e-3  # of the root mean square over dimensions: what varies less than this is a millionth of the variance


@dataclass(frozen=True, eq=False)
class Collapse:
    """The numbers from which a verdict on collapse is read, and the verdict.

    - images: `Features.images`
    - n, d: how many images and dimensions
    - sample: of how many images all distances were looked at
    - numbers: {name: value}, the scores and what else the verdict needs: `held`, the share of the variance in 3
      directions, and the `heaps` and `within` of `cluster_gap.heaps`
    - control_values: {score: value}, what noise reads
    - replicates: {score: (10,)}, the scores without one tenth of the images at a time
    - projector_d, projector_numbers, projector_control_values, projector_replicates: the same of the projector, or None
    """

    images: str
    n: int
    sample: int
    d: int
    numbers: dict[str, float]
    control_values: dict[str, float]
    replicates: dict[str, np.ndarray]
    projector_d: int | None = None
    projector_numbers: dict[str, float] | None = None
    projector_control_values: dict[str, float] | None = None
    projector_replicates: dict[str, np.ndarray] | None = None

    @property
    def verdict(self) -> str:
        """The verdict in a word or two: healthy, or complete, dimensional, cluster or projector-only collapse."""
        if self.encoder_verdict == "healthy" and self.projector_verdict not in (None, "healthy"):
            return "projector-only collapse"
        return self.encoder_verdict

    @property
    def reasons(self) -> list[str]:
        """The sentences that led to the verdict, numbers included."""
        reasons = list(self._encoder[1])
        if self._projector is not None:
            verdict, sentences = self._projector
            shows = "is healthy" if verdict == "healthy" else f"shows a {verdict}"
            reasons.append(f"The projector {shows}: {' '.join(sentences)}")
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
        return judge(self.d, self.numbers, self.control_values)

    @cached_property
    def _projector(self) -> tuple[str, list[str]] | None:
        if self.projector_d is None or self.projector_numbers is None or self.projector_control_values is None:
            return None
        return judge(self.projector_d, self.projector_numbers, self.projector_control_values)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: (groups,)}: the scores without each tenth of the images, of the encoder and of its projector."""
        projector = self.projector_replicates or {}
        return self.replicates | {f"projector_{name}": values for name, values in projector.items()}

    def scores(self) -> dict[str, Score]:
        """The numbers behind the verdict, beside what noise reads; the projector's scores begin with `projector_`."""
        scores = _scores("", self.numbers, self.control_values, self.replicates)
        if self.projector_numbers and self.projector_control_values and self.projector_replicates is not None:
            scores |= _scores(
                "projector_", self.projector_numbers, self.projector_control_values, self.projector_replicates
            )
        return scores


def collapse(features: Features, projector: Features | None = None, *, seed: int = 0) -> Collapse:
    """Has it collapsed, and how?

    The first of these that holds is the verdict:
    - "complete collapse": all images are nearly alike
    - "cluster collapse": images fall into heaps far apart, and hardly differ within one
    - "dimensional collapse": few directions are in use
    - "projector-only collapse": none of these in `features`, but one in `projector`, the same images after the projector
    - "healthy"

    Scores:
    - `spread` in [0, 1]: mean per-dimension std of rows at length one over 1 / sqrt(d) (SimSiam, arXiv 2011.10566)
    - `directions` in [0, min(n, d)]: the effective rank
    - `dead_dimensions` in [0, 1]: share of dimensions whose std is below a thousandth of the root mean square
    - `cluster_gap` >= 1: how many times farther the first image beyond an image's own heap is, the median over images
      (at most 1,000)

    Controls: isotropic noise, and for the gap noise with the same covariance.  Intervals: delete-group jackknife.
    ValueError for fewer than two rows, and for a projector of other images.

    Example:
        >>> import numpy as np, sslviz
        >>> rng = np.random.default_rng(0)
        >>> spaces = rng.normal(size=(100, 32)), rng.normal(size=(100, 1)) * rng.normal(size=32)
        >>> [sslviz.collapse(sslviz.Features.from_array(x)).verdict for x in spaces]
        ['healthy', 'dimensional collapse']

    Caveat: Healthy says that nothing of this kind is wrong, not that the features are good: noise is healthy too.
    More than 50 heaps are too many to see, and fewer than 12 images too few to see any.
    """
    if projector is not None and not np.array_equal(features.ids, projector.ids):
        raise ValueError(
            f"Encoder and projector are compared on the same images in the same order, but their ids differ "
            f"({len(features)} and {len(projector)} rows); embed both from the same images."
        )
    of_encoder, of_projector = _measure(features, seed), None if projector is None else _measure(projector, seed)
    return Collapse(features.images, len(features), min(len(features), SAMPLE), *of_encoder, *(of_projector or ()))


def judge(d: int, numbers: dict[str, float], control_values: dict[str, float]) -> tuple[str, list[str]]:
    """The verdict on these numbers of a space of `d` dimensions, and the sentences that led to it.

    The thresholds tell planted spaces of every kind apart; a space near one of them may fall either way.
    """
    noise = control_values["directions"]
    share = numbers["directions"] / noise if noise else 0.0
    spread = f"{numbers['spread']:.2g}" if numbers["spread"] >= 1e-3 else "less than 0.001"
    varies = f"At length one, features vary {spread} times as much between images as random directions would."
    uses = f"{numbers['directions']:.0f} of {d} directions are in use; noise would use {noise:.0f}."
    dead = [f"{numbers['dead_dimensions']:.0%} of the dimensions hardly vary."] * (numbers["dead_dimensions"] > 0)
    if numbers["spread"] < MIN_SPREAD or numbers["directions"] == 0:
        return "complete collapse", [varies]
    if numbers.get("cluster_gap", 1) >= MIN_GAP:
        fall = f"The images fall into about {numbers['heaps']:.0f} heaps: two of one heap differ by"
        return "cluster collapse", [f"{fall} {numbers['within']:.1%} of what two of different heaps do.", uses]
    if share < MIN_SHARE:
        return "dimensional collapse", [uses, *dead]
    if numbers["held"] >= MOST_VARIANCE and share < FEW_SHARE:
        holds = f"{numbers['held']:.0%} of the variance lies in {FEW_DIRECTIONS} directions."
        return "dimensional collapse", [holds, uses, *dead]
    return "healthy", [uses, varies, *dead]


def _scores(
    prefix: str, numbers: dict[str, float], control_values: dict[str, float], replicates: dict[str, np.ndarray]
) -> dict[str, Score]:
    scores = {}
    for name, control in control_values.items():
        low, high = jackknife_interval(numbers[name], replicates.get(name, np.empty(0)))
        better = name in ("spread", "directions")
        noise = "noise, same covariance" if name == "cluster_gap" else "noise"
        scores[prefix + name] = Score(numbers[name], low, high, {noise: control}, better, "ceiling")
    return scores


Measured = tuple[int, dict[str, float], dict[str, float], dict[str, np.ndarray]]


def _measure(features: Features, seed: int) -> Measured:
    """d, numbers, control values and replicates of one space."""
    n, d = features.x.shape
    found = spectrum(features, seed=seed)
    numbers = {
        "spread": found.std / found.noise_std,
        "directions": effective_rank(np.sqrt(found.eigenvalues)),
        "dead_dimensions": _dead(found.dimension_std) if found.eigenvalues.any() else 1.0,
        "held": float(found.eigenvalues[:FEW_DIRECTIONS].sum() / (found.eigenvalues.sum() or 1.0)),
    }
    control_values = {
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
    if n >= 2 * MIN_HEAP:
        found_heaps, gap, replicates["cluster_gap"] = heaps_beside_noise(features.x, found.eigenvalues, seed)
        numbers, control_values = numbers | found_heaps, control_values | {"cluster_gap": gap}
    return d, numbers, control_values, replicates


def _dead(std: np.ndarray) -> float:
    """Share of the dimensions, given the std of each, that hardly vary."""
    return float((std <= DEAD * np.sqrt((std**2).mean())).mean())
