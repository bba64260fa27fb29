"""The Method contract: what the training loop hands a method, and what the method gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

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


class Method(Protocol):
    """A way of learning without labels: an `nn.Module` in a file of its own, listed in `METHODS`.

    The constructor takes the encoder, then settings by keyword with a default each; one of them is `seed`.  State that
    no optimiser moves (queues, centres, prototypes) is registered as buffers: they are saved, resumed and shared between
    processes.  What every method has:

    - views: how the views of a batch are made, an attribute of the class; size, mean and std become the encoder's
    - encoder: the encoder that is trained
    - loss: what a step minimises

    What a method may have besides:

    - ema: `{target: online}`, names of modules; after each step a target moves towards its online twin
    - momentum: the share of a target that such a move keeps
    - epoch_begins: `epoch_begins(epoch, features)`, called before every epoch, of which the first is 1; `features()`
      computes the encoder's features of all training images, float32 (n, d) on the training device
    """

    views: ViewPolicy
    encoder: Encoder

    def loss(self, batch: Batch) -> Tensor | dict[str, Tensor]:
        """A scalar to minimise, or `{term: scalar}`: the sum is minimised and the history logs each as `loss_<term>`."""
        ...
