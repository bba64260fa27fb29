"""What is being compared, and on which images?  The sidebar, whose widgets live in the URL, and what it means to a page."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st
from state import cached

from sslviz.catalog import Entry, diagnostics, find_entry
from sslviz.diagnostics.result import Partial
from sslviz.evaluation.answers import Columns, is_stored, rows_asked
from sslviz.features.column_kinds import Column, asked_columns
from sslviz.features.complete_rows import left_out_sentences
from sslviz.features.evidence import Evidence
from sslviz.figures.parts import theme
from sslviz.runs import Run, color_groups, seed_groups


@dataclass(frozen=True)
class Choice:
    """What a page shows.

    `runs` {name: Run} are the chosen ones; `evidence` {name: Evidence} of those that were diagnosed on the chosen
    images; `unready` names the others; `colors` {name: colour} of all in the folder, and of groups of seeds.  `digest`
    names the images; it is None where no chosen run was diagnosed on any.  `seeds` {group: names} are those of the compared
    runs that differ in nothing but the seed; `run` is the one that stands out, empty where none does."""

    runs: dict[str, Run]
    evidence: dict[str, Evidence]
    unready: list[str]
    colors: dict[str, str]
    digest: str | None
    dark: bool
    seeds: dict[str, list[str]]
    run: str


def folder() -> Path:
    """Where the runs lie: `-- --runs DIR`, or SSLVIZ_RUNS, or runs/."""
    return Path(_option("--runs", "SSLVIZ_RUNS") or "runs")


def all_runs() -> tuple[list[Run], list[str]]:
    """The runs of the folder, and a sentence for each left out; what is computed is kept in `-- --cache DIR` if given."""
    cache = _option("--cache", "SSLVIZ_RUNS_CACHE")
    return cached.runs(folder(), Path(cache) if cache else None)


def _option(name: str, variable: str) -> str:
    """What was said on the command line, or else in the environment; empty where in neither."""
    parser = argparse.ArgumentParser()
    parser.add_argument(name, dest="value", default=os.environ.get(variable, ""))
    return parser.parse_known_args()[0].value


def chosen() -> Choice:
    """What the sidebar says."""
    runs = chosen_runs()
    images = images_of_runs(runs)
    digest = st.session_state.get("images")
    digest = digest if digest in images else next(iter(images), None)
    evidence, unready = {}, []
    for run in runs:
        try:
            evidence[run.name] = cached.evidence(run, digest or "")
        except ValueError:
            unready.append(run.name)
    dark = st.context.theme.type == "dark"
    seeds = {title: [name for name in names if name in evidence] for title, names in seed_groups(runs).items()}
    run = st.session_state.get("run") or ""
    return Choice(
        {run.name: run for run in runs},
        evidence,
        unready,
        _colors(all_runs()[0]),
        digest,
        dark,
        {title: names for title, names in seeds.items() if len(names) > 1},
        run if run in evidence else "",
    )


def _colors(runs: list[Run]) -> dict[str, str]:
    """{run or group of seeds: colour}.  A run's is its place in the whole folder, so that choosing fewer changes none."""
    groups = color_groups(runs)
    colors = theme.colors(groups, groups=groups)
    return {title: colors[names[0]] for title, names in seed_groups(runs).items()} | colors


def results(choice: Choice, name: str, columns: Columns = ()) -> dict[str, Any]:
    """{run: Result} of one of the catalog's diagnostics, for a column of the table, or two, where it is asked of them.

    A line on the page says of which runs it cannot be had, and why; and how many images were left out for which reason."""
    found: dict[str, Any] = {}
    entry = find_entry(name)
    if many := sorted(set(columns) - set(labels_of(choice, entry)) & set(labels(choice))):
        st.caption(
            f":material/block: {escape(many[0])} has more than {entry.most_classes} classes; this is asked of fewer."
        )
        return found
    for run, evidence in choice.evidence.items():
        try:
            found[run] = cached.result(choice.runs[run], name, evidence, columns)
        except ValueError as error:
            st.caption(f":material/block: {escape(run)}: {error}")
    for line in _left_out(choice, entry, columns, found):
        st.caption(f":material/filter_alt: {line}")
    return found


def _left_out(choice: Choice, entry: Entry, columns: Columns, found: dict[str, Any]) -> list[str]:
    """How many images a question leaves out, for which reason; of runs that agree once."""
    first = next(iter(choice.evidence.values()))
    lines = []
    if columns and "features" in entry.inputs:
        fit = None if first.fit is None else first.fit.table
        lines += rows_asked(entry, first.features.table, fit, columns, first.group).sentences()
    for result in found.values():
        lines += left_out_sentences(result.left_out) if isinstance(result, Partial) else []
    return list(dict.fromkeys(map(escape, lines)))


def everything(choice: Choice) -> dict[str, cached.Answers]:
    """{run: {diagnostic: (Result, its scores)}} of all the catalog asks by default; what takes minutes only where stored."""
    asked = [
        (entry, columns)
        for entry in diagnostics()
        if entry.by_default
        for columns in ([(label,) for label in labels_of(choice, entry)] if entry.scope == "label" else [()])
    ]
    return {
        run: cached.answers(choice.runs[run], evidence, _there(choice.runs[run], evidence, asked))
        for run, evidence in choice.evidence.items()
    }


def _there(run: Run, evidence: Evidence, asked: list[tuple[Entry, Columns]]) -> tuple[tuple[str, Columns], ...]:
    """Of these questions those that are answered at once."""
    return tuple((e.name, columns) for e, columns in asked if not e.on_demand or is_stored(run, e, evidence, columns))


def caution(choice: Choice) -> str:
    """Why readouts of the chosen runs must not be compared: they were fitted on different images; empty where they may."""
    fits = {choice.runs[name].info["diagnosed"][choice.digest]["fit"] for name in choice.evidence}
    groups = {evidence.group for evidence in choice.evidence.values()}
    if len(groups) > 1:
        return (
            "The images of these runs were kept together by different columns, so that what is read of them cannot be "
            "compared; diagnose all of them at once."
        )
    if len(fits) < 2:
        return ""
    return (
        "The probes of these runs were fitted on different images, so that what they read cannot be compared; diagnose all "
        "of them at once."
    )


def columns_of(entry: Entry, label: str, attribute: str = "") -> Columns:
    """The columns that an entry is asked of, where these are the label and the attribute that were chosen."""
    return {"label": (label,), "attribute": (attribute,), "columns": (label, attribute)}.get(entry.scope, ())


def labels(choice: Choice) -> list[str]:
    """The columns of the table that can be asked about, the label first."""
    return asked_columns(columns_here(choice))


def columns_here(choice: Choice) -> list[Column]:
    """Every column of the table, and why those that are not asked about are left out."""
    return cached.columns(next(iter(choice.evidence.values())))


def labels_of(choice: Choice, entry: Entry) -> list[str]:
    """The columns that an entry is asked of: many classes are no matter to some."""
    return [c.name for c in columns_here(choice) if c.asked and c.classes <= entry.most_classes]


def chosen_runs() -> list[Run]:
    return [run for run in all_runs()[0] if run.name in st.session_state["runs"]]


def images_of_runs(runs: list[Run]) -> dict[str, str]:
    """{digest: spec} of the images these runs can be compared on: those that most of them share, the latest first."""
    specs = {digest: known["spec"] or digest for run in runs for digest, known in run.info.get("diagnosed", {}).items()}
    count = Counter(digest for run in runs for digest in run.info.get("diagnosed", {}))
    most = max(count.values(), default=0)
    return {digest: specs[digest] for digest in reversed(specs) if count[digest] == most}
