"""Which of many runs is best at a question?  Ranked and filtered by any score or argument, as a list and as a scatter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st
from components.charts import chart
from components.html import literal
from sections.run_filter import run_filter
from state.selection import Choice

from sslviz.evaluation.ranking import over_seeds, ranked, ranking_sentences
from sslviz.figures import score_bar_svg, svg_uri
from sslviz.figures.parts.score_bars import scale
from sslviz.figures.run_scatter import run_scatter
from sslviz.runs import argument_table, flat_arguments
from sslviz.statistics import Score, SeedSpread

RUN = "run"
LIST, SCATTER = 478, 396  # pixels at least, side by side on a page of 1,280; on a narrower one the scatter comes below
WIDTHS = {RUN: 140, "score": 124, "control": 92}  # pixels; with BAR, that of the score bar, they fill the list
BAR = 86
STYLE = f"""<style>
div:has(> .st-key-ranking_list){{flex:1 1 {LIST}px}}
div:has(> .st-key-ranking_scatter){{flex:1 1 {SCATTER}px}}
</style>"""
HEIGHT = 470  # pixels, of the scatter and of the list beside it
Scores = Mapping[str, Mapping[str, Score]]  # {title: {run: Score}}


def ranking(choice: Choice, scores: Scores) -> None:
    """The boxes, what is to be said, the list and the scatter; a click on either lets a run stand out on every page."""
    arguments = argument_table(choice.runs[name] for name in choice.evidence)
    by, across, kept = _boxes(scores, arguments)
    of_runs = {run: score for run, score in scores[by].items() if run in kept}
    spreads = over_seeds(of_runs, choice.seeds)
    lines = ranking_sentences(by, of_runs, spreads)
    st.markdown("  \n".join(map(literal, lines)))
    if lacking := [run for run in kept if run not in of_runs]:
        st.caption(f":material/block: Not among them, because they have no {by}: {literal(', '.join(lacking))}.")
    if not of_runs:
        return
    st.html(STYLE)
    with st.container(horizontal=True):
        with st.container(key="ranking_list"):
            _list(choice, by, of_runs, spreads, arguments)
        with st.container(key="ranking_scatter"):
            _scatter(choice, by, across, of_runs, spreads, scores)


def _boxes(scores: Scores, arguments: pd.DataFrame) -> tuple[str, str, list[str]]:
    """By which score runs are ranked, against what they are drawn, and which are kept."""
    titles = list(scores)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.selectbox("Ranked by", titles, _usual(titles), key="rank_by", bind="query-params", width=330)
        others = [*arguments, *(title for title in titles if title != by)]
        across = st.selectbox("Against", others, key="ranked_against", bind="query-params", width=330)
        kept = run_filter(scores, arguments)
    return by, across or by, kept


def _usual(titles: list[str]) -> int:
    """The place of the first score of a linear readout, or of whatever comes first."""
    return next((i for i, title in enumerate(titles) if title.startswith("linear probe")), 0)


def _list(
    choice: Choice, by: str, scores: Mapping[str, Score], spreads: Mapping[str, SeedSpread], arguments: pd.DataFrame
) -> None:
    """A row for each run, best first: the score as a bar and in numbers, its control, its seeds, its arguments."""
    order, ends = ranked(scores), scale(by, scores.values())
    group = {name: title for title, names in choice.seeds.items() if title in spreads for name in names}
    table = pd.DataFrame(
        {
            RUN: order,
            "bar": [_bar(choice, n, scores[n], ends) for n in order],
            "score": [scores[n].text for n in order],
            "control": [scores[n].control_text for n in order],
        }
    )
    if spreads:
        table["over seeds"] = [str(spreads[group[n]]) if n in group else "" for n in order]
    table = table.join(arguments.astype(object), on=RUN)
    st.dataframe(
        table,
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * len(table)),
        column_config={name: st.column_config.Column(width=width) for name, width in WIDTHS.items()}
        | {"bar": st.column_config.ImageColumn("", width=BAR)},
        key="ranking",
        on_select=lambda: _stand_out(_clicked_row(order, st.session_state["ranking"])),
        selection_mode="single-row",
        alt=f"Runs ranked by {by}, beside intervals, controls and arguments",
    )
    st.caption(
        "Brackets: 95 % interval over images. Over seeds: mean and standard deviation of the runs that differ in nothing "
        "but the seed."
        if spreads
        else "Brackets: 95 % interval over images."
    )


def _bar(choice: Choice, name: str, score: Score, ends: tuple[float, float]) -> str:
    """The score bar of one run as the address of a picture."""
    return svg_uri(score_bar_svg(score, choice.colors[name], choice.dark, ends=ends, width=BAR - 10))  # less a margin


def _scatter(
    choice: Choice,
    by: str,
    across: str,
    of_runs: Mapping[str, Score],
    spreads: Mapping[str, SeedSpread],
    scores: Scores,
) -> None:
    """The score against an argument or another score."""
    places: Any = scores.get(across) or {run: flat_arguments(choice.runs[run]).get(across) for run in of_runs}
    if across == "study":
        places = {run: run.rpartition("/")[0] for run in of_runs}
    means = {}
    for title, spread in spreads.items():
        runs = [run for run in choice.seeds[title] if run in of_runs]
        if across in scores:
            means[title] = (SeedSpread.of(scores[across][run] for run in runs if run in scores[across]), spread)
        elif len({places[run] for run in runs}) == 1:  # the mean of several places would be none of them
            means[title] = (places[runs[0]], spread)
    fig = run_scatter(of_runs, places, y=by, x=across, colors=choice.colors, seeds=means, chosen=choice.run)
    fig.update_layout(height=HEIGHT)
    chart(fig, choice, "scatter", selection_mode="points", on_select=_on_dot)


def _on_dot() -> None:
    """The run whose dot was clicked stands out."""
    points = st.session_state["scatter"]["selection"]["points"]
    _stand_out(next((str(point["customdata"][0]) for point in points if point.get("customdata")), None))


def _clicked_row(order: list[str], event: Mapping[str, Any]) -> str | None:
    """The run whose row was clicked; None where it was clicked away."""
    rows = event["selection"]["rows"]
    return order[rows[0]] if rows else None


def _stand_out(run: str | None) -> None:
    """This run stands out, here and on the other pages."""
    st.session_state["run"] = run
