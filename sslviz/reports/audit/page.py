"""How does an audit read?  Its report as one HTML page, made from the JSON alone: to open from disk, print, and read aloud."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go

from sslviz.catalog import SECTIONS, entries_in
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_svg import score_bar_svg, svg_uri
from sslviz.reports.audit.audit import SCHEMA
from sslviz.reports.html_page import Section, page, table
from sslviz.statistics import Score

LIMITS = (
    "What was found holds for these images, these columns and readouts of frozen features; nothing here says what people do "
    "with the encoder.",
    "Not found is not absent: beside each such line stands the least effect that would have been found in 80 of 100 samples "
    "such as this, before the correction for many tests.",
    "Decodable is not used, used in a toy readout is not used in a product, and linearly guarded is not removed.",
    "One checkpoint is one training seed; another seed may differ by more than its interval, which is over images only.",
)
TOLD = ("method", "epochs", "batch_size", "learning_rate", "seed", "images", "weights", "image_size")  # of its making
RANKED = (
    "The gravest first: who is served worse, what is used, what moves a picture, what associates, what neighbours share, what "
    "is there, what the images hold. p is corrected over all tests of this audit (Holm); the interval is 95 %, over images."
)


def audit_page(report: Mapping[str, Any]) -> str:
    """The report as a whole HTML page; ValueError for a report of a newer sslviz."""
    if report.get("schema", 0) > SCHEMA:
        raise ValueError("This report was written by a newer sslviz; upgrade sslviz to read it.")
    plan, runs = report["plan"], report["runs"]
    colors = theme.colors(runs)
    sections = [
        Section("Findings", findings_html(report, colors)),
        Section("Not found", not_found_html(report)),
        Section("Details", _details(report)),
        Section("Intended use", _intended(plan)),
        Section("Data", _data(report)),
        *_answers(report),
        Section("All numbers", _numbers(runs)),
        Section("Skipped", _skipped(runs)),
        Section("Limits", "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in LIMITS) + "</ul>"),
        Section("How it was made", _made(report)),
    ]
    return page(f"Audit of {', '.join(runs)}", summary_html(report), sections, contents=True)


def summary_html(report: Mapping[str, Any]) -> str:
    """What is to be said of each checkpoint in a line, and how many tests found something?"""
    found, wanting = len(report["findings"]), len(report["not_found"])
    lines = []
    for run in report["runs"].values():
        stopped = " The audit stopped here: of a collapsed encoder nothing else can be said." if run["stopped"] else ""
        lines.append(f"<li>{escape(run['said'])}.{stopped}</li>")
    tests = f"{report['tests']} tests: {found} found something, {wanting} did not."
    return f"<ul>{''.join(lines)}</ul><p>{tests}</p>"


def findings_html(report: Mapping[str, Any], colors: Mapping[str, str], dark: bool = False) -> str:
    """What was found?  The gravest first, each with its score, pictures, and what it does not mean."""
    stopped = [(name, run) for name, run in report["runs"].items() if run["stopped"]]
    items = [
        f"<li><b>{escape(name)}</b>: {escape(run['verdict'])}. {escape(' '.join(run['reasons']))}</li>"
        for name, run in stopped
    ]
    items += [_finding(one, colors, dark) for one in report["findings"]]
    if not items:
        return "<p>Nothing was found. What could have been is listed next.</p>"
    return f"<p class='small'>{escape(RANKED)}</p><ol class='findings'>{''.join(items)}</ol>"


def _finding(one: Mapping[str, Any], colors: Mapping[str, str], dark: bool) -> str:
    effect = Score.from_dict(one["effect"])
    pictures = "".join(
        f'<img src="{shown["picture"]}" alt="image {escape(shown["id"])}" title="{escape(shown["id"])}">'
        for shown in one["examples"]
    )
    drawn = svg_uri(score_bar_svg(effect, colors.get(one["run"], theme.CONTROL), dark, name=one["score"]))
    bar = f'<img src="{drawn}" width="132" height="18" alt="{escape(one["score"])}">'
    return (
        f"<li><b>{escape(one['run'])}</b>: {escape(one['said'])}"
        f"<div class='evidence'>{bar} <span>{escape(one['score'].replace('_', ' '))} {escape(str(effect))}, "
        f"{_p(one['p_corrected'])}, {one['n']:,} images</span></div>"
        + (f"<div class='examples'>{pictures}</div>" if pictures else "")
        + f"<p class='small'>Not to be read into it: {escape(one['does_not_mean'])}</p></li>"
    )


def not_found_html(report: Mapping[str, Any]) -> str:
    """What was not found, from which effect on would it have been, and what is worth asking of new images?"""
    if not report["not_found"]:
        return "<p>Every test found something.</p>"
    asked_again = [one for one in report["not_found"] if one.get("follow_up")]
    named = "; ".join(f"{one['run']}: {one['question']} ({', '.join(one['columns'])})" for one in asked_again)
    hint = (
        "<p>No findings, but worth asking of new images (of these and the findings together one in twenty is expected to be "
        f"luck, so that of these alone many may be): {escape(named)}</p>"
        if asked_again
        else ""
    )
    rows = [
        [
            one["run"], one["question"], ", ".join(one["columns"]), 
            f"{one['score'].replace('_', ' ')} {Score.from_dict(one['effect'])}",
            _p(one["p_corrected"]), "cannot be said" if one["detectable"] is None else f"{one['detectable']:.2g}",
        ]
        for one in report["not_found"]
    ]  # fmt: skip
    return hint + table(["checkpoint", "question", "of", "read", "p, corrected", "would have been found from"], rows)


def _details(report: Mapping[str, Any]) -> str:
    rows = []
    for name, run in report["runs"].items():
        about = run["checkpoint"]
        arguments = ", ".join(f"{key} {about['arguments'][key]}" for key in TOLD if key in about["arguments"])
        rows.append(
            [
                name,
                f"{about['encoder'].get('name', '')}, step {about['step']}",
                about["sha256"],
                arguments or about["kind"],
            ]
        )
    own = f"<p>{escape(report['plan']['details'])}</p>" if report["plan"]["details"] else ""
    return own + table(["checkpoint", "encoder", "SHA-256 of the weights", "how it was made"], rows)


def _intended(plan: Mapping[str, Any]) -> str:
    unsaid = "Its owner has not said; a plan can (<code>intended_use</code>, <code>not_for</code>)."
    rows = [
        ["to be read from it", plan["label"]],
        ["should not matter", ", ".join(plan["attributes"])],
        *(
            [f"{attribute} met with each {plan['label']}", ", ".join(f"{value} with {c}" for c, value in pairs.items())]
            for attribute, pairs in plan.get("partners", {}).items()
        ),
        *([["not for", plan["not_for"]]] if plan["not_for"] else []),
    ]
    return f"<p>{escape(plan['intended_use']) or unsaid}</p>{table(['', ''], rows)}"


def _data(report: Mapping[str, Any]) -> str:
    images = report["images"]
    fitted = f"probes fitted on {images['fit']['n']:,} others" if images["fit"] else "probes fitted on one half"
    height, width = images["size"]
    said = (
        f"{images['n']:,} images of {width} x {height} pixels ({images['spec'] or 'given as an array'}, digest "
        f"{images['digest']}), {fitted}."
    )
    rows = [
        [column, ", ".join(f"{value} {n:,}" for value, n in counts.items())]
        for column, counts in images["counts"].items()
    ]
    return f"<p>{escape(said)}</p>{table(['column', 'values and how many images'], rows)}"


def _answers(report: Mapping[str, Any]) -> list[Section]:
    sections = []
    for title in SECTIONS:
        said = {
            entry.name: f"<p><b>{escape(entry.question)}</b> {escape(entry.caveat)}</p>" for entry in entries_in(title)
        }
        here = [one for name in said for one in report["figures"] if one["diagnostic"] == name]
        if here:
            asked = dict.fromkeys(one["diagnostic"] for one in here)
            lead = "".join(said[name] for name in asked)
            sections.append(Section(title, lead, [_figure(one) for one in here]))
    return sections


def _figure(one: Mapping[str, Any]) -> go.Figure:
    fig = go.Figure(one["figure"])
    if one["of"]:
        meta = dict(fig.layout.meta or {})
        said = one["of"].replace("~", " beside ")
        meta["caption"] = f"{said}: {meta.get('caption', '')}"
        fig.layout.meta = meta
    return fig


def _numbers(runs: Mapping[str, Any]) -> str:
    marks = {True: "✓", False: "✗", None: ""}
    rows = []
    for name, run in runs.items():
        for key, scores in run["scores"].items():
            for score_name, values in scores.items():
                score = Score.from_dict(values)
                rows.append([name, key, score_name, score.text, score.control_text, marks[score.beats_control]])
    said = "<p class='small'>✓ the whole interval beats the strongest control, ✗ it does not.</p>"
    inside = table(["checkpoint", "diagnostic", "score", "value [95 %]", "strongest control", ""], rows)
    return f"{said}<details><summary>{len(rows)} scores</summary>{inside}</details>"


def _skipped(runs: Mapping[str, Any]) -> str:
    what: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        for one in run["skipped"]:
            what.setdefault((name, one["why"]), []).append(one["what"])
    rows = [[name, ", ".join(skipped), why] for (name, why), skipped in what.items()]
    return table(["checkpoint", "what", "why"], rows) if rows else "<p>Nothing.</p>"


def _made(report: Mapping[str, Any]) -> str:
    made, plan = report["made"], report["plan"]
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    rows = [
        ["date", made["date"]],
        ["plan", f"SHA-256 {plan['digest']}"],
        ["versions", f"{versions}, Python {made['python']}, {made['machine']}"],
        ["seeds", made["seeds"]],
        ["time", f"{made['seconds']:,.0f} s; what lay in the run folders already was read"],
        *([["command", made["command"]]] if made.get("command") else []),
    ]
    return table(["", ""], rows)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
