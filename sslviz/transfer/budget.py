"""Budget: what an answer puts through an encoder, how long that takes here, and what is asked where it would take too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslviz.data import Images
from sslviz.runs import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor

    from sslviz.encoders import Encoder

MINUTES = 15.0  # that an answer may take unless somebody asks for more: a coffee, not an afternoon
TIMED = 32, 4  # pictures that are timed at up to 64 px, and of larger ones, where a pass takes seconds


@dataclass(frozen=True)
class Passes:
    """How many pictures go through an encoder.

    - seen: forwards only
    - trained: forwards and backwards, and its weights take a step
    """

    seen: int = 0
    trained: int = 0


@dataclass(frozen=True)
class TrainingPace:
    """How long one picture takes, in seconds: forwards only, and in training."""

    seen: float
    trained: float

    def seconds(self, passes: Passes) -> float:
        """How long these passes take.

        Example:
            >>> TrainingPace(seen=0.001, trained=0.004).seconds(Passes(seen=2000, trained=500))
            4.0
        """
        return self.seen * passes.seen + self.trained * passes.trained


@dataclass(frozen=True)
class Budget:
    """What an entry of scope "images" says of itself, beside its function.

    - passes: the passes of its function, called with the same images and keywords, and the checkpoint first
    - shorter: keywords that make it shorter, the longest first, where the defaults take too long
    """

    passes: Callable[..., Passes]
    shorter: tuple[Mapping[str, Any], ...] = ()


def training_pace(checkpoint: Checkpoint) -> TrainingPace:
    """How long a picture takes this encoder on this machine, timed on blank ones; ValueError where it cannot be read.

    `evaluation.pace` times embedding instead, with reading and resizing and in the precision that embedding chooses.
    """
    from sslviz.features.embed import to_device

    encoder = to_device(checkpoint.encoder())
    return TrainingPace(_seen(encoder), _trained(encoder))


def seconds_per_answer(checkpoint: Checkpoint) -> float:
    """How long one picture takes this encoder on this machine, forwards; ValueError where its weights cannot be read."""
    from sslviz.features.embed import to_device

    return _seen(to_device(checkpoint.encoder()))


def _seen(encoder: Encoder) -> float:
    import torch

    x = _blank(encoder)

    def see() -> None:
        with torch.inference_mode():
            float(encoder(x).sum())  # which waits for the device

    return _seconds(see) / len(x)


def _trained(encoder: Encoder) -> float:
    import torch

    from sslviz.training.devices import choose_precision

    x, half = _blank(encoder), choose_precision() == "bf16-mixed"
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.0)

    def train() -> None:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            loss = encoder(x).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(loss.detach())

    return _seconds(train) / len(x)


def _blank(encoder: Encoder) -> Tensor:
    """The pictures that are timed, (n, 3, s, s) on the encoder's device."""
    import torch

    n, side = TIMED[encoder.image_size > 64], encoder.image_size
    return torch.zeros(n, 3, side, side, device=next(encoder.parameters()).device)


def _seconds(work: Callable[[], None], times: int = 2) -> float:
    """The fastest of a few times: whatever else the machine does only makes it slower."""
    work()  # the first time loads and compiles
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def halves(images: Images, fit: Images | None) -> tuple[int, int]:
    """How many pictures are scored and how many fitted on, where without `fit` it is a half each."""
    return (len(images) - len(images) // 2, len(images) // 2) if fit is None else (len(images), len(fit))


def classes_in(images: Images, label: str) -> int:
    """How many classes a column shows; 2 at least."""
    return max(2, images.table[label].nunique() if label in images.table else 0)
