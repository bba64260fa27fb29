"""Which ways of learning without labels are there?  One paper per file."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.byol import BYOL
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.vicreg import VICReg
from sslviz.views import ViewPolicy

METHODS = {"simclr": SimCLR, "vicreg": VICReg, "byol": BYOL, "simsiam": SimSiam}
# What the encoder decides of the views, and how many there are: the methods take two of one size.
FIXED_VIEWS = {"size", "mean", "std", "views", "local_views", "local_size", "local_scale"}


def build_method(
    name: str, encoder: Encoder, settings: Mapping[str, Any], seed: int = 0
) -> tuple[nn.Module, ViewPolicy]:
    """The method around this encoder and its views, each with its share of `settings`; ValueError for unknown names."""
    if name not in METHODS:
        raise ValueError(f"There is no method {name!r}; the methods are: {', '.join(METHODS)}.")
    cls: Any = METHODS[name]
    # As run.json, which knows no tuples, gives them back.
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    parameters = inspect.signature(cls).parameters.values()
    mine = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}
    of_views = {f.name for f in dataclasses.fields(ViewPolicy)} - FIXED_VIEWS
    if unknown := sorted(set(settings) - set(mine) - of_views):
        raise ValueError(
            f"{name} has no setting {unknown[0]!r}; it has {', '.join(sorted(mine))}, and its views have "
            f"{', '.join(sorted(of_views))}."
        )
    for key, default in mine.items():
        given = settings.get(key, default)
        if isinstance(given, bool) != isinstance(default, bool) or not isinstance(given, int | float):
            raise ValueError(f"{name}'s {key} is {type(default).__name__}, such as {default}; got {given!r}.")
    seen = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(cls.views, **seen, **{k: v for k, v in settings.items() if k in of_views})
    return cls(encoder, seed=seed, **{k: v for k, v in settings.items() if k in mine}), policy
