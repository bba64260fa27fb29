"""What can sslviz answer?  One literal tuple that feeds the app, the command line, the README and the contract tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from sslviz import diagnostics, figures


@dataclass(frozen=True)
class Entry:
    """One diagnostic: the question it answers, how it is computed, the result it gives and the figure that shows it.

    `compute(features)` gives a `kind`; where `per_label` is set it is asked once for each column of the table, as
    `compute(features, label, fit=..., controls=...)`.
    """

    name: str
    question: str
    compute: Callable[..., Any]
    kind: type
    figure: Callable[..., go.Figure]
    per_label: bool = False

    @property
    def caveat(self) -> str:
        """The sentence shown under every figure: the last paragraph of the diagnostic's docstring."""
        text = (self.compute.__doc__ or "").partition("Caveat:")[2]
        return " ".join(text.split())


CATALOG: tuple[Entry, ...] = (
    Entry(
        "spectrum", "How many directions does it use?",
        diagnostics.spectrum, diagnostics.Spectrum, figures.spectrum,
    ),
    Entry(
        "knn_probe", "Are an image's neighbours of its own kind?",
        diagnostics.knn_probe, diagnostics.Probe, figures.probe, per_label=True,
    ),
    Entry(
        "linear_probe", "What can a linear readout decode?",
        diagnostics.linear_probe, diagnostics.Probe, figures.probe, per_label=True,
    ),
    Entry(
        "projection", "What is near what?",
        diagnostics.projection, diagnostics.Projection, figures.projection,
    ),
)  # fmt: skip


def entry(name: str) -> Entry:
    """The catalog's entry of this name; ValueError, with the names there are, for another."""
    for one in CATALOG:
        if one.name == name:
            return one
    raise ValueError(f"There is no diagnostic {name!r}; there are: {', '.join(e.name for e in CATALOG)}.")


def draw(results: Any, **options: Any) -> go.Figure:
    """How does this result look?  Takes one result or {checkpoint name: result} and returns its plotly figure.

    `options` are the figure's own keywords.  ValueError for something no figure is made for.
    """
    first = next(iter(results.values()), None) if isinstance(results, Mapping) else results
    for one in CATALOG:
        if isinstance(first, one.kind):
            return one.figure(results, **options)
    raise ValueError(f"There is no figure for a {type(first).__name__}; pass a result, or a dict of results by name.")
