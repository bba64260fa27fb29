"""Encoders of checkpoints: around a network in memory, and from what a run folder says."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslviz.encoders.create import create_encoder, read_network
from sslviz.encoders.encoder import Encoder
from sslviz.encoders.own_function import check_named, stated_by
from sslviz.encoders.preprocessing import resolve
from sslviz.encoders.reinitialised import KeptWeightsWarning, copied, reinitialised
from sslviz.encoders.weights import load_own_weights
from sslviz.runtime.random_state import seeded

RESEED = 7919  # so that a network made after torch.manual_seed(0) is not its own untrained control


def fed_and_said(module: Any, name: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How pictures are fed to a module, as a checkpoint's config holds it; and what had to be assumed of its output."""
    if not isinstance(module, nn.Module):
        raise ValueError(f"A checkpoint in memory is of a torch.nn.Module; got a {type(module).__name__}.")
    fed = resolve(name, given, default=stated_by(module, name))
    notes = read_network(copied(module, name), name, fed.image_size).notes
    return {"image_size": fed.image_size, "mean": list(fed.mean), "std": list(fed.std)}, notes


def encoder_of(module: nn.Module, config: Mapping[str, Any], seed: int | None) -> Encoder:
    """The encoder around a copy of the module; with a seed, re-initialised."""
    name = config["name"]
    fed = resolve(name, {key: value for key, value in config.items() if key != "name"}, default=stated_by(module, name))
    if seed is None:
        network = copied(module, name)
    else:
        with seeded(RESEED + seed):
            network = reinitialised(module, name)
    face = read_network(network, name, fed.image_size)
    return Encoder(network, config, fed.mean, fed.std, fed.with_notes(face.notes), face)


def encoder_of_run(run: str, config: Mapping[str, Any], path: Path | None, seed: int) -> Encoder:
    """The encoder that a run's config names, with the weights of a file, or with fresh ones.

    ValueError for a function that the run names and the user never did, see `own_function`.
    """
    check_named(config["name"], run)
    with warnings.catch_warnings():
        if path is not None:
            warnings.simplefilter("ignore", KeptWeightsWarning)  # weights that stayed are the file's in a moment
        encoder = create_encoder(**config, seed=seed)
    if path is not None:
        load_own_weights(encoder, path)
    return encoder


def digest_of(module: nn.Module, said: bytes, seed: int | None) -> str:
    """Sixteen hex digits of a module's weights and of how it is fed; of its shapes alone where they are re-initialised."""
    state = hashlib.blake2b(said, digest_size=8)
    for name, tensor in module.state_dict().items():
        state.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        if seed is None:
            state.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return state.hexdigest() if seed is None else f"untrained{seed}-{state.hexdigest()}"
