"""Progress that passes: one line in the cell while an explorer is prepared, and nothing of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

from IPython.display import DisplayHandle

from sslviz.runtime.progress import watched
from sslviz.widgets.parts.html import note
from sslviz.widgets.parts.running_cell import running_cell


@contextmanager
def passing_progress() -> Iterator[None]:
    """What takes long in here tells in one line of the cell how far it is; with the end of the work the line is empty.

    Where no notebook runs, progress is shown as everywhere else.
    """
    if running_cell() is None:
        yield
        return
    line, shown = DisplayHandle(), False

    def report(title: str, share: float) -> None:
        nonlocal shown
        told = f"{escape(title)} ({share:.0%})" if share else escape(title)
        (line.update if shown else line.display)({"text/html": note(told)}, raw=True)
        shown = True

    try:
        with watched(report):
            yield
    finally:
        if shown:
            line.update({"text/html": ""}, raw=True)
