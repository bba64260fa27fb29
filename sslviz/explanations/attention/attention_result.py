"""What `attention` reads: maps, reach and likeness of heads, patches that stand out, and what follows for registers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import OfRun
from sslviz.explanations.attention.heads import uniform_distance
from sslviz.explanations.attention.registers import normal_outliers
from sslviz.explanations.mean_interval import mean_interval
from sslviz.statistics import Score

FEWEST = 10  # images, for an interval
FAR = 2.0  # times the median norm: what registers are for; less is what plain backgrounds give
HEAD_MEASURES = ("distance", "entropy", "homogeneity", "redundancy")  # those that scores are made of


@dataclass(frozen=True, eq=False)
class Attention(OfRun):
    """What `attention` reads of one transformer on n images.

    - run: the run it comes from
    - ids: the images' ids (n,)
    - query: the tokens whose attention becomes the features, in words: "class token", "mean of the patches", ...
    - layers: the names of the layers, in order
    - layer: the one whose maps are held
    - image_size: the side of the encoder's input, in pixels
    - registers: how many register tokens there are
    - maps: share of its attention that the query gives each patch in `layer`, (n, heads, rows, columns)
    - rollout: the same through all layers, (n, rows, columns)
    - distance: how far heads reach, in pixels of the encoder's input, (n, layers, heads)
    - entropy: of a query's attention, in nats, (n, layers, heads)
    - nmi: how much attention depends on the query, (n, layers, heads)
    - homogeneity: how alike queries attend, (n, layers, heads)
    - redundancy: how alike heads attend, (n, layers)
    - norms: lengths of the last block's patch tokens, (n, rows, columns)
    - outliers: which of these are beyond median + 6 MAD, bool (n, rows, columns)
    - outlier_layers: the share of outliers after each block, (layers,)
    - emerges: the number of the block in which they appear
    - substituted: cosine of the features with the outliers held at the mean of the other patches and without, (n,); NaN
      for images without any
    - substituted_random: the same with as many random patches
    - control: what the other encoder is called
    - control_maps: those of its last layer, mean of the heads, (n, rows, columns)
    - control_rollout: its rollout
    - control_distance: how far its heads reach
    - control_entropy: the entropy of its queries' attention
    - control_nmi: how much its attention depends on the query
    - control_homogeneity: how alike its queries attend
    - control_redundancy: how alike its heads attend
    - control_outliers: the share of outliers in each image, (n,)
    - seed: of the random patches and of intervals
    """

    run: str
    ids: np.ndarray
    query: str
    layers: list[str]
    layer: str
    image_size: int
    registers: int
    maps: np.ndarray
    rollout: np.ndarray
    distance: np.ndarray
    entropy: np.ndarray
    nmi: np.ndarray
    homogeneity: np.ndarray
    redundancy: np.ndarray
    norms: np.ndarray
    outliers: np.ndarray
    outlier_layers: np.ndarray
    emerges: int
    substituted: np.ndarray
    substituted_random: np.ndarray
    control: str
    control_maps: np.ndarray
    control_rollout: np.ndarray
    control_distance: np.ndarray
    control_entropy: np.ndarray
    control_nmi: np.ndarray
    control_homogeneity: np.ndarray
    control_redundancy: np.ndarray
    control_outliers: np.ndarray
    seed: int

    @property
    def diagonal(self) -> float:
        """The length of the picture's diagonal, in pixels of the encoder's input."""
        return float(np.sqrt(2) * self.image_size)

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return int(np.prod(self.maps.shape[2:]))

    @property
    def uniform(self) -> dict[str, float]:
        """What attention that falls on all patches alike reads, for each score it says something about."""
        rows, columns = self.maps.shape[2:]
        reach = uniform_distance(rows, columns) * self.image_size / rows / self.diagonal
        return {"distance": reach, "entropy": 1.0, "homogeneity": 1.0, "redundancy": 1.0, "nmi": 0.0}

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean over images is the score, for each image: {score: (n,)}; NaN where there is none."""
        own = {name: getattr(self, name) for name in HEAD_MEASURES}
        values = _shares(own, self.diagonal, self.patches)
        values["outliers"] = self.outliers.mean((1, 2))
        values["substitution"] = self.substituted
        return values

    def scores(self) -> dict[str, Score]:
        """How far, how widely and how alike do the heads look, and do patches stand out?

        - distance: share of the diagonal, over all layers and heads
        - entropy: share of log patches, over all layers and heads
        - homogeneity, redundancy: of the last layer
        - outliers: the share of patches that stand out
        - substitution: where some do, the cosine of the features with those patches held at the mean

        Bootstrap intervals over images, of which there must be ten: heads and layers are no independent samples.  None
        is good in itself.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        control = {name: getattr(self, f"control_{name}") for name in HEAD_MEASURES}
        rows, columns = self.control_maps.shape[1:]
        untrained = _shares(control, self.diagonal, rows * columns) | {"outliers": self.control_outliers}
        scores = {}
        for name, values in self.per_image().items():
            values = values[np.isfinite(values)]
            if not len(values):  # no second head, or nothing that stands out
                continue
            controls = {"uniform attention": self.uniform[name]} if name in self.uniform else {}
            if name == "outliers":
                controls["normal spread"] = normal_outliers()
            if name == "substitution":
                random = self.substituted_random
                controls["random patches"] = float(random[np.isfinite(random)].mean())
            elif np.isfinite(untrained[name]).all():
                controls[self.control] = float(untrained[name].mean())
            low, high = _interval(values, self.seed)
            scores[name] = Score(float(values.mean()), low, high, controls, None)
        return scores

    def advice(self) -> str:
        """Does this encoder need registers?  One or two sentences that follow from the outliers.

        Registers (arXiv 2309.16588) are advised where significantly more patches stand out than in the control, some
        by more than twice the median norm.
        """
        share = self.outliers.mean((1, 2))
        if not share.any():
            return "No patch stands out by its norm: nothing here asks for registers."
        ratio = float(np.median(self.norms[self.outliers]) / np.median(self.norms))
        finding = (
            f"{share.mean():.1%} of the patches stand out ({self.control}: {self.control_outliers.mean():.1%}), by "
            f"{ratio:.1f} times the median norm, from layer {self.emerges + 1} on."
        )
        low, _ = _interval(share - self.control_outliers, self.seed)
        if low is None:
            return f"{finding} On fewer than {FEWEST} images that says little."
        if ratio < FAR or low <= 0:
            return f"{finding} That is too little to ask for registers: plain backgrounds alone can do it."
        outliers, random = np.nanmean(self.substituted), np.nanmean(self.substituted_random)
        effect = (
            f"Holding them at the mean moves the features to a cosine of {outliers:.3f} (random patches: {random:.3f})."
        )
        advice = (
            "It has registers, which should have taken this over."
            if self.registers
            else "Its maps may show these patches rather than the picture; registers are made to take this over."
        )
        return f"{finding} {effect} {advice}"


def _shares(values: dict[str, np.ndarray], diagonal: float, patches: int) -> dict[str, np.ndarray]:
    """One number an image, free of units: {score: (n,)}."""
    return {
        "distance": values["distance"].mean((1, 2)) / diagonal,
        "entropy": values["entropy"].mean((1, 2)) / np.log(patches),
        "homogeneity": values["homogeneity"][:, -1].mean(1),
        "redundancy": values["redundancy"][:, -1],
    }


def _interval(values: np.ndarray, seed: int) -> tuple[float, float] | tuple[None, None]:
    """The interval of a mean over images; none for too few, or where nothing was found in any."""
    return mean_interval(values, seed, fewest=FEWEST) if values.any() else (None, None)
