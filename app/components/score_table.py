"""The table of the overview: a row for each run, with its training and the first score of each diagnostic."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
from components.html import dot

from sslviz.catalog import find_entry
from sslviz.diagnostics.result import ResultKey
from sslviz.figures import score_bar_svg, sparkline_svg, svg_uri
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import scale
from sslviz.statistics import Score

# A table where there is room for one; else each run becomes a card in which every cell carries its heading.
STYLE = """<style>
.runs{container-type:inline-size;font-size:13px;line-height:1.4}
.runs table{border-collapse:collapse;width:100%}
.runs th,.runs td{text-align:left;vertical-align:top;padding:10px 12px 10px 0;border:0;border-bottom:1px solid var(--line)}
.runs thead th,.runs td::before{font-weight:600;color:var(--muted)}
.runs tbody th{font-weight:600;overflow-wrap:anywhere;min-width:8.5em;padding-left:19px;text-indent:-19px}
.runs tbody th small{display:block;font-weight:400;color:var(--muted);text-indent:0}
.runs .bars{display:inline-grid;grid-template-columns:auto auto auto;align-items:center;column-gap:6px;row-gap:3px}
.runs .bars>*{white-space:nowrap;font-variant-numeric:tabular-nums}
.runs .bars small,.runs .lost{color:var(--muted)}
.runs img{width:64px;height:auto;display:block}
@container (max-width:NARROWpx){
 .runs thead{display:none}
 .runs tr{display:flex;flex-wrap:wrap;gap:10px 20px;padding:14px 0;border-bottom:1px solid var(--line)}
 .runs tbody th{flex:0 0 100%}
 .runs tbody th small{display:inline;margin-left:10px}
 .runs td{border:0;padding:0}
 .runs tbody th{border:0;padding:0 0 0 19px}
 .runs td{flex:0 0 150px}
 .runs td::before{content:attr(data-label);display:block;margin-bottom:2px}
}
</style>"""


def score_table(
    results: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, Mapping[str, Score]]],
    histories: Mapping[str, pd.DataFrame],
    colors: Mapping[str, str],
    dark: bool,
) -> str:
    """The table as HTML.

    `results` {run: {diagnostic: Result}}, `scores` of each {run: {diagnostic: {name: Score}}}, `histories` {run: history},
    `colors` {run: colour}."""
    bars = _first_scores(scores)
    groups: dict[str, list[str]] = {}
    for diagnostic in bars:
        key = ResultKey.parse(diagnostic)
        heading = "label" if find_entry(key.name).scope == "label" else "geometry"
        groups.setdefault(" ".join(key.columns) or heading, []).append(diagnostic)
    rows, short = [], theme.short_names(results)
    for run, of_run in results.items():
        color = colors[run]
        cells = {"training": _curves(histories[run], color, dark)}
        cells |= {group: "".join(_bar(name, bars[name], run, color, dark) for name in m) for group, m in groups.items()}
        body = "".join(f'<td data-label="{escape(h)}"><div class="bars">{c}</div></td>' for h, c in cells.items())
        verdict = getattr(of_run.get("collapse"), "verdict", "")
        name = f'<th scope="row" title="{escape(run)}">{dot(color)}{escape(short[run])}<small>{verdict}</small></th>'
        rows.append(f"<tr>{name}{body}</tr>")
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in ("run", "training", *groups))
    ink = theme.ink(dark)
    return (
        STYLE.replace("NARROW", str(300 + 140 * len(groups)))
        + f'<div class="runs" style="--line:{ink["grid"]};--muted:{ink["muted"]}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _first_scores(scores: Mapping[str, Mapping[str, Mapping[str, Score]]]) -> dict[str, tuple[str, dict[str, Score]]]:
    """{diagnostic: (score name, {run: Score})} of the score that each diagnostic names first."""
    found: dict[str, tuple[str, dict[str, Score]]] = {}
    for run, of_run in scores.items():
        for diagnostic, of_one in of_run.items():
            if not find_entry(ResultKey.parse(diagnostic).name).overview:
                continue
            name, score = next(iter(of_one.items()))
            found.setdefault(diagnostic, (name, {}))[1][run] = score
    return found


def _bar(diagnostic: str, bars: tuple[str, dict[str, Score]], run: str, color: str, dark: bool) -> str:
    """Caption, bar and number of one score; the number is faded where it does not beat its control."""
    name, scores = bars
    if run not in scores:
        return ""
    score = scores[run]
    title = escape(f"{diagnostic}, {name}: {score}")
    caption = find_entry(ResultKey.parse(diagnostic).name).overview
    image = svg_uri(score_bar_svg(score, color, dark, name=name, ends=scale(name, scores.values())))
    lost = ' class="lost"' if score.beats_control is False else ""
    return f'<small>{caption}</small><img src="{image}" alt="{title}" title="{title}"><span{lost}>{score.value_text}</span>'


def _curves(history: pd.DataFrame, color: str, dark: bool) -> str:
    """Loss and kNN accuracy over training, each with its last value; step 0 is the control of the second."""
    lines = []
    for column, caption in (("loss", "loss"), ("knn", "kNN")):
        values = history[column].dropna() if column in history else pd.Series(dtype=float)
        if len(values):
            control = float(values.iloc[0]) if column == "knn" else None
            image = svg_uri(sparkline_svg(values, color, dark, control=control, name=caption))
            title = f"{caption} over training: {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}"
            lines.append(
                f'<small>{caption}</small><img src="{image}" alt="{title}" title="{title}">{values.iloc[-1]:.2f}'
            )
    return "".join(lines) or '<span class="lost">none here</span>'
