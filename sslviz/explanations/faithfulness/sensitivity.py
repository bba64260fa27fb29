"""Do the maps survive noise that nobody would see?  Sensitivity-max, beside that of maps that no model made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sslviz.data import Images
from sslviz.explanations.control_maps import control_maps
from sslviz.explanations.faithfulness.agreement import interval
from sslviz.explanations.faithfulness.faithfulness import maps_of
from sslviz.explanations.faithfulness.randomization import Explain
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.statistics import Score


@dataclass(frozen=True, eq=False)
class Steadiness:
    """Do the maps survive noise?  `values` (m, n): the largest relative change of each image's map, of each of `names`.

    `names` is "map" and then the controls; `radius` says how far every channel of every pixel was moved at most, as a
    share of its range, `draws` how often.
    """

    ids: np.ndarray
    names: list[str]
    values: np.ndarray
    radius: float
    draws: int
    name: str = ""
    seed: int = 0

    def scores(self) -> dict[str, Score]:
        """`sensitivity_max`, averaged over images; neither direction is good in itself: a constant map reads 0."""
        return {"sensitivity_max": self._score}

    @cached_property
    def _score(self) -> Score:
        means = self.values.mean(axis=1)
        controls = dict(zip(self.names[1:], map(float, means[1:]), strict=True))
        low, high = interval(self.values[0], self.seed)
        return Score(float(means[0]), low, high, controls, None)


def steadiness(
    explain: Explain,
    checkpoint: Checkpoint,
    images: Images,
    *,
    radius: float = 0.02,
    draws: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> Steadiness:
    """Do the maps survive noise that nobody would see?

    `explain(checkpoint, images)` makes the maps, or a result with `.maps`.  Sensitivity-max (arXiv 1901.09392): the
    largest of `draws` relative changes |map(x + noise) - map(x)| / |map(x)| when every channel of every pixel moves by up
    to `radius` of its range (rounded to whole levels), averaged over images; 0 where a map is all zero and stays so.
    Control: the maps that no model made, which follow the noise too.  ValueError for a radius outside 0 to 1.

    Caveat: A steady map need not be a true one: a constant one is the steadiest of all.
    """
    if not 0 < radius <= 1 or draws < 1:
        raise ValueError(f"steadiness needs 0 < radius <= 1 and draws >= 1; got radius={radius}, draws={draws}.")
    first = explain(checkpoint, images)
    before = {"map": maps_of(first, images), **_drawn(images)}
    change = np.zeros((len(before), len(images)))
    with progress_bar(f"shaking images of {checkpoint.run}", draws, "draws", shown=progress) as advance:
        for k in range(draws):
            shaken = _shaken(images, radius, (seed, k))
            after = {"map": maps_of(explain(checkpoint, shaken), shaken), **_drawn(shaken)}
            moved = np.stack([_relative_change(before[name], after[name]) for name in before])
            change = np.maximum(change, moved)
            advance()
    name = str(getattr(first, "method", "") or "")
    return Steadiness(images.ids, list(before), change, radius, draws, name, seed)


def _drawn(images: Images) -> dict[str, np.ndarray]:
    return {name: values for name, values in control_maps(images).items() if name not in ("random", "centre")}


def _shaken(images: Images, radius: float, seed: tuple[int, int]) -> Images:
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-255 * radius, 255 * radius, images.pixels.shape)
    pixels = np.rint(np.clip(images.pixels + noise, 0, 255)).astype(np.uint8)
    return replace(images, pixels=pixels, spec="")


def _relative_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    moved, length = (np.linalg.norm(m.reshape(len(m), -1), axis=1) for m in (after - before, before))
    return np.where(length > 0, moved / np.where(length > 0, length, 1), np.where(moved > 0, np.inf, 0))
