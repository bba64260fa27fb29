"""Checkpoint: a step of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sslviz.encoders import Encoder

FED = ("mean", "std", "interpolation", "crop", "crop_mode")  # what features depend on beside weights and architecture


@dataclass(frozen=True)
class Checkpoint:
    """Which weights?  One step of a run: the file, and what is needed to build the encoder around it.

    - run: the run's name
    - step: number of training steps; -1, -2, ... for untrained ones
    - config: arguments of `create_encoder`
    - path: the file of weights; None for the same encoder with fresh random weights, the control of every learned number
    - seed: of those random weights
    - head: method and settings whose projector lies in the file too; None for imported encoders

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("mine", 0, {"name": "conv_nano"}, path=None)
        >>> checkpoint.encoder().dim, checkpoint.digest, checkpoint.untrained(seed=1).key
        (128, 'untrained0', 'untrained1')
    """

    run: str
    step: int
    config: Mapping[str, Any]
    path: Path | None
    seed: int = 0
    head: Mapping[str, Any] | None = None

    def encoder(self) -> Encoder:
        """The encoder in evaluation mode, with these weights; ValueError for a truncated or foreign file."""
        from sslviz.encoders import create_encoder
        from sslviz.encoders.weights import load_own_weights

        encoder = create_encoder(**self.config, seed=self.seed)
        if self.path is not None:
            load_own_weights(encoder, self.path)
        return encoder.eval()

    def untrained(self, seed: int = 0) -> Checkpoint:
        """The same encoder re-initialised: what can be read from it is what the architecture alone gives."""
        return Checkpoint(self.run, -1 - seed, self.config, None, seed, self.head)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with the weights, and with what run.json says of how pictures are fed."""
        fed = {
            key: self.config[key] for key in FED if key in self.config
        }  # old folders hold none, and stay as they were
        said = json.dumps(fed, sort_keys=True).encode() if fed else b""
        if self.path is None:
            return f"untrained{self.seed}" + (f"-{hashlib.blake2b(said, digest_size=4).hexdigest()}" if fed else "")
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(said, digest_size=8)).hexdigest()

    @property
    def key(self) -> str:
        """The name of this checkpoint in file names: "000400", or "untrained0"."""
        return f"{self.step:06d}" if self.path is not None else f"untrained{self.seed}"
