"""What the chosen runs are worth: the questions of features, which are answered, and those that train, which are offered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st
from components.charts import chart, section
from components.diagnose_button import known
from components.html import literal
from components.image_picker import loaded
from components.progress import is_made, made
from sections import questions
from state import cached
from state.selection import Choice

from sslviz.catalog import Entry, entries_on
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import is_stored
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.recommendation import recommendation
from sslviz.evaluation.worth import Asked, prepared
from sslviz.figures import pareto, score_bars

ASKED_AT_ONCE = "low_label"  # the page begins with its answer
COST = "cost"  # under its figure stands what the cost buys


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
        known = entry.name == ASKED_AT_ONCE or is_stored(run, entry, evidence, given)
        return cached.result(run, entry.name, evidence, given) if known else None
    asked = prepared(*_images(choice), label)
    arguments = asked.arguments(entry)
    if not is_made(run, entry.compute, run.last, asked.images_for(entry), **arguments):
        return None
    return made(run, entry.compute, run.last, asked.images_for(entry), text="", **arguments)


def question(choice: Choice, entry: Entry, label: str, columns: Sequence[str]) -> None:
    """One question under its heading, where these images have what it asks about."""
    if entry.scope == "images":
        _of_images(choice, entry, label)
    elif entry.scope == "columns":
        _of_two_columns(choice, entry, label, [column for column in columns if column != label])
    elif label:
        questions.question(choice, entry, label)


def _of_two_columns(choice: Choice, entry: Entry, label: str, others: Sequence[str]) -> None:
    st.subheader(entry.question, anchor=False)
    if not label or not others:
        st.caption("This takes a second column with classes: the domain that a picture comes from.")
        return
    domain = st.segmented_control(
        "Domain", others, default=others[0], required=True, key=f"{entry.name}_domain", bind="query-params"
    )
    section(choice, entry.name, questions.results(choice, entry.name, (label, str(domain))))


def _of_images(choice: Choice, entry: Entry, label: str) -> None:
    """A question that takes training or an encoder's grid: what is stored is shown, the rest behind a button."""
    st.subheader(entry.question, anchor=False)
    try:
        asked = prepared(*_images(choice), label)
    except (ValueError, OSError) as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    if obstacle := asked.obstacle(entry):
        st.caption(f":material/block: {literal(obstacle)}")
        return
    arguments = asked.arguments(entry)
    runs = {name: choice.runs[name] for name in choice.evidence}
    missing = [
        name
        for name, run in runs.items()
        if not is_made(run, entry.compute, run.last, asked.images_for(entry), **arguments)
    ]
    pressed = bool(missing) and _offer(entry, missing, asked)
    results: dict[str, Any] = {}
    failed = False
    for name, run in runs.items():
        if name in missing and not pressed:
            continue
        try:
            text = f"{entry.question} {literal(name)}"
            results[name] = made(run, entry.compute, run.last, asked.images_for(entry), text=text, **arguments)
        except (ValueError, OSError) as error:
            failed = True
            st.caption(f":material/block: {literal(name)}: {literal(str(error))}")
    if pressed and not failed:
        st.rerun()  # what is said at the top of the page rests on it too
    if results:
        chart(entry.figure(results, colors=choice.colors), choice, f"figure {entry.name}", caveat=entry.caveat)
        with st.expander("All its scores beside their controls", icon=":material/align_horizontal_left:"):
            scores = {name: result.scores() for name, result in results.items()}
            chart(score_bars(scores, colors=choice.colors), choice, f"scores {entry.name}")
    if entry.name == COST and len(results) > 1 and label:
        _beside_worth(choice, results, label)


def _beside_worth(choice: Choice, costs: dict[str, Any], label: str) -> None:
    """What each costs, beside what it is worth with few labels."""
    worth = questions.results(choice, ASKED_AT_ONCE, (label,))
    first = {name: next(iter(result.scores().items())) for name, result in worth.items()}
    points = {name: (costs[name], first[name][1]) for name in costs if name in first}
    if len(points) > 1:
        st.subheader("Is a cheaper one as good?", anchor=False)
        accuracy = f"{label} accuracy, {next(iter(first.values()))[0]}"
        chart(pareto(points, accuracy=accuracy, colors=choice.colors), choice, "pareto", caveat="")


def _offer(entry: Entry, missing: Sequence[str], asked: Asked) -> bool:
    """A button that computes what is not there yet; whether it was pressed."""
    names = ", ".join(f"**{literal(name)}**" for name in missing)
    with st.container(border=True):
        st.markdown(f"Not computed yet for {names}: it trains, or goes through all pictures. {literal(asked.sentence)}")
        return st.button("Compute it", icon=":material/play_arrow:", key=f"compute_{entry.name}")


def _images(choice: Choice) -> tuple[Images, Images | None]:
    """The pictures that were diagnosed, and those that probes were fitted on; ValueError where they cannot be loaded."""
    made_of = known(choice)
    if made_of is None:
        raise ValueError("The images cannot be loaded again from here, and this takes their pixels.")
    images = loaded(made_of["spec"], choice.digest or "")
    if made_of.get("fit") and not made_of.get("fit_spec"):
        raise ValueError("The images that probes were fitted on cannot be loaded again from here.")
    fit = loaded(made_of["fit_spec"], made_of["fit"]) if made_of.get("fit") else None
    return kept_together(images, fit, made_of.get("group", ""))
