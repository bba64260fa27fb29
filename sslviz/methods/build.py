"""A method from its class and settings by name, which are its own or its views'."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.views import ViewPolicy

# What the encoder decides of the views, and how many there are, which is the method's affair.
FIXED_VIEWS = {"size", "mean", "std", "views", "local_views", "local_size", "local_scale"}


def build(
    name: str, cls: Any, encoder: Encoder, settings: Mapping[str, Any], seed: int
) -> tuple[nn.Module, ViewPolicy]:
    """The method of this class around this encoder, and its views, each with its share of `settings`.

    ValueError, which calls the method by its `name`, for settings that neither has or that are of another kind.
    """
    # As run.json, which knows no tuples, gives them back.
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    parameters = inspect.signature(cls).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}
    of_views = {f.name for f in dataclasses.fields(ViewPolicy)} - FIXED_VIEWS
    _check(name, settings, own, of_views)
    seen = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(cls.views, **seen, **{k: v for k, v in settings.items() if k in of_views})
    return cls(encoder, seed=seed, **{k: v for k, v in settings.items() if k in own}), policy


def _check(name: str, settings: Mapping[str, Any], own: Mapping[str, Any], of_views: set[str]) -> None:
    if unknown := sorted(set(settings) - set(own) - of_views):
        raise ValueError(
            f"{name} has no setting {unknown[0]!r}; it has {', '.join(sorted(own))}, and its views have "
            f"{', '.join(sorted(of_views))}."
        )
    for key, default in own.items():
        given = settings.get(key, default)
        if isinstance(given, bool) != isinstance(default, bool) or not isinstance(given, int | float):
            raise ValueError(f"{name}'s {key} is {type(default).__name__}, such as {default}; got {given!r}.")
