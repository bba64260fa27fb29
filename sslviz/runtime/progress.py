"""The progress bar of everything that takes long, with rate and remaining time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_WATCHER: ContextVar[Callable[[str, float], None] | None] = ContextVar("watcher", default=None)
REPORT_INTERVAL = 0.2  # seconds


@contextmanager
def watched(report: Callable[[str, float], None]) -> Iterator[None]:
    """Reports progress instead of drawing bars: calls report(title, share done from 0 to 1) in here.

    Bars that are not to be shown report nothing.  An exception from `report` ends the work.
    """
    before = _WATCHER.set(report)
    try:
        yield
    finally:
        _WATCHER.reset(before)


class _Rate(ProgressColumn):
    """Units per second since the bar began."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f} {task.fields['unit']}/s" if rate else "", style="dim")


@contextmanager
def progress_bar(title: str, total: int, unit: str, *, shown: bool = True) -> Iterator[Callable[..., None]]:
    """A bar on standard error; yields `advance(n, note="")`.

    Nothing is drawn where there is no terminal or notebook, except one line at the end, so that logs stay readable.
    """
    if shown and (report := _WATCHER.get()):
        yield _reporting(report, title, total)
        return
    console = Console(stderr=True)
    if not shown or not (console.is_terminal or console.is_jupyter):
        began = time.perf_counter()
        yield lambda n=1, note="": None
        if shown:
            print(f"{title}: {total:,} {unit} in {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, unit=unit, note="")

        def advance(n: int = 1, note: str = "") -> None:
            bar.update(task, advance=n)
            if note:
                bar.update(task, note=note)

        yield advance


def _reporting(report: Callable[[str, float], None], title: str, total: int) -> Callable[..., None]:
    """An `advance` that calls `report`, five times a second at most."""
    done, last = 0, 0.0

    def advance(n: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += n
        if time.perf_counter() - last >= REPORT_INTERVAL:
            last = time.perf_counter()
            report(f"{title} {note}".strip(), min(1.0, done / max(1, total)))

    return advance
