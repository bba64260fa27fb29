"""Checkpoint: a step of a run."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

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
    - module: a network in memory instead of a file, which stays as it is; see `Checkpoint.of`

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
    module: nn.Module | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        module: nn.Module,
        *,
        mean: Sequence[float] | str | None = None,
        std: Sequence[float] | str | None = None,
        image_size: int | None = None,
        name: str | None = None,
    ) -> Checkpoint:
        """What does a network in memory see?  A checkpoint of any module, for `embed`, `attribute` and all the others.

        - module: gives features (b, d), a grid (b, d, rows, columns) or tokens (b, n, d) of float32 (b, 3, h, w).  It
          is copied before each use, so that its weights, mode and hooks stay as they are
        - mean, std: what pixels from 0 to 1 are normalised with, three numbers each, or "imagenet", "inception", "clip"
        - image_size: the side of its input in pixels
        - name: what it is called (default: its class)

        What is not given is taken from the module's own `pretrained_cfg`, `default_cfg` or `config`.  What had to be
        assumed of its output is warned of.  ValueError for what is neither given nor stated, and for a module that gives
        anything else, NaN, another number of rows, or other features at a second call.

        Example:
            >>> import sslviz, torch
            >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 4, 4), torch.nn.ReLU(), torch.nn.Conv2d(16, 8, 2))
            >>> checkpoint = sslviz.Checkpoint.of(network, mean="imagenet", image_size=32, name="mine")
            >>> sslviz.embed(checkpoint, sslviz.shapes(n=4), progress=False).x.shape
            (4, 8)

        Caveat: `untrained()` re-initialises each part by its own `reset_parameters`, and shuffles weights without one.
        """
        from sslviz.encoders.in_memory import fed_and_said

        name = name or type(module).__name__
        fed, notes = fed_and_said(module, name, {"mean": mean, "std": std, "image_size": image_size})
        for note in notes:
            warnings.warn(f"{note}.", stacklevel=2)
        return cls(name, 0, {"name": name, **fed}, None, module=module)

    def encoder(self) -> Encoder:
        """The encoder in evaluation mode, with these weights; ValueError for a truncated or foreign file."""
        from sslviz.encoders.in_memory import encoder_of, encoder_of_run

        if self.module is None:
            return encoder_of_run(self.run, self.config, self.path, self.seed).eval()
        return encoder_of(self.module, self.config, None if self.is_trained else self.seed).eval()

    def untrained(self, seed: int = 0) -> Checkpoint:
        """The same encoder re-initialised: what can be read from it is what the architecture alone gives."""
        return Checkpoint(self.run, -1 - seed, self.config, None, seed, self.head, self.module)

    @property
    def is_trained(self) -> bool:
        """Whether it has weights of its own, in a file or in memory."""
        return self.path is not None or (self.module is not None and self.step >= 0)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with the weights, and with what run.json says of how pictures are fed."""
        fed = {
            key: self.config[key] for key in FED if key in self.config
        }  # old folders hold none, and stay as they were
        said = json.dumps(fed, sort_keys=True).encode() if fed else b""
        if self.module is not None:
            from sslviz.encoders.in_memory import digest_of

            return digest_of(self.module, said, None if self.is_trained else self.seed)
        if self.path is None:
            return f"untrained{self.seed}" + (f"-{hashlib.blake2b(said, digest_size=4).hexdigest()}" if fed else "")
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(said, digest_size=8)).hexdigest()

    @property
    def key(self) -> str:
        """The name of this checkpoint in file names: "000400", or "untrained0"."""
        return f"{self.step:06d}" if self.is_trained else f"untrained{self.seed}"
