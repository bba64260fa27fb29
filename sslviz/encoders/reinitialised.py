"""A network with fresh random weights, made from one that exists: what it can do untrained is the control."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn


class KeptWeightsWarning(UserWarning):
    """Parts of a network that cannot be re-initialised as its author would."""


def reinitialised(network: nn.Module, name: str) -> nn.Module:
    """A copy whose parts were re-initialised by their own `reset_parameters`, drawn from torch's generator.

    Weights of parts without one are shuffled instead: the same values in no order.  A warning names those.  ValueError
    where no weight changed.
    """
    fresh = copied(network, name)
    shuffled = []
    with torch.no_grad():
        for part_name, part in fresh.named_modules():
            own = dict(part.named_parameters(recurse=False))
            buffers = any(True for _ in part.buffers(recurse=False))  # of batch normalisation without weights
            if (own or buffers) and not _reset(part):
                shuffled += [f"{part_name}.{weight}".lstrip(".") for weight in own]
                for weight in own.values():
                    weight.copy_(_shuffled(weight))
    _check(network, fresh, name)
    if shuffled:
        warnings.warn(
            f"The untrained control of {name}: {len(shuffled)} weights have no reset_parameters and were shuffled instead "
            f"({', '.join(shuffled[:3])}{', ...' if len(shuffled) > 3 else ''}).",
            KeptWeightsWarning,
            stacklevel=3,
        )
    return fresh


def copied(network: nn.Module, name: str) -> nn.Module:
    """A deep copy; ValueError for a network that has none."""
    try:
        return copy.deepcopy(network)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"{name} cannot be copied ({type(error).__name__}), so that it would be changed itself."
        ) from error


def _reset(part: Any) -> bool:
    """Whether the part could be reset by itself: `reset_parameters`, or torch's name of it for attention."""
    reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    try:
        return callable(reset) and reset() is None
    except TypeError:  # it wants to be told something
        return False


def _shuffled(weight: Tensor) -> Tensor:
    return weight.flatten()[torch.randperm(weight.numel())].view_as(weight)


def _check(before: nn.Module, after: nn.Module, name: str) -> None:
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    if all(torch.equal(a, b) for a, b in pairs):
        raise ValueError(
            f"No weight of {name} can be re-initialised, so that it has no untrained control; give its parts a "
            "reset_parameters method, as torch's own have."
        )
