"""Pace: how many pictures a second an encoder reads on this machine, timed once and remembered in its run folder.

Pictures are read, resized and embedded as `gather` will do it.  `transfer.budget.training_pace` times steps of training,
on blank pictures and in the precision of training, and is not remembered: one of the two does not tell the other.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.runs import Run
from sslviz.runtime.hardware import cores, processor

FIRST, MOST = 4, 256  # pictures that are timed: doubled until they take TIMED
TIMED = 0.5  # seconds; a shorter time says more of the clock than of the encoder


@dataclass(frozen=True)
class Pace:
    """How fast one encoder reads pictures.

    - images_per_second: of its own resolution, resizing and all
    - width: dimensions of its features
    """

    images_per_second: float
    width: int

    def seconds(self, passes: float) -> float:
        """How long so many forward passes take."""
        return passes / self.images_per_second


def measured_pace(run: Run, images: Images, precision: str = "auto") -> Pace:
    """How fast does a run's encoder read these images here?  Read from the run folder, or timed on a few of them.

    It is remembered with the hardware that it was timed on, and with a precision that was named, as of `embed`.
    Untrained encoders of the same architecture are as fast.
    """
    machine = hardware() if precision == "auto" else f"{hardware()}, {precision}"
    try:
        return Pace(**run.info.get("pace", {})[machine])
    except (KeyError, TypeError):
        pace = _timed(run, images, precision)
        with suppress(OSError):  # a folder that cannot be written remembers nothing
            run.update(pace={machine: asdict(pace)})
        return pace


def hardware() -> str:
    """What a pace belongs to: the GPU, or the processor and how many cores of it there are."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{processor()}, {cores()} cores"


def _timed(run: Run, images: Images, precision: str) -> Pace:
    from sslviz.features.embed import embed_pixels, to_device
    from sslviz.features.readers import ready_encoder

    encoder, _ = ready_encoder(to_device(run.last.encoder()), images, precision, said=False)  # as `gather` will
    rows = spread_rows(len(images), MOST)
    embed_pixels(encoder, images.pixels[rows[:FIRST]])  # the first batch also loads and compiles
    n = min(FIRST, len(rows))
    while True:
        pixels = images.pixels[rows[:n]]
        began = time.perf_counter()
        width = embed_pixels(encoder, pixels).shape[1]
        took = time.perf_counter() - began
        if took >= TIMED or n >= len(rows):
            return Pace(n / max(took, 1e-6), width)
        n = min(len(rows), 2 * n)
