"""The progress bar of everything that takes long, with rate and remaining time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_WATCHER: ContextVar[Callable[[str, float], None] | None] = ContextVar("watcher", default=None)
_COUNTER: ContextVar[Callable[[float, float], None] | None] = ContextVar("counter", default=None)
REPORT_INTERVAL = 0.2  # seconds
LINE_INTERVAL = 30.0  # seconds before the first line of a log
LINE_GROWTH = 0.25  # and the later the longer, so that a night's log is a page: 15 lines an hour, 20 in three
TRUST = 0.1  # share of the work that the estimate made before it weighs as much as


class Remaining:
    """How long the rest of some work takes: the estimate made before it, corrected by what was done so far.

    - total: the estimate in seconds
    - done: how many of these seconds' work is done
    """

    def __init__(self, total: float) -> None:
        self.total, self.done = total, 0.0
        self._began = self._moved = time.perf_counter()

    def advance(self, seconds: float) -> None:
        """So many of the estimated seconds' work is done."""
        self.done = min(self.total, self.done + seconds)
        self._moved = time.perf_counter()

    @property
    def seconds(self) -> float:
        """What remains, in seconds from now."""
        trusted = TRUST * self.total
        pace = (self._moved - self._began + trusted) / (self.done + trusted) if self.total else 0.0
        return max(0.0, (self.total - self.done) * pace - (time.perf_counter() - self._moved))

    @property
    def text(self) -> str:
        """In words: "about 3 min left"."""
        return f"{duration(self.seconds)} left"


def duration(seconds: float) -> str:
    """About how long, in words: "about 20 s", "about 4 min", "about 2 h 10 min"."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 97.5:  # what is rounded to less than 100
        return f"about {5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 100 else f"about {minutes // 60} h {minutes % 60} min"


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


@contextmanager
def counted(count: Callable[[float, float], None]) -> Iterator[None]:
    """Calls count(n, share done) whenever a bar in here advances by n, also a bar that is not shown."""
    before = _COUNTER.set(count)
    try:
        yield
    finally:
        _COUNTER.reset(before)


def say(text: str) -> None:
    """A line on standard error, or whoever watches is told it."""
    if report := _WATCHER.get():
        report(text, 0.0)
    else:
        print(text, file=sys.stderr, flush=True)


class _Rate(ProgressColumn):
    """Units per second since the bar began."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f} {task.fields['unit']}/s" if rate else "", style="dim")


class _Left(ProgressColumn):
    """What remains by the estimate, corrected as it goes."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["left"].text if not task.finished else "", style="progress.remaining")


@contextmanager
def progress_bar(title: str, total: float, unit: str, *, shown: bool = True) -> Iterator[Callable[..., None]]:
    """A bar on standard error; yields `advance(n, note="")`.

    Nothing is drawn where there is no terminal or notebook.  A line says every now and then how far it is, and one at
    the end, so that logs stay readable.
    """
    with _drawn(title, total, unit, shown) as advance:
        yield _counting(advance, total)


@contextmanager
def weighted_bar(title: str, seconds: float, *, shown: bool = True) -> Iterator[Step]:
    """A bar over steps of unequal cost, `seconds` expected in all; yields `step(note, seconds, count)`, a context.

    A step moves the bar by what it was expected to take, little by little as bars inside it advance.  With a `count` of
    their units that it takes in all, it goes by these.  Without one, each bar takes a half of what is left, as nobody
    knows how many there are.  It gives a function that tells more exactly what it is at.
    """
    left = Remaining(seconds)
    with _drawn(title, seconds, "", shown, left) as draw:
        count_all = _counting(draw, seconds)

        def advance(n: float) -> None:
            left.advance(n)
            count_all(n)

        @contextmanager
        def step(note: str, seconds: float = 0.0, count: float = 0) -> Iterator[Callable[[str], None]]:
            moved = begun = last = 0.0

            def move(n: float, share: float) -> None:
                nonlocal moved, begun, last
                if share <= last:  # another bar
                    begun = moved
                last = share
                to = min(seconds, moved + seconds * n / count) if count else begun + (seconds - begun) * share / 2
                advance(to - moved)
                moved = to

            draw(0, note=note)
            with counted(move):
                yield lambda note: draw(0, note=note)
            advance(seconds - moved)

        yield step


Step = Callable[..., AbstractContextManager[Callable[[str], None]]]


def _counting(advance: Callable[..., None], total: float) -> Callable[..., None]:
    """An `advance` that also tells whoever counts."""
    count, done = _COUNTER.get(), 0.0

    def both(n: float = 1, note: str = "") -> None:
        nonlocal done
        advance(n, note=note)
        done += n
        if count and n:
            count(n, _share(done, total))

    return both


def _share(done: float, total: float) -> float:
    return min(1.0, done / total) if total else 1.0


@contextmanager
def _drawn(
    title: str, total: float, unit: str, shown: bool, left: Remaining | None = None
) -> Iterator[Callable[..., None]]:
    """The bar itself, of `total` units; without a unit these are seconds that were expected."""
    if shown and (report := _WATCHER.get()):
        yield _reporting(report, title, total, left)
        return
    console = Console(stderr=True)
    if not shown or not (console.is_terminal or console.is_jupyter):
        began = time.perf_counter()
        yield _in_lines(title, total, left) if shown else lambda n=1, note="": None
        if shown:
            what = f"{total:,} {unit} in" if unit else "done in"
            print(f"{title}: {what} {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
        return
    timed = (TaskProgressColumn(), _Left()) if left else (MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    begin, end = TextColumn("{task.description}"), TextColumn("[dim]{task.fields[note]}")
    with Progress(begin, BarColumn(bar_width=24), *timed, end, console=console) as bar:
        task = bar.add_task(title, total=total, unit=unit, note="", left=left)

        def advance(n: float = 1, note: str = "") -> None:
            bar.update(task, advance=n)
            if note:
                bar.update(task, note=note)

        yield advance


def _reporting(
    report: Callable[[str, float], None], title: str, total: float, left: Remaining | None
) -> Callable[..., None]:
    """An `advance` that calls `report`, five times a second at most."""
    done, last, at_work = 0.0, 0.0, ""

    def advance(n: float = 1, note: str = "") -> None:
        nonlocal done, last, at_work
        done += n
        at_work = note or (at_work if left else "")
        if (note and left) or time.perf_counter() - last >= REPORT_INTERVAL:  # each step of unequal ones is named
            last = time.perf_counter()
            remains = f", {left.text}" if left else ""
            report(f"{title} {at_work}".strip() + remains, _share(done, total))

    return advance


def _in_lines(title: str, total: float, left: Remaining | None) -> Callable[..., None]:
    """An `advance` that writes a line every now and then, the later the more rarely."""
    began, done, at_work = time.perf_counter(), 0.0, ""
    due = began + LINE_INTERVAL

    def advance(n: float = 1, note: str = "") -> None:
        nonlocal done, at_work, due
        done, at_work, now = done + n, note or at_work, time.perf_counter()
        share = _share(done, total)
        if now < due or not share:
            return
        due = now + max(LINE_INTERVAL, LINE_GROWTH * (now - began))
        remains = left.text if left else f"{duration((now - began) * (1 - share) / share)} left"
        print(", ".join(filter(None, [f"{title}: {share:.0%}", remains, at_work])), file=sys.stderr, flush=True)

    return advance
