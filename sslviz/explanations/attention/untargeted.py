"""Untargeted maps: where an encoder attends or answers, of no number in particular; of a transformer or of any grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sslviz.data import Images
from sslviz.explanations.attention.activation import activation_energy, eigen_cam
from sslviz.explanations.attention.attention_result import Attention
from sslviz.explanations.passes import Passes
from sslviz.runs import Checkpoint

ACTIVATIONS = {"activation_energy": activation_energy, "eigen_cam": eigen_cam}


@dataclass(frozen=True, eq=False)
class Look:
    """One untargeted map for each of n images.

    It says nothing about whether the features depend on these places: `faithfulness` measures that.

    - ids: the images' ids (n,)
    - method: "activation_energy" or "eigen_cam" of an encoder with a grid; "rollout", "last layer" or the name of a
      layer of a transformer's attention
    - name: the run
    - maps: float32 (n, rows, columns), unscaled
    - untrained: the same of the encoder re-initialised
    """

    ids: np.ndarray
    method: str
    name: str
    maps: np.ndarray
    untrained: np.ndarray


def activation(
    checkpoint: Checkpoint,
    images: Images,
    *,
    method: Literal["activation_energy", "eigen_cam"] = "activation_energy",
    progress: bool = True,
) -> Look:
    """Where does an encoder with a grid answer?  Its activation energy or EigenCAM, beside the encoder re-initialised.

    ValueError for an unknown method, for clips and for encoders that end in no grid.

    Caveat: A loud place need not matter to the features: pooling and what follows decide that.
    """
    if method not in ACTIVATIONS:
        raise ValueError(f"method is one of {', '.join(ACTIVATIONS)}; got {method!r}.")
    control = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))
    maps, untrained = (ACTIVATIONS[method](encoder, images, progress=progress) for encoder in (checkpoint, control))
    return Look(images.ids, method, checkpoint.run, maps, untrained)


def activation_passes(images: Images) -> Passes:
    """How many pictures go through both encoders for `activation`."""
    return len(images) * Passes(2)


def untargeted_attention(result: Attention) -> dict[str, Look]:
    """{method: Look} of a transformer: through all layers, and the mean head of the result's layer."""
    layer = "last layer" if result.layer == result.layers[-1] else result.layer
    return {
        "rollout": Look(result.ids, "rollout", result.run, result.rollout, result.control_rollout),
        layer: Look(result.ids, layer, result.run, result.maps.mean(1), result.control_maps),
    }
