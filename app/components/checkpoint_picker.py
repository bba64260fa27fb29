"""Which runs are looked at where not all fit, and which checkpoint of each?  The last, unless an earlier one is chosen."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from components.diagnose_button import every_step
from components.html import literal
from state import cached
from state.selection import Choice

from sslviz.figures.parts.theme import MANY
from sslviz.runs import Checkpoint


def checkpoints(choice: Choice, *, embedded: bool = False) -> tuple[Choice, dict[str, Checkpoint]]:
    """Draws a box for each run of several checkpoints; returns {run: the one chosen}, and what is shown with its features.

    With `embedded`, only those are offered that were embedded on the chosen images, and a button that embeds the others.
    """
    if embedded:
        every_step(choice)
    found: dict[str, Checkpoint] = {}
    evidence = dict(choice.evidence)
    for name in choice.evidence:
        run = choice.runs[name]
        steps = {one.step: one for one in run.checkpoints}
        if embedded:
            steps = {step: one for step, one in steps.items() if step in cached.steps(run, choice.digest or "")}
        last = max(steps)
        found[name] = steps[last if len(steps) < 2 else _box(name, list(steps), last)]
        if embedded and found[name].step != last:
            evidence[name] = cached.evidence(run, choice.digest or "", found[name])
    return replace(choice, evidence=evidence), found


def run_box(label: str, names: list[str], key: str) -> str:
    """One of these runs: side by side while they are few, to be searched for where they are many."""
    if len(names) > MANY:
        return st.selectbox(label, names, key=key, bind="query-params", width=330)
    return st.segmented_control(label, names, default=names[0], required=True, key=key, bind="query-params")


def some_runs(label: str, names: list[str], most: int, key: str) -> list[str]:
    """At most so many of these runs, by default the first; without a box where they are no more."""
    if len(names) <= most:
        return names
    chosen = st.multiselect(label, names, names[:most], key=key, bind="query-params", max_selections=most)
    return [name for name in names if name in chosen]


def _box(name: str, steps: list[int], last: int) -> int:
    def words(step: int) -> str:
        return f"step {step:,} (the last)" if step == last else f"step {step:,}"

    return st.selectbox(
        f"Checkpoint of {literal(name)}",
        steps,
        steps.index(last),
        format_func=words,
        key=f"step_{name}",
        bind="query-params",
        width=260,
    )


def earlier(choice: Choice, chosen: dict[str, Checkpoint]) -> None:
    """A line that says which runs are not shown as they ended."""
    before = [
        f"{literal(name)} at step {one.step:,} of {choice.runs[name].last.step:,}"
        for name, one in chosen.items()
        if one.step != choice.runs[name].last.step
    ]
    if before:
        st.caption(f":material/history: Not the last checkpoints: {', '.join(before)}.")
