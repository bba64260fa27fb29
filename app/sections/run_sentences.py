"""What is to be said of each run, in sentences that lead to the page that shows why."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
import streamlit as st
from components.html import dot, literal
from state.selection import Choice

from sslviz.catalog import find_entry
from sslviz.diagnostics.geometry.collapse import Collapse
from sslviz.evaluation.summary import HEALTHY, statements
from sslviz.figures.parts.theme import MANY
from sslviz.runs import flat_arguments

TONES = {"good": "green", "bad": "red", "neutral": "gray"}
Found = Mapping[str, Mapping[str, Any]]  # {run: {diagnostic: Result}}
NOT_SAID = ("images_digest", "held_out_digest", "held_out", "images")


def sentences(choice: Choice, found: Found) -> None:
    """A line for each run; every statement is a link."""
    for name in found:
        _line(choice, found, name)


def _line(choice: Choice, found: Found, name: str) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.html(f"{dot(choice.colors[name])}<b>{escape(name)}</b>", width="content")
        for statement in statements(found[name]):
            page = f"app_pages/{find_entry(statement.key.name).page}.py"
            st.page_link(page, label=f":{TONES[statement.tone]}[{literal(statement.text)}]")


def collapses(choice: Choice, found: Found) -> None:
    """Of many runs in two lines: which collapsed and how, and how many are healthy."""
    verdicts: dict[str, list[str]] = {}
    for name, results in found.items():
        if "collapse" in results:
            verdicts.setdefault(results["collapse"].verdict, []).append(name)
    for verdict, names in sorted(verdicts.items(), key=lambda pair: pair[0] == HEALTHY):
        tone = "green" if verdict == HEALTHY else "red"
        who = f"{len(names)} of {len(found)} runs" if verdict == HEALTHY else ", ".join(grouped(choice, names))
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.page_link("app_pages/collapse.py", label=f":{tone}[{verdict}]: {literal(who)}")


def collapse_verdicts(choice: Choice, found: Mapping[str, Collapse]) -> None:
    """The verdict on each run and its reasons; of many runs those that collapsed, and the others folded away."""
    lines = {name: _reasons(name, one) for name, one in found.items()}
    if len(found) <= MANY:
        for line in lines.values():
            st.markdown(line)
        return
    collapses(choice, {name: {"collapse": one} for name, one in found.items()})
    with st.expander(f"The reasons for all {len(found)} verdicts", icon=":material/rule:"):
        st.markdown("\n\n".join(lines.values()))


def _reasons(name: str, one: Collapse) -> str:
    mark = ":green[:material/check_circle:]" if one.verdict == HEALTHY else ":red[:material/error:]"
    return f"{mark} **{literal(name)}**: {one.verdict}. {literal(' '.join(one.reasons))}"


def grouped(choice: Choice, names: list[str]) -> list[str]:
    """These runs in few words: a group of seeds whose runs are all among them is named once."""
    whole = {title: runs for title, runs in choice.seeds.items() if set(runs) <= set(names)}
    inside = {name for runs in whole.values() for name in runs}
    return [
        *(f"{title} (all {len(runs)} seeds)" for title, runs in whole.items()),
        *(n for n in names if n not in inside),
    ]


def lowest_loss(found: Found, histories: Mapping[str, pd.DataFrame]) -> None:
    """A warning where the run that ends with the lowest loss is one that collapsed."""
    losses = {name: h["loss"].dropna().iloc[-1] for name, h in histories.items() if h["loss"].notna().any()}
    lowest = min(losses, key=lambda name: losses[name], default="")
    verdict = getattr(found.get(lowest, {}).get("collapse"), "verdict", HEALTHY)
    if len(losses) > 1 and verdict != HEALTHY:
        st.info(
            f"**{literal(lowest)}** ends with the lowest loss, {losses[lowest]:.2f}, and with a {verdict}: "
            "a loss does not say what an encoder is worth.",
            icon=":material/lightbulb:",
        )


def one_run(choice: Choice, found: Found) -> None:
    """The run that stands out: what is to be said of it, its arguments, and ways to see it alone or with its seeds."""
    name = choice.run
    if not name:
        return
    seeds = next((names for names in choice.seeds.values() if name in names), [])
    with st.container(border=True):
        _line(choice, found, name)
        said = {k: v for k, v in flat_arguments(choice.runs[name]).items() if v is not None and k not in NOT_SAID}
        st.caption(literal(" · ".join(f"{key} {value}" for key, value in said.items())))
        with st.container(horizontal=True):
            st.button("Show this run alone", icon=":material/filter_1:", on_click=_show, args=([name],))
            if seeds:
                words = f"Show its {len(seeds)} seeds alone"
                st.button(words, icon=":material/filter_none:", on_click=_show, args=(seeds,))
            st.button("Let none stand out", type="tertiary", on_click=_none_stands_out)


def _show(names: list[str]) -> None:
    st.session_state["runs"] = names


def _none_stands_out() -> None:
    st.session_state["run"] = None
