"""What the chosen runs are worth: the questions of features, which are answered, and those that train, which are offered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import streamlit as st
from components import work
from components.charts import chart, section
from components.html import literal
from components.progress import made
from sections import questions
from sections.other_domain import diagnosed_there, scored_images
from state import cached
from state.selection import Choice

from sslviz.catalog import Entry, entries_on
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import is_stored
from sslviz.evaluation.recommendation import recommendation
from sslviz.evaluation.transfer_plans import Plan, plan, stored_plan
from sslviz.evaluation.worth import Asked, answer, prepared
from sslviz.figures import pareto, score_bars


def label_box(columns: Sequence[str]) -> str:
    """The column that is learnt; empty where there is none."""
    if not columns:
        return ""
    return str(
        st.segmented_control("Label", columns, default=columns[0], required=True, key="label", bind="query-params")
    )


def in_words(choice: Choice, label: str, columns: Sequence[str]) -> None:
    """Which of the chosen runs to take: by few labels, which are asked at once, and by what else is stored."""
    answers: dict[str, dict[str, Any]] = {name: {} for name in choice.evidence}
    for entry in entries_on("worth"):
        asked_of = {"label": [(label,)], "columns": [(label, other) for other in columns if other != label]}
        for given in asked_of.get(entry.scope, [()]) if label or entry.scope == "images" else []:
            for name in choice.evidence:
                with suppress(ValueError, OSError):  # what cannot be had is told where it is asked
                    if (result := _there(choice, name, entry, given, label)) is not None:
                        answers[name].setdefault(str(ResultKey(entry.name, given)), result)
    for advice in recommendation(answers):
        turns = f" :gray[{literal(advice.turns)}]" if advice.turns else ""
        st.markdown(f"**{advice.about}.** {literal(advice.text)}{turns}")


def _there(choice: Choice, name: str, entry: Entry, given: tuple[str, ...], label: str) -> Any:
    """The answer of one run to one question, if it is stored or asked at once."""
    run, evidence = choice.runs[name], choice.evidence[name]
    if entry.scope != "images":
        known = entry.at_once or is_stored(run, entry, evidence, given)
        return cached.result(run, entry.name, evidence, given) if known else None
    asked = prepared(*scored_images(choice), label, diagnosed_there(choice))
    planned = stored_plan(run, run.last, entry, asked)
    return None if planned is None else _result(choice, name, entry, asked, planned)


def _result(choice: Choice, name: str, entry: Entry, asked: Asked, planned: Plan) -> Any:
    run, text = choice.runs[name], f"{entry.question} {literal(name)}"
    return made(run, entry.compute, run.last, asked.images_for(entry), text=text, **planned.arguments)


def question(choice: Choice, entry: Entry, label: str, columns: Sequence[str]) -> None:
    """One question under its heading, where these images have what it asks about."""
    if entry.needs_target and not diagnosed_there(choice):
        return  # the box above says what to do
    st.subheader(entry.question, anchor=False)
    if entry.scope == "images":
        _of_images(choice, entry, label)
    elif entry.scope == "columns":
        _of_two_columns(choice, entry, label, [column for column in columns if column != label])
    elif label and not entry.opt_in or _stored_of_any(choice, entry, label):
        section(choice, entry.name, questions.results(choice, entry.name, (label,)))
    elif label:
        _offer_features(choice, entry, label)


def _stored_of_any(choice: Choice, entry: Entry, label: str) -> bool:
    return bool(label) and any(
        is_stored(choice.runs[name], entry, evidence, (label,)) for name, evidence in choice.evidence.items()
    )


def _offer_features(choice: Choice, entry: Entry, label: str) -> None:
    """A button for what is asked of features and takes longer than somebody who opens a page waits."""
    tasks = [
        work.Task(f"{name}: {entry.question}", partial(_ask, choice, name, entry, label)) for name in choice.evidence
    ]
    if _said(tasks):
        return
    st.caption("It takes longer than the others, so it waits to be asked.")
    if st.button("Compute it", icon=":material/play_arrow:", key=f"compute_{entry.name}"):
        work.begin(tasks)


def _said(tasks: list[work.Task]) -> bool:
    """Says that something is being computed, or why it could not be; whether it is being computed."""
    if any(work.waits(task.words) for task in tasks):
        st.caption(":material/hourglass_top: It is being computed, and appears here.")
        return True
    for task in tasks:
        if failed := work.why_not(task.words):
            st.caption(f":material/block: {literal(failed)}")
    return False


def _ask(choice: Choice, name: str, entry: Entry, label: str) -> None:
    cached.result(choice.runs[name], entry.name, choice.evidence[name], (label,))


def _of_two_columns(choice: Choice, entry: Entry, label: str, others: Sequence[str]) -> None:
    if not label or not others:
        st.caption("This takes a second column with classes: the domain that a picture comes from.")
        return
    domain = st.segmented_control(
        "Domain", others, default=others[0], required=True, key=f"{entry.name}_domain", bind="query-params"
    )
    section(choice, entry.name, questions.results(choice, entry.name, (label, str(domain))))


def _of_images(choice: Choice, entry: Entry, label: str) -> None:
    """A question that takes training or an encoder's grid: what is stored is shown, the rest behind a button."""
    try:
        asked = prepared(*scored_images(choice), label, diagnosed_there(choice))
    except (ValueError, OSError) as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    if obstacle := asked.obstacle(entry):
        st.caption(f":material/block: {literal(obstacle)}")
        return
    results: dict[str, Any] = {}
    missing: dict[str, Plan] = {}
    for name in choice.evidence:
        run = choice.runs[name]
        try:
            planned = plan(run, run.last, entry, asked, cached.pace)
            if planned.stored:
                results[name] = _result(choice, name, entry, asked, planned)
            else:
                missing[name] = planned
        except (ValueError, OSError) as error:
            st.caption(f":material/block: {literal(name)}: {literal(str(error))}")
    if missing:
        _offer(choice, entry, missing, asked)
    if results:
        chart(entry.figure(results, colors=choice.colors), choice, f"figure {entry.name}", caveat=entry.caveat)
        with st.expander("All its scores beside their controls", icon=":material/align_horizontal_left:"):
            scores = {name: result.scores() for name, result in results.items()}
            chart(score_bars(scores, colors=choice.colors), choice, f"scores {entry.name}")
    if entry.against_worth and len(results) > 1 and label:
        _beside_worth(choice, results, label)


def _beside_worth(choice: Choice, costs: dict[str, Any], label: str) -> None:
    """What each costs, beside what it is worth by the question that is asked at once."""
    at_once = next(entry for entry in entries_on("worth") if entry.at_once)
    worth = questions.results(choice, at_once.name, (label,))
    first = {name: next(iter(result.scores().items())) for name, result in worth.items()}
    points = {name: (costs[name], first[name][1]) for name in costs if name in first}
    if len(points) > 1:
        st.subheader("Is a cheaper one as good?", anchor=False)
        accuracy = f"{label} accuracy, {next(iter(first.values()))[0]}"
        chart(pareto(points, accuracy=accuracy, colors=choice.colors), choice, "pareto", caveat="")


def _offer(choice: Choice, entry: Entry, missing: dict[str, Plan], asked: Asked) -> None:
    """What is not there yet, about how long it takes, and a button that computes it."""
    tasks = [
        work.Task(f"{name}: {entry.question}", partial(_make, choice, name, entry, asked, planned))
        for name, planned in missing.items()
    ]
    if _said(tasks):
        return
    with st.container(border=True):
        for name, planned in missing.items():
            st.markdown(f"Not computed yet for **{literal(name)}**: {planned.sentence}.")
        st.caption(literal(asked.sentence))
        if st.button("Compute it", icon=":material/play_arrow:", key=f"compute_{entry.name}"):
            work.begin(tasks)


def _make(choice: Choice, name: str, entry: Entry, asked: Asked, planned: Plan) -> None:
    answer(choice.runs[name], choice.runs[name].last, entry, asked, planned)
