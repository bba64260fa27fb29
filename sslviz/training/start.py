"""The encoder that a training begins with: fresh weights, or those of a checkpoint."""

from __future__ import annotations

from typing import Any

from sslviz.encoders import Encoder, create_encoder
from sslviz.encoders.weights import load_own_weights
from sslviz.runs import Checkpoint


def first_encoder(name: str, image_size: int, seed: int, start: Checkpoint | None) -> Encoder:
    """The encoder `name`, of a checkpoint's weights where it starts from one; ValueError where that holds another."""
    if start is None:
        return create_encoder(name, image_size=image_size, seed=seed)
    if start.module is not None:
        raise ValueError(
            f"{start.run} is a network in memory; a training starts from a run, or from an encoder by name."
        )
    if start.config["name"] != name:
        raise ValueError(
            f"{start.run} holds the encoder {start.config['name']!r}, but {name!r} is to be trained; name the same encoder, or "
            "start from another run."
        )
    encoder = create_encoder(**{**start.config, "image_size": image_size}, seed=seed)
    if start.path is not None:
        load_own_weights(encoder, start.path)
    return encoder


def start_said(start: Checkpoint | None) -> dict[str, Any]:
    """What run.json says of it among the arguments; nothing where the weights are fresh, as ever."""
    return {} if start is None else {"start": {"run": start.run, "step": start.step, "weights": start.digest}}
