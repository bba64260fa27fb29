"""The Method contract: what the training loop hands a method, and what the method gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.views import ViewPolicy


@dataclass(eq=False)  # not frozen: Lightning Fabric rebuilds it field by field where several processes train
class Batch:
    """The pictures of one training step, on the training device.

    - views: augmented and normalised views, float32; one tensor (views, b, 3, s, s) for each size of view
    - pixels: the plain pictures, uint8 (b, h, w, 3)
    - rows: the pictures' row numbers among the training images, int64 (b,)
    - labels: their classes as numbers from 0, int64 (b,); -1 where the class is unknown
    - progress: the share of the training that is done, from 0 to 1
    """

    views: list[Tensor]
    pixels: Tensor
    rows: Tensor
    labels: Tensor
    progress: float


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All images of a training, as a method sees them between epochs.

    - pixels: uint8 (n, h, w, 3), perhaps a memory map
    - features: computes what the encoder makes of all of them now, float32 (n, d) on the training device
    """

    pixels: np.ndarray
    features: Callable[[], Tensor]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a generative method was shown of pictures, and what it made of it; normalised like the encoder's input.

    - shown: what the network was given, (n, 3, s, s)
    - predicted: the pictures that it made, (n, 3, s, s)
    - true: the pictures as they are, (n, 3, s, s)
    - hidden: the pixels that it had to predict, bool (n, 1, s, s); all where no pixel was shown as it is
    """

    shown: Tensor
    predicted: Tensor
    true: Tensor
    hidden: Tensor


@dataclass(frozen=True)
class MethodChoice:
    """A method that is to be trained, listed in `METHODS` or not.

    - name: what run.json and messages call it
    - build: (encoder, seed) -> the method around this encoder, and its views
    - kind: what run.json calls the run
    - arguments: what else run.json says of it; a run is resumed only with the same
    """

    name: str
    build: Callable[[Encoder, int], tuple[nn.Module, ViewPolicy]]
    kind: str = "pretrain"
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A way of learning without labels: an `nn.Module` in a file of its own, listed in `METHODS`.

    The constructor takes the encoder, then settings by keyword with a default each; one of them is `seed`.  It raises
    ValueError for encoders and settings that it cannot work with.  State that no optimiser moves (queues, centres,
    prototypes) is registered as buffers: they are saved, resumed and shared between processes.  What is drawn in a step
    comes from torch's global generator, which the loop seeds; `parts.draws` makes it depend on the picture, not on its
    place in the batch.  What every method has:

    - family: the heading it stands under, an attribute of the class
    - views: how the views of a batch are made, an attribute of the class; size, mean and std become the encoder's
    - encoder: the encoder that is trained

    What a method may have besides:

    - safeguards: `{what keeps it from collapsing: {setting: value that switches it off}}`, an attribute of the class
    - recipe: the `Recipe` by which it is trained unless told otherwise, an attribute of the class
    - ema: `{target: online}`, names of modules; after each step a target moves towards its online twin
    - momentum: the share of a target that the first such move keeps; over the training it rises to 1
    - projector: the head whose output the loss sees, (b, dim) -> (b, d); diagnostics look at it beside the encoder
    - epoch_begins: `epoch_begins(epoch, images)`, called before every epoch, of which the first is 1, with the
      `TrainingImages`; every process is called, and draws the same random numbers
    - reconstruct: `reconstruct(x)`, of methods that make pictures: encoder input (n, 3, s, s) -> `Reconstruction`
    """

    family: str
    views: ViewPolicy
    encoder: Encoder

    def loss(self, batch: Batch) -> Tensor | dict[str, Tensor]:
        """A scalar to minimise, or `{term: scalar}`: the sum is minimised and the history logs each as `loss_<term>`."""
        ...
