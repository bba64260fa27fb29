"""Work under way: questions are answered one after another, while all that is there is shown.

A button adds tasks.  The page is drawn first; then a task is done, and the page is drawn again with its answer.  Whatever is
clicked meanwhile interrupts one task at most, which is begun again; the others are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import streamlit as st
from components.html import literal

from sslviz.runtime.progress import watched

UNDRAWN = (
    1.0  # seconds of quick tasks at least between two drawings of the page; as long as drawing it took, if that is more
)
WORK, FAILED = "work", "work_failed"  # under which the session keeps what is to be done, and what could not be


@dataclass(frozen=True)
class Task:
    """One thing to do.

    - words: what the page says while it is done, which also tells it from others
    - run: does it, and may return a line about it; ValueError or OSError with a sentence where it cannot be done
    - needed: whether nothing that comes after it can be done without it
    """

    words: str
    run: Callable[[], str | None]
    needed: bool = False


@dataclass
class Work:
    """What is to be done, what was done, and how long each took."""

    todo: list[Task]
    seconds: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    drawing_since: float = 0.0

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return len(self.seconds) / (len(self.seconds) + len(self.todo))

    @property
    def text(self) -> str:
        """What is at work, and what remains."""
        done, left = len(self.seconds), len(self.todo)
        remains = f" · about {_duration(fmean(self.seconds) * left)} left" if done > 1 else ""
        return f"{done + 1} of {done + left} · {literal(self.todo[0].words)}{remains}"


def begin(tasks: Sequence[Task]) -> None:
    """Adds tasks to the work under way, and draws the page again, which then does them."""
    work = st.session_state.setdefault(WORK, Work([]))
    waiting = {task.words for task in work.todo}
    work.todo += [task for task in tasks if task.words not in waiting]
    failed = st.session_state.setdefault(FAILED, {})
    for words in [*failed]:
        if failed[words].needed or words in {task.words for task in tasks}:
            del failed[words]
    st.rerun()


def under_way() -> Any:
    """Draws what is at work, what remains and a button that stops it; returns the place of its bar, if there is one."""
    for failure in st.session_state.get(FAILED, {}).values():
        if failure.needed:
            st.status(literal(failure.sentence), state="error")
    work = st.session_state.get(WORK)
    if work is None:
        return None
    work.drawing_since = time.perf_counter()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            bar = st.empty()
            bar.progress(work.share, work.text)
            st.button("Stop", icon=":material/stop:", on_click=lambda: st.session_state.pop(WORK, None))
        if work.said:
            st.caption("  \n".join(map(literal, work.said)))
    return bar


def go_on(bar: Any) -> None:
    """Does the next task, or some quick ones, and draws the page again; nothing where nothing is to be done."""
    work = st.session_state.get(WORK)
    if work is None or bar is None:
        return
    now = time.perf_counter()
    until = now + max(UNDRAWN, now - work.drawing_since)
    while work.todo and time.perf_counter() < until:
        _do_first(work, bar)
    if not work.todo:
        del st.session_state[WORK]
    st.rerun()


def why_not(words: str) -> str:
    """Why the task of these words could not be done, in a sentence; empty where it could, or was not tried."""
    failure = st.session_state.get(FAILED, {}).get(words)
    return failure.sentence if failure else ""


def busy() -> bool:
    """Whether anything is still to be done; meanwhile nothing else is offered."""
    return WORK in st.session_state


def waits(words: str) -> bool:
    """Whether the task of these words is still to be done."""
    work = st.session_state.get(WORK)
    return work is not None and any(task.words == words for task in work.todo)


@dataclass(frozen=True)
class _Failure:
    sentence: str
    needed: bool


def _do_first(work: Work, bar: Any) -> None:
    """Does the first task, which stays the first where a click ends the script under way."""
    task, text, began = work.todo[0], work.text, time.perf_counter()
    bar.progress(work.share, text)
    each = 1 / (len(work.seconds) + len(work.todo))
    try:
        with watched(
            lambda title, share: bar.progress(work.share + each * share, f"{text} ({literal(title)})") and None
        ):
            said = task.run()
    except (ValueError, OSError) as error:
        st.session_state[FAILED][task.words] = _Failure(str(error), task.needed)
        if task.needed:
            work.todo = [task]
        said = None
    work.todo.pop(0)
    work.seconds.append(time.perf_counter() - began)
    work.said += [said] if said else []


def _duration(seconds: float) -> str:
    return f"{max(5, 5 * round(seconds / 5)):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
