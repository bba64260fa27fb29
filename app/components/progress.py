"""How far is it, and is it worth the wait?  A bar for what takes long, and a button before what takes longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st
from components.html import literal
from state import cached

from sslviz.runs import Checkpoint, Run
from sslviz.runtime.progress import watched

T = TypeVar("T")

PATIENCE = 8.0  # seconds that nobody has to be asked about


@contextmanager
def bar(text: str) -> Iterator[None]:
    """In here, whatever draws a bar draws it on the page, under this text; afterwards it is gone."""
    place = st.empty()
    place.progress(0.0, text)
    try:
        with watched(lambda title, share: place.progress(share, f"{text} ({title})") and None):
            yield
    finally:
        place.empty()


def seconds(checkpoints: list[Checkpoint], answers: float) -> float:
    """About how long these encoders take for so many answers each, all in all, on this machine."""
    return sum(answers * cached.seconds_per_answer(checkpoint) for checkpoint in checkpoints)


def worth_it(needed: float, what: str, key: str) -> bool:
    """Whether to go on: at once where it is quick, else once the button that says how long it takes was pressed."""
    if needed <= PATIENCE:
        return True
    about = f"{5 * round(needed / 5):.0f} s" if needed < 100 else f"{needed / 60:.0f} min"
    return st.button(f"{what} (about {about})", icon=":material/play_arrow:", key=key)


def readable(checkpoints: dict[str, Checkpoint]) -> dict[str, Checkpoint]:
    """{run: its checkpoint} of those whose weights can be read; a line for each other."""
    found = {}
    for name, checkpoint in checkpoints.items():
        try:
            cached.seconds_per_answer(checkpoint)
        except (ValueError, OSError) as error:
            st.caption(f":material/block: {literal(name)}: {literal(str(error))}")
            continue
        found[name] = checkpoint
    return found


def made(run: Run, compute: Callable[..., T], *given: Any, text: str, **parameters: Any) -> T:
    """What compute(*given, **parameters) returns, from the run folder; if it must be made first, under a bar."""
    from sslviz.explanations.cache import cached_result, is_cached

    if not is_cached(run, compute, *given, **parameters):
        with bar(text):
            cached_result(run, compute, *given, **parameters)
    return cached.kept(run, compute.__name__, compute, given, parameters)


def is_made(run: Run, compute: Callable[..., Any], *given: Any, **parameters: Any) -> bool:
    """Whether `made` would only read."""
    from sslviz.explanations.cache import is_cached

    return is_cached(run, compute, *given, **parameters)
