"""Is the map true?  Every measure of it beside the same measure of maps that no model made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from sslviz.data import Images
from sslviz.explanations.control_maps import control_maps, resized
from sslviz.explanations.faithfulness import localization, perturbation
from sslviz.explanations.faithfulness.perturbation import STEPS, Fill, Similarity, infidelity, removal_curves
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_draws
from sslviz.explanations.targets.targets import Target
from sslviz.features.embed import batch_size, preprocess, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.statistics import Score, percentile_interval

LOWER_IS_BETTER = {"deletion", "infidelity"}
CONTROLS = {"random": "random order", "centre": "a centre blob", "edge": "an edge filter", "luminance": "luminance",
            "saturation": "saturation", "untrained": "the untrained encoder's map"}  # fmt: skip
SIMILARITIES: dict[str, Similarity] = {"cosine": perturbation.cosine, "dot": perturbation.dot}


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Is the map true, and would one have been that no model made?

    `names` (m,) is "map" and then the controls.  `values` {measure: (m, n)} has one number per map and image of `ids`,
    NaN where there is none (an empty mask).  `curves` {"deletion", "insertion"}: (m, n, k + 1) is the similarity to the
    whole image once each of `fractions` (k + 1,) of the picture is gone or there.  `name` says how the maps were made,
    `target` and `fill` how similarity was read and with what pixels were replaced.
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
        each = self.curves[measure][self.names.index(name)]  # (n, k + 1)
        mean = each.mean(axis=0)
        if len(each) < FEWEST_IMAGES:
            return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        draws = mean_draws(each.T, self.seed)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        return mean, low, high

    def best(self, measure: str, among: Sequence[str] | None = None) -> str:
        """Which control is the strongest on this measure (of those `among` which it is to be)?"""
        controls = self.scores()[measure].controls
        return max(among or controls, key=lambda name: _sign(measure) * controls[name])

    def beats(self, measure: str) -> bool | None:
        """Does the map beat every control on this measure, paired over images?  None for too few images to say."""
        draws = self._draws.get(measure)
        if draws is None:
            return None
        ahead = _sign(measure) * (draws[:, :1] - draws[:, 1:])
        return bool((np.quantile(ahead, 0.025, axis=0) > 0).all())

    def verdict_on(self, measure: str) -> str:
        """What may be said of the map on this measure?  One phrase, with the value and its best control's."""
        best = self.best(measure)
        what, beats = measure.replace("_", " "), self.beats(measure)
        numbers = f"{what} {self._numbers(measure)}"
        if beats:
            return f"beats its best control ({numbers})"
        if beats is None:
            return f"too few images to say ({numbers})"
        return f"no better than {CONTROLS.get(best, best)} ({numbers})"

    @property
    def verdict(self) -> str:
        """What may be said of the map?  The phrase for its title: on insertion, and on deletion where they differ."""
        text = self.verdict_on("insertion")
        if self.beats("deletion") != self.beats("insertion"):
            text += "; on deletion it " + (
                "does" if self.beats("deletion") else "does not: " + self._numbers("deletion")
            )
        return text

    def _numbers(self, measure: str) -> str:
        score, best = self.scores()[measure], self.best(measure)
        return f"{Score(score.value)}, {best} {Score(score.controls[best])}"

    @cached_property
    def _draws(self) -> dict[str, np.ndarray]:
        """{measure: (draws, m)} resampled means, the same images for all maps; without those of too few images."""
        kept = {name: _known(values) for name, values in self.values.items()}
        return {
            name: mean_draws(values, self.seed) for name, values in kept.items() if values.shape[1] >= FEWEST_IMAGES
        }

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        for name, values in self.values.items():
            means = _known(values).mean(axis=1)
            low, high = percentile_interval(self._draws[name][:, 0]) if name in self._draws else (None, None)
            controls = dict(zip(self.names[1:], map(float, means[1:]), strict=True))
            scores[name] = Score(float(means[0]), low, high, controls, _better(name))
        return scores


def faithfulness(
    maps: Any,
    checkpoint: Checkpoint,
    images: Images,
    masks: Mapping[str, np.ndarray] | np.ndarray | Sequence[str] | str | None = None,
    *,
    target: str | Similarity | Target = "cosine",
    fill: Fill = "mean",
    steps: int = STEPS,
    controls: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Faithfulness:
    """Is the map true?

    `maps` is a result with `.maps`, or an array (n, h, w) on any grid: large where a place is said to matter.
    Measured on the encoder: "deletion" and "insertion", areas under the similarity to the whole image while cells go or
    come in the map's order, in at most `steps` steps (arXiv 1806.07421; random order of an additive score gives the
    mean of the two ends); and "infidelity", see `perturbation.infidelity`.  Measured on `masks` (names in
    `images.masks`, an array (n, height, width), or {name: array}; by default all of `images.masks` but the
    background): `pointing_game`, `relevance_mass` (of positive relevance), `relevance_rank` and `localization_auc`,
    "NAME measure" where there are several masks; images whose mask is empty are left out.

    `target` "cosine" or "dot" to the whole image's features, a function of both, (b, d) and (b, d) -> (b,), or a
    `targets.Target`; `fill` "mean" (the image's mean colour) or "blur".  Controls: random order, a blob in the middle,
    edges, luminance and saturation, on the map's own grid, and those given as {name: maps}: {"untrained": the
    re-initialised encoder's}.  Intervals: bootstrap over images, paired between maps, from 8 images on.  ValueError for
    maps that are not finite or do not go with the images.

    Caveat: Removing pixels makes pictures unlike any the encoder has seen, and a mask shows where the object is, not
    what the encoder reads: a map is only as good as its distance to the controls.
    """
    found, name = maps_of(maps, images), str(getattr(maps, "method", "") or "")
    regions = masks_of(masks, images)
    drawn = control_maps(images, seed=seed)
    others = {key: resized(value, found.shape[1:]) for key, value in drawn.items()}
    others["random"] = np.random.default_rng(seed).random(found.shape, dtype=np.float32)
    others |= {key: resized(maps_of(value, images), found.shape[1:]) for key, value in (controls or {}).items()}
    rows = {"map": found, **others}
    curves, values = _on_the_encoder(rows, checkpoint, images, target_of(target), fill, steps, seed, progress)
    for region, mask in regions.items():
        for measure, measured in localization.MEASURES.items():
            key = measure if len(regions) == 1 else f"{region} {measure}"
            # What random maps read on average, without the noise of drawing some: a constant map.
            chance = {"random": np.ones_like(others["random"])}
            values[key] = np.stack([measured(one, mask) for one in ({**rows, **chance}).values()])
            if not np.isfinite(values[key]).any():
                del values[key]  # every mask was empty
    return Faithfulness(
        ids=images.ids,
        names=list(rows),
        fractions=_fractions(found, steps),
        curves=curves,
        values=values,
        name=name,
        target=target_of(target).words,
        fill=fill,
        seed=seed,
    )


def target_of(target: str | Similarity | Target) -> Target:
    """The target that a word, a function of features or a target means; ValueError for an unknown word."""
    if isinstance(target, Target):  # a unit or a probe compares with nothing, not with the whole image
        return target if target.references else replace(target, value=lambda f, whole: target.value(f))
    if not isinstance(target, str):
        return Target(getattr(target, "__name__", "a function of the features"), target)
    if target not in SIMILARITIES:
        raise ValueError(
            f"target is one of {', '.join(SIMILARITIES)}, a function of features or a Target; got {target!r}."
        )
    return Target(target, SIMILARITIES[target])


def maps_of(maps: Any, images: Images) -> np.ndarray:
    """The array (n, h, w) of a result, or of itself; ValueError where it does not go with the images."""
    ids = getattr(maps, "ids", None)
    if ids is not None and not np.array_equal(np.asarray(ids, str), images.ids):
        raise ValueError("The maps are of other images, or in another order: their ids are not those of the images.")
    found = np.asarray(getattr(maps, "maps", maps), np.float32)
    if found.ndim != 3 or len(found) != len(images) or not len(images):
        raise ValueError(
            f"Maps of {len(images)} images need the shape ({len(images)}, h, w) and at least one image; "
            f"got {found.shape}."
        )
    if not np.isfinite(found).all():
        raise ValueError("Maps must be finite, but some values are NaN or infinite; leave those images out.")
    return found


def masks_of(
    masks: Mapping[str, np.ndarray] | np.ndarray | Sequence[str] | str | None, images: Images
) -> dict[str, np.ndarray]:
    """The masks that are meant, by name; ValueError for names the images do not have."""
    if isinstance(masks, np.ndarray):
        return {"object": masks.astype(bool)}
    if isinstance(masks, Mapping):
        return {name: np.asarray(mask, bool) for name, mask in masks.items()}
    if masks is None:
        return {name: np.asarray(mask, bool) for name, mask in images.masks.items() if name != "background"}
    names = [masks] if isinstance(masks, str) else list(masks)
    if unknown := [name for name in names if name not in images.masks]:
        raise ValueError(f"There is no mask {unknown[0]!r}; the images have: {', '.join(images.masks) or 'none'}.")
    return {name: np.asarray(images.masks[name], bool) for name in names}


def _on_the_encoder(
    rows: dict[str, np.ndarray],
    checkpoint: Checkpoint,
    images: Images,
    target: Target,
    fill: Fill,
    steps: int,
    seed: int,
    progress: bool,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Curves (m, n, k + 1) and measures (m, n) that need the encoder, in parts of as many images as a batch holds."""
    encoder = to_device(checkpoint.encoder())
    batch = batch_size(encoder)
    given: dict[str, Any] = {"fill": fill, "similarity": target.value, "batch": batch}
    curves: dict[str, list[np.ndarray]] = {"deletion": [], "insertion": []}
    errors = []
    with progress_bar(f"removing pixels of {checkpoint.run}", len(images), "images", shown=progress) as advance:
        for part in perturbation.in_batches(len(images), max(1, batch // 8)):
            x = _pixels(images, part, encoder)
            cut = [values[part] for values in rows.values()]
            given["references"] = [r[part].to(x.device) for r in target.references]
            for name, insert in (("deletion", False), ("insertion", True)):
                more: dict[str, Any] = given | {"insert": insert, "steps": steps, "seed": seed + part.start}
                curves[name].append(np.stack([removal_curves(encoder, x, one, **more) for one in cut]))
            errors.append(infidelity(encoder, x, np.stack(cut), **given, seed=seed + part.start))
            advance(len(x))
    whole = {name: np.concatenate(parts, axis=1) for name, parts in curves.items()}
    areas = {name: area(curve, _fractions(rows["map"], steps)) for name, curve in whole.items()}
    return whole, areas | {"infidelity": np.concatenate(errors, axis=1)}


def area(curves: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The area under curves (..., k + 1) over `fractions` (k + 1,), by the trapezoid rule."""
    return np.trapezoid(curves, fractions, axis=-1)


def _pixels(images: Images, part: slice, encoder: Any) -> torch.Tensor:
    device = next(encoder.parameters()).device
    return preprocess(torch.from_numpy(np.array(images.pixels[part])).to(device), encoder)


def _fractions(maps: np.ndarray, steps: int) -> np.ndarray:
    return perturbation.counts(maps[0].size, steps) / maps[0].size


def _sign(measure: str) -> int:
    return -1 if measure in LOWER_IS_BETTER else 1


def _better(measure: str) -> bool:
    return measure not in LOWER_IS_BETTER


def _known(values: np.ndarray) -> np.ndarray:
    """Without the images that have no value."""
    return values[:, np.isfinite(values).all(axis=0)]
