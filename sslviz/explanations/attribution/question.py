"""What is being asked of an encoder?  The images, the one number to explain, and the rooms all methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.encoders import Encoder
from sslviz.explanations.targets.targets import Target
from sslviz.runtime.progress import progress_bar

PIXELS = 2**17  # the encoder sees at once: 128 images of 32 px, 2 of 224 px; measured as fast on a CPU as more


def at_once(encoder: Encoder) -> int:
    """How many images go through the encoder together?  So many that their pixels are at most 2^17, and at least one.

    What a method remembers is thereby bounded, however many steps, samples or windows it takes.
    """
    return max(1, PIXELS // encoder.image_size**2)


@contextmanager
def frozen(encoder: Encoder) -> Iterator[None]:
    """In here the encoder only answers: in evaluation mode, no weight wants a gradient; afterwards it is as before."""
    modes = {module: module.training for module in encoder.modules()}
    wants = {weight: weight.requires_grad for weight in encoder.parameters()}
    encoder.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for weight, want in wants.items():
            weight.requires_grad_(want)


@contextmanager
def seeded_everywhere(seed: int, device: torch.device) -> Iterator[None]:
    """In here the global random state depends on `seed` alone, for libraries that draw from it; then it is as before."""
    gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if gpu else []):
        torch.default_generator.manual_seed(seed)
        if gpu:
            torch.cuda.manual_seed(seed)
        yield


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be explained?  `target` of `encoder` at the images `x`, if need be against `baselines`.

    `x` (n, 3, s, s) and `baselines` (k, n, 3, s, s) are as the encoder expects them, on the CPU; `masks`
    {name: bool (n, s, s)}; `title` is that of the progress bar, empty for none.
    """

    encoder: Encoder
    target: Target
    x: Tensor
    baselines: Tensor
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0
    title: str = ""

    def score(self, x: Tensor, *references: Tensor) -> Tensor:
        """The number to explain, s (b,), of images (b, 3, s, s) with the references that belong to them."""
        return self.target.value(self.encoder(x), *references)

    @property
    def device(self) -> torch.device:
        """Where the encoder lies."""
        return next((t.device for t in (*self.encoder.parameters(), *self.encoder.buffers())), torch.device("cpu"))

    @property
    def batch(self) -> int:
        """How many images go through the encoder together."""
        return at_once(self.encoder)

    def references(self, rows: Any) -> tuple[Tensor, ...]:
        """What the target compares these images with, on the encoder's device."""
        return tuple(reference[rows].to(self.device) for reference in self.target.references)

    def chunks(self) -> Iterator[tuple[slice, Tensor, tuple[Tensor, ...]]]:
        """The images in batches: their rows, themselves and their references, with a bar."""
        with progress_bar(self.title, len(self.x), "images", shown=bool(self.title)) as advance:
            for start in range(0, len(self.x), self.batch):
                rows = slice(start, min(start + self.batch, len(self.x)))
                yield rows, self.x[rows].to(self.device), self.references(rows)
                advance(rows.stop - start)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says: `maps` (k, n, s, s), one for each baseline (k = 1 where it has none).

    `halves` (2, n, s, s) are maps of two halves of the samples, where there are samples; `extra` other arrays.
    """

    maps: Tensor
    halves: Tensor | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)


@torch.inference_mode()
def read_mixes(
    question: Question,
    baseline: Tensor,
    masks: Tensor,
    *,
    read: Callable[..., Tensor] | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """What does the encoder make of each image with parts of it replaced?  (n, m), or (n, m, ...) of another `read`.

    The image shows where a mask is 1, `baseline` (n, 3, s, s) where it is 0.  `masks` (m, s, s) for all images, or
    (n, m, s, s).  All pairs of image and mask go through the encoder in full batches.
    """
    read, x = read or question.score, question.x
    n, m = len(x), masks.shape[-3]
    parts = []
    for start in range(0, n * m, question.batch):
        pair = torch.arange(start, min(start + question.batch, n * m))
        i, j = pair // m, pair % m
        mask = masks[j] if masks.ndim == 3 else masks[i, j]
        mixed = torch.lerp(baseline[i], x[i], mask[:, None].to(x.dtype))
        # Channels last: convolutions of a full batch take 0.4 to 0.7 of the time on a CPU, the same values to 1e-6.
        mixed = mixed.to(question.device, memory_format=torch.channels_last)
        parts.append(read(mixed, *question.references(i)).float().cpu())
        advance(len(pair))
    return torch.cat(parts).unflatten(0, (n, m))
