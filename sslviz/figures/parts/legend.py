"""Legends of figures whose traces belong together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def one_entry_a_group(traces: Iterable[Any]) -> None:
    """Lets the legend name each `legendgroup` once, at its first trace unless that is hidden there; a click hides them all."""
    groups: set[str] = set()
    for trace in traces:
        trace.showlegend = trace.showlegend is not False and trace.legendgroup not in groups
        groups.add(trace.legendgroup)
