"""What attribution methods are given and return: images, the number to explain and the baselines; and the maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.encoders import Encoder
from sslviz.explanations.pictures import device_of
from sslviz.explanations.targets.targets import Target
from sslviz.features.embed import to_device
from sslviz.runtime.progress import progress_bar

PIXELS = 2**17  # the encoder sees at once: 128 images of 32 px, 2 of 224 px; measured as fast on a CPU as more


def at_once(encoder: Encoder) -> int:
    """How many images go through the encoder together: so many that their pixels are at most 2^17, and at least one.

    What a method holds in memory is thereby bounded, however many steps, samples or windows it takes.
    """
    return max(1, PIXELS // encoder.image_size**2)


def encoder_and_name(checkpoint: Any) -> tuple[Encoder, str]:
    """The encoder of a Checkpoint, or of anything with `.encoder()`, or itself; and what figures call it."""
    encoder = checkpoint if isinstance(checkpoint, Encoder) else to_device(checkpoint.encoder())
    return encoder, str(getattr(checkpoint, "run", "") or encoder.name)


@contextmanager
def frozen(encoder: Encoder) -> Iterator[None]:
    """Inside, the encoder is in evaluation mode and no weight requires a gradient; afterwards it is as before."""
    modes = {module: module.training for module in encoder.modules()}
    requires = {weight: weight.requires_grad for weight in encoder.parameters()}
    encoder.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for weight, required in requires.items():
            weight.requires_grad_(required)


@dataclass(frozen=True, eq=False)
class Question:
    """What is explained: one number of each image.

    - encoder: whose number it is
    - target: the number s
    - x: the images as the encoder expects them, (n, 3, s, s) on the CPU
    - baselines: what is shown instead, (k, n, 3, s, s) on the CPU
    - masks: those of the images, {name: bool (n, s, s)}
    - seed: of random samples
    - title: of the progress bar; empty for none
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
        return device_of(self.encoder)

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
    """What a method returns.

    - maps: (k, n, s, s), one for each baseline (k = 1 where it has none)
    - halves: maps of two halves of the samples, (2, n, s, s), where there are samples
    - extra: other arrays by name
    - one_step: what maps of a single gradient would sum to, (k, n); of integrated gradients only
    """

    maps: Tensor
    halves: Tensor | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    one_step: Tensor | None = None


@torch.inference_mode()
def read_mixes(
    question: Question,
    baseline: Tensor,
    masks: Tensor,
    *,
    read: Callable[..., Tensor] | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """What the encoder makes of each image with parts of it replaced: (n, m), or (n, m, ...) of another `read`.

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
