"""Recipe: by which optimiser and at which rate a method is trained unless somebody says otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How is a method trained by default?  What `pretrain` takes for what it was not told.

    - optimizer: "adamw", "sgd" or "lars"
    - learning_rate: at the peak, for a batch of 256
    - weight_decay: of matrices and kernels; biases and norms have none

    The defaults are the field's for encoders of this size: AdamW forgives a rate that is wrong by a factor of three.
    """

    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
