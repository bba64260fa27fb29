"""Pictures that encoders are shown: drawn once for all encoders, and not at all where nothing is to be embedded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.evidence import Stimulus, find_function, find_stimulus
from sslviz.runtime.memory_cache import MemoryCache

# Bytes of drawn pictures that one checkpoint leaves for the next: two rounds of fifty pictures of 224 px with 75 corruptions.
# Larger ones are drawn again for each.
MOST_DRAWN = 5 << 28


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one stimulus, made of these images."""

    stimulus: Stimulus
    images: Images
    precision: str = "auto"  # in which encoders look at them
    shared: MemoryCache = field(default_factory=lambda: MemoryCache(0))  # of rounds, with other checkpoints
    _drawn_rounds: dict[int, Images] = field(default_factory=dict, repr=False)  # for all encoders of this one

    @cached_property
    def sample(self) -> Images:
        """As many of the images as the stimulus shows."""
        few = self.stimulus.max_images
        return self.images if few is None else self.images.rows(sample_rows(len(self.images), few))

    @cached_property
    def drawn(self) -> Images | None:
        """What is shown; None where it cannot be drawn of these images."""
        return find_function(self.stimulus.pictures)(self.sample) if self.stimulus.pictures else self.sample

    @property
    def rounds(self) -> int:
        """In how many rounds all of them are shown."""
        return self.stimulus.rounds(len(self.images))

    def round(self, number: int) -> Images:
        """What is shown in this round: pictures drawn at random among those left, the same ones for every checkpoint.

        A picture of it is the one that would be drawn with all of the sample.
        """
        if number not in self._drawn_rounds:
            key = self.stimulus.name, self.images.digest, number
            self._drawn_rounds[number] = self.shared.get(key, lambda: self._draw(number))
        return self._drawn_rounds[number]

    def _draw(self, number: int) -> Images:
        n, size = len(self.images), self.stimulus.round_size
        assert size is not None
        sample = sample_rows(n, self.stimulus.max_images)
        shown, before = (sample_rows(n, min(size * k, len(sample))) for k in (number + 1, number))
        rows = np.setdiff1d(shown, before)
        drawn: Images = find_function(self.stimulus.pictures)(self.images.rows(rows), np.searchsorted(sample, rows))
        return drawn

    @property
    def digest(self) -> str | None:
        """Of which images the features are kept: those of the run, unless the pictures are kept under their own name."""
        if self.stimulus.layer == "layers":
            return self.sample.digest
        if self.stimulus.pictures and self.stimulus.layer == "pooled":
            return self.drawn.digest if self.drawn is not None else None
        return self.images.digest


def shared_pictures(checkpoints: int) -> MemoryCache:
    """Where so many checkpoints find pictures that were drawn for one of them; nothing is kept for a single one."""
    return MemoryCache(MOST_DRAWN if checkpoints > 1 else 0)


def count_factors(images: Images) -> int:
    """How many pictures `changed_images` shows of each image: itself, and one for every factor; 0 where it draws none."""
    from sslviz.data.worlds import factors_of

    try:
        return 1 + len(factors_of(images))
    except ValueError:
        return 0


def changed_images(images: Images) -> Images | None:
    """Some of the images, and each again with one factor changed, for every factor; None where no world here drew them."""
    from sslviz.data import counterfactual
    from sslviz.data.worlds import factors_of

    some = images.rows(sample_rows(len(images), find_stimulus("changed").max_images))
    try:
        parts = {"": some} | {factor: counterfactual(some, factor) for factor in factors_of(some)}
    except ValueError:
        return None
    table = pd.DataFrame({"object": np.tile(some.ids, len(parts)), "changed": np.repeat([*parts], len(some))})
    ids = np.array([f"{name} {factor}".strip() for name, factor in zip(table["object"], table["changed"], strict=True)])
    return Images(np.concatenate([part.pixels for part in parts.values()]), ids, table)


def count_corruptions(images: Images) -> int:
    """How many pictures `corrupted_images` shows of each image: itself, and one for every corruption and severity.

    0 where none can be drawn: without the package that draws them, or of smaller images than it takes.
    """
    from sslviz.data.corruptions import SEVERITIES, known_corruptions

    try:
        return 1 + len(known_corruptions(images)) * len(SEVERITIES)
    except ValueError:
        return 0


def corruption_seconds(images: Images) -> float:
    """About how long one processor draws one of these images under every corruption and severity."""
    from sslviz.data.corruptions import drawing_seconds

    return max(0, count_corruptions(images) - 1) * drawing_seconds(images)


def corrupted_images(images: Images, numbers: np.ndarray | None = None) -> Images:
    """The images under every corruption and severity, drawn by these numbers of theirs.

    ValueError without the package that draws them.
    """
    from sslviz.data.corruptions import corrupted

    return corrupted(images, numbers=numbers, progress=False)
