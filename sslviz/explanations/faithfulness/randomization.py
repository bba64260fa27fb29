"""Cascading randomization: layers are re-initialised one after the other, and the maps made again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz.data import Images
from sslviz.explanations.faithfulness.map_arrays import map_array
from sslviz.explanations.faithfulness.rank_correlation import off_diagonal, rank_correlations
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_interval
from sslviz.explanations.passes import Passes
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.statistics import Score

if TYPE_CHECKING:
    from sslviz.encoders import Encoder

PERMUTATIONS = 1000
Explain = Callable[[Checkpoint, Images], Any]


@dataclass(frozen=True)
class PartlyRandomized(Checkpoint):
    """A checkpoint some of whose layers hold fresh random weights again.

    - fresh: the names of these layers, as `layers_of` calls them
    - fresh_seed: of their weights
    """

    fresh: tuple[str, ...] = ()
    fresh_seed: int = 0

    def encoder(self) -> Encoder:
        """The encoder with these layers re-initialised as `fresh_seed` says, all others as in the checkpoint."""
        encoder = super().encoder()
        state, fresh = encoder.state_dict(), self.untrained(self.fresh_seed).encoder().state_dict()
        encoder.load_state_dict({k: fresh[k] if _layer_of(k) in self.fresh else v for k, v in state.items()})
        return encoder

    @property
    def digest(self) -> str:
        """The checkpoint's own, and which layers are fresh."""
        return f"{super().digest}-fresh{self.fresh_seed}-{len(self.fresh)}" if self.fresh else super().digest

    @property
    def key(self) -> str:
        """How it is called in file names."""
        return f"{super().key}-fresh{self.fresh_seed}-{len(self.fresh)}" if self.fresh else super().key


def layers_of(checkpoint: Checkpoint) -> list[str]:
    """The names of the layers that can be re-initialised one after the other, in the order in which they are built."""
    return list(dict.fromkeys(_layer_of(name) for name in checkpoint.encoder().state_dict()))


def _layer_of(parameter: str) -> str:
    """model.blocks.3.attn.qkv.weight -> blocks.3; model.encoder.layers.encoder_layer_3.ln_1.weight -> the third alike."""
    parts = parameter.removeprefix("model.").split(".")
    at = next((i for i, part in enumerate(parts[:-1]) if i and re.fullmatch(r"(.*_)?\d+", part)), 0)
    return ".".join(parts[: at + 1])


@dataclass(frozen=True, eq=False)
class Cascade:
    """Correlations of maps with those of an encoder re-initialised from the top down.

    - ids: the images' ids (n,)
    - layers: what was re-initialised last, "none" first, (k + 1,)
    - correlations: Spearman of the sizes of the maps of one image, mean over re-initialisations, (k + 1, n)
    - null_low: where 95 % of the means over images begin when each image's map is compared with that of another image,
      (k + 1,)
    - null_mean: the mean of these means, (k + 1,)
    - null_high: where 95 % of them end, (k + 1,)
    - p: how often such a mean is as large as that of the same images, (k + 1,)
    - seeds: how many re-initialisations there were of each depth
    - name: the method that made the maps
    - seed: of the re-initialisations and the null
    """

    ids: np.ndarray
    layers: list[str]
    correlations: np.ndarray
    null_low: np.ndarray
    null_mean: np.ndarray
    null_high: np.ndarray
    p: np.ndarray
    seeds: int
    name: str = ""
    seed: int = 0

    def scores(self) -> dict[str, Score]:
        """`cascade`: the mean correlation once every layer is re-initialised, beside that of maps of other images."""
        return {"cascade": self._score}

    @property
    def verdict(self) -> str:
        """Whether the maps of the re-initialised encoder are still those of the trained one, in words."""
        now, null = float(self.correlations[-1].mean()), self.null_mean[-1]
        numbers = f"{now:.2f}, other images {null:.2f}"
        if self.p[-1] < 0.05:
            return f"part of the map needs no training: it looks like an untrained encoder's ({numbers})"
        return f"the map depends on what was learned ({numbers})"

    @cached_property
    def _score(self) -> Score:
        last = self.correlations[-1]
        low, high = mean_interval(last, self.seed)
        return Score(float(last.mean()), low, high, {"other images": float(self.null_mean[-1])}, None)


def cascade(
    explain: Explain,
    checkpoint: Checkpoint,
    images: Images,
    *,
    seeds: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> Cascade:
    """Do the maps depend on what was learned?

    `explain(checkpoint, images)` makes the maps, or a result with `.maps`: `lambda c, i: attribute(c, i, method=...)`.
    Layers get fresh random weights one after the other, from the last to the first, each time `seeds` ways.  The sizes of
    the maps are compared with those of the trained encoder by Spearman correlation (arXiv 1810.03292).

    Control: not 0 but what maps of *different* images read, as smooth maps correlate by chance and all maps share where
    objects usually are.  A mean over images is compared with those of 1,000 reassignments of images.  Costs 1 + layers x
    seeds times `explain`.  ValueError for fewer than 8 images.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None)
        >>> edges = lambda checkpoint, images: abs(images.pixels.mean(3) - 128)  # asks no encoder
        >>> result = sslviz.cascade(edges, checkpoint, sslviz.shapes(n=8), seeds=1, progress=False)
        >>> result.verdict.partition(" (")[0]
        "part of the map needs no training: it looks like an untrained encoder's"

    Caveat: Maps that change with the weights may still be wrong; maps that do not change cannot be about them.
    """
    if len(images) < FEWEST_IMAGES:
        raise ValueError(
            f"A cascade needs at least {FEWEST_IMAGES} images to tell chance from likeness; got {len(images)}."
        )
    layers = layers_of(checkpoint)[::-1]
    result = explain(checkpoint, images)
    trained = np.abs(map_array(result, images))
    stages = [rank_correlations(trained, trained)]
    with progress_bar(f"re-initialising {checkpoint.run}", len(layers) * seeds, "encoders", shown=progress) as advance:
        for depth in range(1, len(layers) + 1):
            correlations = []
            for k in range(seeds):
                fields = {f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(Checkpoint)}
                partly = PartlyRandomized(**fields, fresh=tuple(layers[:depth]), fresh_seed=seed + 1 + k)
                correlations.append(rank_correlations(trained, np.abs(map_array(explain(partly, images), images))))
                advance()
            stages.append(np.mean(correlations, axis=0))
    nulls = np.stack([reassigned(stage, seed=seed) for stage in stages])
    same = np.stack([stage.diagonal() for stage in stages])
    return Cascade(
        ids=images.ids,
        layers=["none", *layers],
        correlations=same,
        null_low=np.quantile(nulls, 0.025, axis=1),
        null_mean=np.array([off_diagonal(stage).mean() for stage in stages]),
        null_high=np.quantile(nulls, 0.975, axis=1),
        p=(1 + (nulls >= same.mean(axis=1)[:, None]).sum(axis=1)) / (1 + nulls.shape[1]),
        seeds=seeds,
        name=str(getattr(result, "method", "") or ""),
        seed=seed,
    )


def cascade_passes(checkpoint: Checkpoint, of_maps: Passes, *, seeds: int = 3) -> Passes:
    """How many pictures go through encoders for `cascade`, where making the maps once takes `of_maps`."""
    return (1 + seeds * len(layers_of(checkpoint))) * of_maps


def reassigned(correlations: np.ndarray, *, draws: int = PERMUTATIONS, seed: int = 0) -> np.ndarray:
    """The mean over images if the maps were of others: (draws,) means over random reassignments."""
    rng = np.random.default_rng(seed)
    n = len(correlations)
    return np.array([correlations[np.arange(n), rng.permutation(n)].mean() for _ in range(draws)])
