"""The page of an audit: its report as one HTML file, made from the JSON alone, to open from disk, print, and read aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from sslviz.catalog import SECTIONS, entries_in, find_entry
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_svg import score_bar_svg, svg_uri
from sslviz.reports.audit.audit import SCHEMA
from sslviz.reports.html_page import Section, fragment, page
from sslviz.runs.preprocessing import preprocessing_rows
from sslviz.statistics import Score

TRAINING = ("method", "epochs", "batch_size", "learning_rate", "seed", "images", "weights", "image_size")  # shown of it
MARKS = {True: "✓", False: "✗", None: ""}


def audit_page(report: Mapping[str, Any]) -> str:
    """The report as a whole HTML page; ValueError for a report of a newer sslviz."""
    if report.get("schema", 0) > SCHEMA:
        raise ValueError("This report was written by a newer sslviz; upgrade sslviz to read it.")
    runs = report["runs"]
    sections = [
        Section("Findings", findings_html(report, theme.colors(runs))),
        Section("Not found", not_found_html(report)),
        Section("Details", _details(report)),
        Section("Intended use", _intended_use(report["plan"])),
        Section("Data", _data(report["images"])),
        *_answers(report["figures"]),
        Section("All numbers", fragment("audit", "numbers", _number_rows(runs))),
        Section("Skipped", fragment("audit", "skipped", _skipped_rows(runs))),
        Section("Limits", fragment("audit", "limits")),
        Section("How it was made", fragment("audit", "making", _making_rows(report))),
    ]
    quick = f" ({report['quick']['heading']})" if report.get("quick") else ""
    return page(f"Audit of {', '.join(runs)}{quick}", summary_html(report), sections, contents=True)


def summary_html(report: Mapping[str, Any]) -> str:
    """What was chosen of what, a sentence for each checkpoint, and how many tests found something."""
    counts = report["tests"], len(report["findings"]), len(report["not_found"])
    asked = report.get("asked", {})  # a report of an older sslviz has none
    chosen = asked.get("chosen", [])
    others = [line for line in asked.get("lines", []) if line not in chosen]
    quick = (report.get("quick") or {}).get("line", "")
    return fragment("audit", "summary", quick, chosen, others, list(report["runs"].values()), *counts)


def findings_html(report: Mapping[str, Any], colors: Mapping[str, str], dark: bool = False) -> str:
    """The findings, the gravest first, each with its score, pictures, and what it does not mean."""
    stopped = {name: run for name, run in report["runs"].items() if run["stopped"]}
    return fragment(
        "audit",
        "findings",
        stopped,
        [_finding(finding, colors, dark) for finding in report["findings"]],
        report["tests"],
    )


def _finding(finding: Mapping[str, Any], colors: Mapping[str, str], dark: bool) -> dict[str, Any]:
    effect = Score.from_dict(finding["effect"])
    bar = score_bar_svg(effect, colors.get(finding["run"], theme.CONTROL), dark, name=finding["score"])
    return {
        **finding,
        "bar": svg_uri(bar),
        "effect_text": _effect_text(finding),
        "p_text": _p_text(finding["p_corrected"]),
        "n_text": f"{finding['n']:,}",
    }


def not_found_html(report: Mapping[str, Any]) -> str:
    """What was not found, from which effect on it would have been, and what is worth asking of new images."""
    tests = report["not_found"]
    hints = [
        f"{test['run']}: {test['question']} ({', '.join(test['columns'])})" for test in tests if test.get("follow_up")
    ]
    rows = [
        [
            test["run"],
            test["question"],
            ", ".join(test["columns"]),
            _effect_text(test),
            _p_text(test["p_corrected"]),
            "cannot be said" if test["detectable"] is None else f"{test['detectable']:.2g}",
        ]
        for test in tests
    ]
    return fragment("audit", "not_found", hints, rows, report["tests"])


def _details(report: Mapping[str, Any]) -> str:
    rows, fed = [], []
    for name, run in report["runs"].items():
        checkpoint = run["checkpoint"]
        if "preprocessing" in checkpoint:  # reports of an older sslviz lack it
            fed += [[name, *row] for row in preprocessing_rows(checkpoint["preprocessing"])]
        arguments = checkpoint["arguments"]
        training = ", ".join(f"{key} {arguments[key]}" for key in TRAINING if key in arguments)
        encoder = f"{checkpoint['encoder'].get('name', '')}, step {checkpoint['step']}"
        encoder += f", in {run['precision']}" if "precision" in run else ""  # likewise
        rows.append([name, encoder, checkpoint["sha256"], training or checkpoint["kind"]])
    return fragment("audit", "details", report["plan"]["details"], rows, fed)


def _intended_use(plan: Mapping[str, Any]) -> str:
    rows = [
        ["to be read from it", plan["label"]],
        ["should not matter", ", ".join(plan["attributes"]) or "no column is named"],
    ]
    for attribute, pairs in plan.get("partners", {}).items():
        met = ", ".join(f"{value} with {class_}" for class_, value in pairs.items())
        rows.append([f"{attribute} met with each {plan['label']}", met])
    if plan.get("group"):
        rows.append(["kept on one side of every split", f"images that share their {plan['group']}"])
    if plan.get("target"):
        rows.append(["another domain that it is to bear", plan["target"]])
    if plan["not_for"]:
        rows.append(["not for", plan["not_for"]])
    return fragment("audit", "intended_use", plan["intended_use"], rows)


def _data(images: Mapping[str, Any]) -> str:
    height, width = images["size"]
    source = f"{images['spec'] or 'given as an array'}, digest {images['digest']}"
    fitted = f"probes fitted on {images['fit']['n']:,} others" if images["fit"] else "probes fitted on one half"
    rows = [
        [column, ", ".join(f"{value} {n:,}" for value, n in counts.items())]
        for column, counts in images["counts"].items()
    ]
    if there := images.get("target"):
        fitted += (
            f"; {there['n']:,} of another domain ({there['spec'] or 'given as an array'}, digest {there['digest']})"
        )
    return fragment("audit", "data", f"{images['n']:,} images of {width} x {height} pixels ({source})", fitted, rows)


def _answers(figures: Sequence[Mapping[str, Any]]) -> list[Section]:
    """The figures under the catalog's sections, each question before its own; what stands under no section comes last."""
    drawn = dict.fromkeys(figure["diagnostic"] for figure in figures)
    placed = {entry.name for section in SECTIONS for entry in entries_in(section)}
    others = [find_entry(name) for name in drawn if name not in placed]
    sections = []
    for title, entries in (*((section, entries_in(section)) for section in SECTIONS), ("More", others)):
        here, before = [], []
        for entry in (entry for entry in entries if entry.name in drawn):
            own = [_captioned(figure) for figure in figures if figure["diagnostic"] == entry.name]
            here += own
            before += [fragment("audit", "question", entry), *[""] * (len(own) - 1)]
        if here:
            sections.append(Section(title, figures=here, before=before))
    return sections


def _captioned(answer: Mapping[str, Any]) -> go.Figure:
    """The figure, its caption begun by the columns it is of."""
    figure = go.Figure(answer["figure"])
    if answer["of"]:
        meta = dict(figure.layout.meta or {})
        meta["caption"] = f"{answer['of'].replace('~', ' beside ')}: {meta.get('caption', '')}"
        figure.layout.meta = meta
    return figure


def _number_rows(runs: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, run in runs.items():
        for key, scores in run["scores"].items():
            for score_name, values in scores.items():
                score = Score.from_dict(values)
                rows.append([name, key, score_name, score.text, score.control_text, MARKS[score.beats_control]])
    return rows


def _skipped_rows(runs: Mapping[str, Any]) -> list[list[str]]:
    """What was skipped for the same reason stands in one row."""
    skipped: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        for omission in run["skipped"]:
            skipped.setdefault((name, omission["why"]), []).append(omission["what"])
    return [[name, ", ".join(what), why] for (name, why), what in skipped.items()]


def _making_rows(report: Mapping[str, Any]) -> list[list[str]]:
    making = report["made"]
    versions = ", ".join(f"{name} {number}" for name, number in making["versions"].items())
    rows = [
        ["date", making["date"]],
        ["plan", f"SHA-256 {report['plan']['digest']}"],
        ["versions", f"{versions}, Python {making['python']}, {making['machine']}"],
        ["seeds", making["seeds"]],
        ["time", f"{making['seconds']:,.0f} s; what lay in the run folders already was read"],
    ]
    return [*rows, ["command", making["command"]]] if making.get("command") else rows


def _effect_text(test: Mapping[str, Any]) -> str:
    return f"{test['score'].replace('_', ' ')} {Score.from_dict(test['effect'])}"


def _p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
