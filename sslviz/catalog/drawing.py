"""Figures of results, found by the name of their class."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any

import plotly.graph_objects as go

from sslviz.diagnostics.result import caution


def draw(results: Any, **options: Any) -> go.Figure:
    """How does this result look?  Takes one result or {checkpoint name: result} and returns its plotly figure.

    `options` are the figure's own keywords.  ValueError for something no figure is made for.

    Example:
        >>> import numpy, sslviz
        >>> features = sslviz.Features.from_array(numpy.random.default_rng(0).normal(size=(100, 8)))
        >>> figure = sslviz.draw({"noise": sslviz.spectrum(features)})
    """
    first = next(iter(results.values()), None) if isinstance(results, Mapping) else results
    return figure_of(type(first))(results, **options)


def _with_caution(figure: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """The figure, which says before its caption where the results beside each other are of different images."""

    @wraps(figure)
    def drawn(results: Any, **options: Any) -> go.Figure:
        fig = figure(results, **options)
        if isinstance(results, Mapping) and (said := caution(results)):
            fig.layout.meta = {**fig.layout.meta, "caption": f"{said} {fig.layout.meta['caption']}"}
        return fig

    return drawn


def figure_of(kind: type) -> Callable[..., go.Figure]:
    """The figure of results of this class: `SomeResult` of diagnostics/room is drawn by figures/room/some_result.py."""
    for cls in kind.__mro__:
        package, _, rest = cls.__module__.removeprefix("sslviz.").partition(".")
        if not cls.__module__.startswith("sslviz.") or package not in ("diagnostics", "explanations", "transfer"):
            continue
        room = rest.partition(".")[0] if package == "diagnostics" else package
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        try:
            return _with_caution(getattr(import_module(f"sslviz.figures.{room}.{name}"), name))
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("sslviz.figures"):
                raise
    raise ValueError(f"There is no figure for a {kind.__name__}; pass a result, or a dict of results by name.")
