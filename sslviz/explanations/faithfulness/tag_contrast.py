"""Has a shortcut been learned?  How much more relevance lies on the tag that goes with the shape than on one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from sslviz.data import Images
from sslviz.explanations.control_maps import control_maps, resized
from sslviz.explanations.mean_interval import mean_interval
from sslviz.statistics import Score


@dataclass(frozen=True, eq=False)
class TagContrast:
    """Has a shortcut been learned?  `tag`, `distractor` (n,) hold the relevance on each, `names` whose: "map", controls.

    `values` (m, n) is tag minus distractor, one row for each of `names`; `tag` and `distractor` are of the map itself.
    `per` is "mass" (shares of all positive relevance) or "area" (of the mean relevance of a pixel).
    """

    names: list[str]
    values: np.ndarray
    tag: np.ndarray
    distractor: np.ndarray
    per: str = "mass"
    name: str = ""
    seed: int = 0

    def scores(self) -> dict[str, Score]:
        """`tag_contrast`, beside 0 (nothing tells the two apart) and the maps that no model made."""
        return {"tag_contrast": self._score}

    def per_image(self) -> dict[str, np.ndarray]:
        """The contrast of each image, for pairing two encoders over the same images."""
        return {"tag_contrast": self.values[0]}

    @cached_property
    def _score(self) -> Score:
        low, high = mean_interval(self.values[0], self.seed)
        means = self.values.mean(axis=1)
        controls = dict(zip(self.names[1:], map(float, means[1:]), strict=True))
        return Score(float(means[0]), low, high, {"no shortcut": 0.0, **controls})


def tag_contrast(
    maps: Any,
    masks: Mapping[str, np.ndarray],
    *,
    images: Images | None = None,
    controls: Mapping[str, Any] | None = None,
    per: Literal["mass", "area"] = "mass",
    seed: int = 0,
) -> TagContrast:
    """Has a shortcut been learned?

    `maps` (n, h, w), or a result with `.maps`, of images of `tagged_shapes`; `masks` theirs, of which "tag" and
    "distractor" are looked at.  Positive relevance on the tag minus that on the distractor: as shares of all of it
    (`per` "mass", in [-1, 1]), or for each pixel as multiples of the mean (`per` "area").  Both are small patches of the
    same area, colours and places; only the tag's colour goes with the shape where there is a bias.  Controls: 0, given
    `images` the maps that no model made, and those given as {name: maps}.  Interval: bootstrap over images, from 8 on.
    ValueError for masks without the two names or that do not go with the maps.

    Caveat: The patches also differ in form, a square and a disc: compare with an encoder trained without the bias, not
    with 0 alone.
    """
    if missing := {"tag", "distractor"} - set(masks):
        raise ValueError(f"A tag contrast needs masks 'tag' and 'distractor', as tagged_shapes has; {missing} missing.")
    rows = {"map": np.asarray(getattr(maps, "maps", maps), np.float32)}
    if images is not None:
        drawn = control_maps(images, seed=seed)
        del drawn["random"], drawn["centre"]  # their contrast is 0 but for the noise of drawing them
        rows |= drawn
    rows |= {name: np.asarray(getattr(value, "maps", value), np.float32) for name, value in (controls or {}).items()}
    shares = {
        name: (_share(value, masks["tag"], per), _share(value, masks["distractor"], per))
        for name, value in rows.items()
    }
    tag, distractor = shares["map"]
    return TagContrast(
        names=list(rows),
        values=np.stack([a - b for a, b in shares.values()]),
        tag=tag,
        distractor=distractor,
        per=per,
        name=str(getattr(maps, "method", "") or ""),
        seed=seed,
    )


def _share(maps: np.ndarray, mask: np.ndarray, per: str) -> np.ndarray:
    """Of the positive relevance of each map, the share within the mask, or that share over the mask's own of the area."""
    if maps.ndim != 3 or mask.shape[:1] != maps.shape[:1] or not np.isfinite(maps).all():
        raise ValueError(
            f"A tag contrast needs finite maps (n, h, w) and as many masks; got {maps.shape}, {mask.shape}."
        )
    positive = np.maximum(resized(maps, mask.shape[1:]), 0).astype(np.float64)
    positive[~positive.any(axis=(1, 2))] = 1
    share = (positive * mask).sum(axis=(1, 2)) / positive.sum(axis=(1, 2))
    return share if per == "mass" else share / np.maximum(mask.mean(axis=(1, 2)), 1 / mask[0].size)
