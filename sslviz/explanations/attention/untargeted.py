"""Where does an encoder look, before it is asked about any number?  One map an image, of a transformer or of any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sslviz.data import Images
from sslviz.explanations.attention.activation import activation_energy, eigen_cam
from sslviz.explanations.attention.attention import Attention
from sslviz.runs import Checkpoint

ACTIVATIONS = {"activation_energy": activation_energy, "eigen_cam": eigen_cam}


@dataclass(frozen=True, eq=False)
class Look:
    """Where does it look?  One map for each of `ids`, of no number in particular.

    `maps` float32 (n, rows, columns), unscaled, made by `method`: "activation_energy" or "eigen_cam" of any encoder with
    a grid, "rollout" or "last layer" of a transformer's attention.  `untrained` are the same of the encoder
    re-initialised.  It says nothing about whether the features depend on these places: `faithfulness` measures that.
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
    maps, untrained = (ACTIVATIONS[method](one, images, progress=progress) for one in (checkpoint, control))
    return Look(images.ids, method, checkpoint.run, maps, untrained)


def of_attention(result: Attention) -> dict[str, Look]:
    """Where does a transformer look?  {method: Look}: through all layers, and the mean head of the result's layer."""
    layer = "last layer" if result.layer == result.layers[-1] else result.layer
    return {
        "rollout": Look(result.ids, "rollout", result.run, result.rollout, result.control_rollout),
        layer: Look(result.ids, layer, result.run, result.maps.mean(1), result.control_maps),
    }
