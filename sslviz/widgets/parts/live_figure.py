"""A figure on the page that becomes another one, of which only what differs is sent."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go

from sslviz.widgets.parts.html import note

UID = "uid"  # by which the page knows a trace again
WIDTH = 700  # pixels: what figures are drawn for, and what fits on a page of Notebook 7 or VS Code


class LiveFigure:
    """A plotly figure on the page, with its caption.

    - figure: what it shows
    - widget: where it is shown
    - box: the part of an explorer that holds it and its caption
    """

    def __init__(self, figure: go.Figure) -> None:
        self.figure, self._shown = figure, _plain(figure)
        self.widget = go.FigureWidget(self._shown)
        self.widget.layout.width = WIDTH  # on a notebook's page it would not follow its box
        self._caption = ipywidgets.HTML(_caption(figure), layout={"width": f"{WIDTH}px"})
        self.box = ipywidgets.VBox([self.widget, self._caption])

    def show(self, figure: go.Figure) -> None:
        """Becomes this figure; what the reader zoomed into stays, unless the figure itself is zoomed otherwise."""
        before, after = self._shown, _plain(figure)
        self.figure, self._shown = figure, after
        self._caption.value = _caption(figure)
        with self.widget.batch_update():
            if _kinds(before) == _kinds(after):
                for live, old, new in zip(self.widget.data, before["data"], after["data"], strict=True):
                    _become(live, old, new)
            else:
                self.widget.data = ()
                self.widget.add_traces(after["data"])
            _become(self.widget.layout, before["layout"], after["layout"])


def _plain(figure: go.Figure) -> dict[str, Any]:
    """The figure as dicts, lists and arrays."""
    return {name: _sendable(part) for name, part in figure.to_plotly_json().items() if name != "frames"}


def _sendable(value: Any) -> Any:
    """Arrays as arrays, which go as bytes; None for each NaN of a list, because messages are JSON otherwise."""
    if isinstance(value, dict):
        if value.keys() >= {"dtype", "bdata"}:  # as plotly writes arrays
            array = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return array.reshape([int(n) for n in str(value["shape"]).split(",")]) if "shape" in value else array
        return {name: _sendable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _caption(figure: go.Figure) -> str:
    return note(escape(figure.layout.meta["caption"]))


def _kinds(plain: dict[str, Any]) -> list[tuple[str, str | None]]:
    """What is drawn where, trace by trace."""
    return [(trace["type"], trace.get("xaxis")) for trace in plain["data"]]


def _become(live: Any, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Sets what is other than before, and removes what is no more."""
    for name in (before.keys() | after.keys()) - {UID}:
        if not _same(before.get(name), after.get(name)):
            live[name] = after.get(name)


def _same(a: Any, b: Any) -> bool:
    """Whether two values of a figure, arrays among them, are the same."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
