"""Optimisers by name: their settings, and how the learning rate of each grows with the batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch
from timm.optim import Lars
from torch import nn

from sslviz.methods import Recipe

BATCH = 256  # the batch that a learning rate is said for


@dataclass(frozen=True)
class Choice:
    """An optimiser that can be asked for.

    - create: its class
    - exponent: of batch / 256 in the learning rate
    - usual: rate and decay where another optimiser's would be of the wrong order of magnitude
    - settings: of its class
    - of_matrices: settings that biases and norms do not share
    """

    create: Callable[..., torch.optim.Optimizer]
    exponent: float
    usual: Recipe
    settings: Mapping[str, Any] = field(default_factory=dict)
    of_matrices: Mapping[str, Any] = field(default_factory=dict)


OPTIMIZERS: dict[str, Choice] = {
    # A step divided by the gradient's own size has noise that falls with the square root of the batch (arXiv 2205.10287).
    "adamw": Choice(torch.optim.AdamW, 0.5, Recipe(), {"fused": True}),
    # Twice the batch is two steps in one (arXiv 1706.02677).  Rate, decay and momentum are SimSiam's (arXiv 2011.10566).
    "sgd": Choice(torch.optim.SGD, 1.0, Recipe("sgd", 0.05, 1e-4), {"momentum": 0.9, "fused": True}),
    # Each matrix moves by a share of its own norm (arXiv 1708.03888).  The numbers are SimCLR's (arXiv 2002.05709, 2.2
    # and App. B.1); biases and norms take plain steps there, too.
    "lars": Choice(
        Lars, 1.0, Recipe("lars", 0.3, 1e-6), {"momentum": 0.9, "trust_coeff": 1e-3}, {"always_adapt": True}
    ),
}


def choose_recipe(
    method: str, model: object, given: Mapping[str, Any], began: Mapping[str, Any] | None
) -> tuple[Recipe, dict[str, str]]:
    """The recipe to train by, and where each of its values comes from; ValueError for values that make no sense.

    `model` is the method or its class.  What is not `given` (None) is what a run that is resumed `began` with, else the
    method's.  Rate and decay of another optimiser than that are what the optimiser usually has.
    """
    names = [one.name for one in fields(Recipe)]
    given = {name: value for name, value in given.items() if value is not None}
    recipe, origin = getattr(model, "recipe", Recipe()), f"{method}'s recipe"
    if began is not None:
        recipe = replace(recipe, **{name: began[name] for name in names if name in began})
        origin = "as the run began"
    optimizer = given.get("optimizer", recipe.optimizer)
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"There is no optimizer {optimizer!r}; the optimizers are: {', '.join(OPTIMIZERS)}.")
    if optimizer != recipe.optimizer:
        recipe, origin = OPTIMIZERS[optimizer].usual, f"usual for {optimizer}"
    recipe = replace(recipe, **given)
    if not 0 < recipe.learning_rate < math.inf:
        raise ValueError(f"learning_rate must be above 0; got {recipe.learning_rate}.")
    if not 0 <= recipe.weight_decay < math.inf:
        raise ValueError(f"weight_decay must be at least 0; got {recipe.weight_decay}.")
    return recipe, {name: "given" if name in given else origin for name in names}


def recipe_text(method: str, recipe: Recipe, origins: Mapping[str, str]) -> str:
    """By what is trained, and where it comes from, in one line."""
    words = (f"{name.replace('_', ' ')} {value} ({origins[name]})" for name, value in asdict(recipe).items())
    return f"{method}: {', '.join(words)}"


def create_optimizer(name: str, model: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """The optimiser of all weights that are trained, at rate zero: the loop sets the rate in every step.

    Weights of matrices and kernels decay; biases and norms do not.
    """
    parameters, choice = [p for p in model.parameters() if p.requires_grad], OPTIMIZERS[name]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, **choice.of_matrices},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return choice.create(groups, lr=0.0, **choice.settings)


def scaled_rate(recipe: Recipe, batch_size: int) -> float:
    """The learning rate for this batch, from the one for a batch of 256."""
    return recipe.learning_rate * (batch_size / BATCH) ** OPTIMIZERS[recipe.optimizer].exponent
