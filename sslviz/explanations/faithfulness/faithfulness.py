"""Faithfulness of maps: every measure of a map beside the same measure of maps that no model made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sslviz.data import Images
from sslviz.explanations.control_maps import model_free_maps, resized
from sslviz.explanations.faithfulness import localization
from sslviz.explanations.faithfulness.encoder_measures import (
    RANDOM,
    Asked,
    PerturbedAnswers,
    measure_on_encoder,
    removed_fractions,
    similarity_target,
)
from sslviz.explanations.faithfulness.map_arrays import Masks, map_array, masks_by_name
from sslviz.explanations.faithfulness.perturbation import STEPS, Fill, Similarity
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_draws
from sslviz.explanations.targets.targets import Target
from sslviz.runs import Checkpoint
from sslviz.statistics import Score, percentile_interval

LOWER_IS_BETTER = {"deletion", "infidelity"}
CONTROL_WORDS = {
    "random": "random order",
    "centre": "a centre blob",
    "edge": "an edge filter",
    "luminance": "luminance",
    "saturation": "saturation",
    "untrained": "the untrained encoder's map",
}


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How true maps of n images are, beside control maps.

    - ids: the images' ids (n,)
    - names: "map" and then the controls (m,)
    - fractions: the shares (k + 1,) of the picture that are gone, or there, along a curve
    - curves: {"deletion", "insertion"}: similarity to the whole image at each of `fractions`, (m, n, k + 1)
    - values: {measure: (m, n)}, one number for each map and image; NaN where there is none (an empty mask)
    - name: the method that made the maps
    - target: how similarity was read
    - fill: with what pixels were replaced
    - seed: of random orders and of intervals
    - precision: in which the encoder was asked, "fp32", "bf16-mixed" or "bf16"
    """

    ids: np.ndarray
    names: list[str]
    fractions: np.ndarray
    curves: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    name: str = ""
    target: str = "cosine"
    fill: str = "mean"
    seed: int = 0
    precision: str = "fp32"

    def scores(self) -> dict[str, Score]:
        """Every measure, averaged over images, beside the same measure of every control; 95 % bootstrap over images."""
        return self._scores

    def per_image(self) -> dict[str, np.ndarray]:
        """The measures of the map itself, (n,) each, for pairing with another's on the same images."""
        return {name: values[0] for name, values in self.values.items()}

    def curve(self, measure: str, name: str = "map") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mean curve of one of `names` over images, and between what 95 % of such means lie: (k + 1,) each.

        The bootstrap is over images; NaN for fewer than 8.
        """
        curves = self.curves[measure][self.names.index(name)]  # (n, k + 1)
        mean = curves.mean(axis=0)
        if len(curves) < FEWEST_IMAGES:
            return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        low, high = np.quantile(mean_draws(curves.T, self.seed), [0.025, 0.975], axis=0)
        return mean, low, high

    def best(self, measure: str, among: Sequence[str] | None = None) -> str:
        """The control that is the strongest on this measure, among these if they are given."""
        controls = self.scores()[measure].controls
        return max(among or controls, key=lambda name: _sign(measure) * controls[name])

    def beats(self, measure: str) -> bool | None:
        """Whether the map beats every control on this measure, paired over images; None for too few images to say."""
        draws = self._draws.get(measure)
        if draws is None:
            return None
        ahead = _sign(measure) * (draws[:, :1] - draws[:, 1:])
        return bool((np.quantile(ahead, 0.025, axis=0) > 0).all())

    def verdict_on(self, measure: str) -> str:
        """What may be said of the map on this measure: one phrase, with the value and its best control's."""
        best = self.best(measure)
        numbers = f"{measure.replace('_', ' ')} {self._numbers(measure)}"
        beats = self.beats(measure)
        if beats:
            return f"beats its best control ({numbers})"
        if beats is None:
            return f"too few images to say ({numbers})"
        return f"no better than {CONTROL_WORDS.get(best, best)} ({numbers})"

    @property
    def verdict(self) -> str:
        """What may be said of the map, for its title: on insertion, and on deletion where they differ."""
        text = self.verdict_on("insertion")
        if self.beats("deletion") != self.beats("insertion"):
            numbers = self._numbers("deletion")
            beaten = f"beats its best control ({numbers})" if self.beats("deletion") else f"does not: {numbers}"
            text += f"; on deletion it {beaten}"
        return text

    def _numbers(self, measure: str) -> str:
        score, best = self.scores()[measure], self.best(measure)
        return f"{Score(score.value)}, {best} {Score(score.controls[best])}"

    @cached_property
    def _draws(self) -> dict[str, np.ndarray]:
        """{measure: (draws, m)} resampled means, the same images for all maps; without those of too few images."""
        known = {name: _without_missing(values) for name, values in self.values.items()}
        return {
            name: mean_draws(values, self.seed) for name, values in known.items() if values.shape[1] >= FEWEST_IMAGES
        }

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for name, values in self.values.items():
            means = _without_missing(values).mean(axis=1)
            low, high = percentile_interval(self._draws[name][:, 0]) if name in self._draws else (None, None)
            controls = dict(zip(self.names[1:], map(float, means[1:]), strict=True))
            scores[name] = Score(float(means[0]), low, high, controls, name not in LOWER_IS_BETTER)
        return scores


def faithfulness(
    maps: Any,
    checkpoint: Checkpoint,
    images: Images,
    masks: Masks = None,
    *,
    target: str | Similarity | Target = "cosine",
    fill: Fill = "mean",
    steps: int = STEPS,
    control_maps: Mapping[str, Any] | None = None,
    answers: PerturbedAnswers | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Faithfulness:
    """Is the map true?

    - maps: a result with `.maps`, or an array (n, h, w) on any grid; large where a place is said to matter
    - masks: where the object is: names in `images.masks`, a boolean array (n, height, width), or {name: array}; by
      default all of `images.masks` but the background
    - target: what is read while pixels go: "cosine" or "dot" to the whole image's features, a function of both, (b, d)
      and (b, d) -> (b,), or a `Target`
    - fill: what is put in place of pixels: "mean" (the image's mean colour) or "blur"
    - steps: of deletion and insertion, at most
    - control_maps: further controls, {name: maps}, such as {"untrained": the re-initialised encoder's}
    - answers: of this checkpoint on these images, in this precision; where several maps are measured, what was asked for
      one is not asked for the next
    - precision: in which the encoder is asked, as of `embed`; the result keeps which it was

    Measured on the encoder:

    - "deletion", "insertion": areas under the similarity to the whole image while cells go or come in the map's order
      (arXiv 1806.07421).  Random order of an additive score gives the mean of the two ends
    - "infidelity": see `perturbation.infidelity`

    Measured on masks: "pointing_game", "relevance_mass" (of positive relevance), "relevance_rank" and
    "localization_auc", as "NAME measure" where there are several masks.  Images whose mask is empty are left out.

    Controls: random order, a blob in the middle, edges, luminance and saturation, on the map's own grid, and
    `control_maps`.  Intervals: bootstrap over images, paired between maps, from 8 images on.  ValueError for maps that
    are not finite or do not go with the images.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None)
        >>> images = sslviz.shapes(n=4)
        >>> maps = sslviz.attribute(checkpoint, images, method="saliency", progress=False)
        >>> result = sslviz.faithfulness(maps, checkpoint, images, steps=4, progress=False)
        >>> sorted(result.scores()["insertion"].controls)
        ['centre', 'edge', 'luminance', 'random', 'saturation']

    Caveat: Removing pixels makes pictures unlike any the encoder has seen, and a mask shows where the object is, not
    what the encoder reads.  A map is only as good as its distance to the controls.
    """
    array = map_array(maps, images)
    regions = masks_by_name(masks, images)
    similarity = similarity_target(target)
    controls = {name: resized(control, array.shape[1:]) for name, control in model_free_maps(images, seed=seed).items()}
    controls[RANDOM] = np.random.default_rng(seed).random(array.shape, dtype=np.float32)
    for name, control in (control_maps or {}).items():
        controls[name] = resized(map_array(control, images), array.shape[1:])
    rows = {"map": array, **controls}
    answers = PerturbedAnswers(checkpoint, images, precision) if answers is None else answers
    if answers.checkpoint is not checkpoint or answers.images is not images or answers.asked != precision:
        raise ValueError(
            "These answers are of another checkpoint or of other images, or were asked for in another precision; begin with "
            "new ones."
        )
    curves, values = measure_on_encoder(rows, answers, Asked(target, fill, steps, seed), progress=progress)
    return Faithfulness(
        ids=images.ids,
        names=list(rows),
        fractions=removed_fractions(array, steps),
        curves=curves,
        values=values | _measure_on_masks(rows, regions),
        name=str(getattr(maps, "method", "") or ""),
        target=similarity.words,
        fill=fill,
        seed=seed,
        precision=answers.precision,
    )


def _measure_on_masks(rows: dict[str, np.ndarray], regions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{measure: (m, n)} of m maps on each mask; without those of which every mask is empty."""
    # What random maps read on average, without the noise of drawing some: a constant map.
    rows = rows | {RANDOM: np.ones_like(rows[RANDOM])}
    values = {}
    for region, mask in regions.items():
        for measure, compute in localization.MEASURES.items():
            measured = np.stack([compute(maps, mask) for maps in rows.values()])
            if np.isfinite(measured).any():
                values[measure if len(regions) == 1 else f"{region} {measure}"] = measured
    return values


def _sign(measure: str) -> int:
    return -1 if measure in LOWER_IS_BETTER else 1


def _without_missing(values: np.ndarray) -> np.ndarray:
    """Without the images that have no value."""
    return values[:, np.isfinite(values).all(axis=0)]
