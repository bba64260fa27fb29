"""A method from its class and settings by name, which are its own or its views'."""

from __future__ import annotations

import dataclasses
import inspect
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sslviz.encoders import Encoder
from sslviz.views import ViewPolicy

# What the encoder decides of the views, and how many there are, which is the method's affair.
FIXED_VIEWS = {"size", "mean", "std", "views"}
LOCAL_VIEWS = {"local_views", "local_size", "local_scale"}  # settings of methods that compare two or more large views


def build(
    name: str, cls: Any, encoder: Encoder, settings: Mapping[str, Any], seed: int
) -> tuple[nn.Module, ViewPolicy]:
    """The method of this class around this encoder, and its views, each with its share of `settings`.

    Local views are half as large as the encoder's images, in whole patches, unless `local_size` is set.  ValueError, which
    calls the method by its `name`, for settings that neither has or that are of another kind.
    """
    # As run.json, which knows no tuples, gives them back.
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    parameters = inspect.signature(cls).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}
    of_views = {f.name for f in dataclasses.fields(ViewPolicy)} - FIXED_VIEWS
    if cls.views.views < 2:
        of_views -= LOCAL_VIEWS
        if asked := sorted(LOCAL_VIEWS & set(settings) - set(own)):
            raise ValueError(
                f"{asked[0]} is for methods that compare two or more views; {name} makes one of each image."
            )
    _check(name, settings, own, of_views)
    views = {k: v for k, v in settings.items() if k in of_views}
    views |= {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
    policy = dataclasses.replace(cls.views, **_with_local(cls.views, views, encoder))
    return cls(encoder, seed=seed, **{k: v for k, v in settings.items() if k in own}), policy


def _with_local(default: ViewPolicy, views: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    """What is set of the views, and what follows for local ones, if there are any: their size and odds."""
    local_views = views.get("local_views", default.local_views)
    if not isinstance(local_views, int) or local_views < 1:
        return views  # none, or a number that the policy refuses
    views = {"local_size": _half(encoder)} | views
    _check_local_size(views["local_size"], encoder)
    for name in ("blur_prob", "solarize_prob"):
        prob = views.get(name, getattr(default, name))
        if (
            isinstance(prob, tuple) and len(prob) == default.views
        ):  # said for the large views: the local ones have the mean
            views[name] = prob + (statistics.fmean(prob),) * local_views
    return views


def _half(encoder: Encoder) -> int:
    """Half the encoder's image size in whole patches; a network without patches takes any size."""
    patch = getattr(getattr(encoder.model, "patch_embed", None), "patch_size", 1)
    step = max(patch) if isinstance(patch, tuple) else patch
    return max(step, encoder.image_size // 2 // step * step)


@torch.no_grad()
def _check_local_size(size: Any, encoder: Encoder) -> None:
    """ValueError if the encoder does not take images of this size, by trying."""
    if not isinstance(size, int) or not 0 < size <= encoder.image_size:
        return  # the policy refuses it, and says why
    training = encoder.training
    try:
        encoder.eval()(torch.zeros(1, 3, size, size, device=next(encoder.parameters()).device))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{encoder.name} does not take local views of {size} pixels ({str(error).splitlines()[0]}); "
            "set local_size, or choose another encoder."
        ) from error
    finally:
        encoder.train(training)


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
