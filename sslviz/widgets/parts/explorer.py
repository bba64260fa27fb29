"""Explorer: the box that every explorer of a notebook is."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import ipywidgets
import plotly.graph_objects as go

from sslviz.widgets.parts import page_theme
from sslviz.widgets.parts.debounced import Debounced
from sslviz.widgets.parts.html import note
from sslviz.widgets.parts.running_cell import replace_earlier
from sslviz.widgets.parts.still_picture import still_picture

PICTURE = "image/png"


class Explorer(ipywidgets.VBox):
    """A column of controls, figures and pictures that shows itself as the last line of a cell.

    - still: draws what stands for the explorer where no widget lives, as it is at that moment: a figure, or several
    - message: the line in which errors of callbacks are shown; empty as long as all is well

    An explorer is built in three steps: its parts, `connect` for each control, `show`.  Closing it closes every part.  A cell
    that runs again closes the explorers it made before.
    """

    def __init__(self, still: Callable[[], go.Figure | Sequence[go.Figure]]) -> None:
        super().__init__()
        self.still, self.message = still, ipywidgets.HTML()
        self._waiting: list[Debounced] = []
        self.add_class(page_theme.EXPLORER)
        replace_earlier(self)

    def show(self, *rows: ipywidgets.Widget) -> None:
        """What is seen, from top to bottom; the message stands below."""
        self.children = (*rows, self.message, ipywidgets.HTML(page_theme.style(), layout={"display": "none"}))

    def connect(self, controls: list[ipywidgets.Widget], update: Callable[[], None], trait: str = "value") -> None:
        """Calls `update` once these controls rest after a change; its errors are shown."""
        call = Debounced(lambda: self.attempt(update))
        self._waiting.append(call)
        for control in controls:
            control.observe(call, trait)

    def press(self, button: ipywidgets.Button, action: Callable[[], None]) -> None:
        """Calls `action` when this button is pressed; its errors are shown."""
        button.on_click(lambda _: self.attempt(action))

    def attempt(self, update: Callable[[], None]) -> None:
        """Calls `update`; an error becomes the message, since a notebook would swallow it, and goes with the next success."""
        try:
            update()
        except Exception as error:  # of any kind: it is shown
            self.message.value = _told(error)
        else:
            self.message.value = ""

    def close(self) -> None:
        """Closes the explorer and all its parts; nothing stays behind in the kernel or on the page."""
        if self.comm is None:  # closed already, or refused before it was built
            return
        for call in self._waiting:
            call.cancel()
        for part in [*_parts(self)]:
            part.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget, its picture for where it does not live, and the figure's words for where no picture is seen."""
        bundle = super()._repr_mimebundle_(**options)
        drawn = self.still()
        figures = [drawn] if isinstance(drawn, go.Figure) else list(drawn)
        picture, missing = still_picture(figures)
        if picture:
            bundle[PICTURE] = picture
        else:
            self.message.value = note(escape(missing))
        bundle["text/plain"] = " ".join([*(figure.layout.meta["alt"] for figure in figures), missing]).strip()
        return bundle


def _told(error: Exception) -> str:
    """An error in one line, and folded below it where it came from."""
    lines = "".join(traceback.format_exception(error))
    told = escape(str(error)) or type(error).__name__
    return f"<b>{type(error).__name__}:</b> {told}<details><summary>Where</summary><pre>{escape(lines)}</pre></details>"


def _parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """All widgets that belong to this one: its children, theirs, and the layouts and styles of all."""
    for value in widget.trait_values(sync=True).values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ipywidgets.Widget):
                yield from _parts(one)
                yield one
