"""Does a report pass?  Thresholds for a build that may fail, and what changed between two reports."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslviz.reports.audit.plan import read_toml

OPERATORS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
CONDITION = re.compile(r"(?:(value|low|high)\s*)?(<=|>=|<|>)\s*(-?[0-9]*\.?[0-9]+(?:e-?[0-9]+)?)")
ALLOW_STOPPED = "allow_stopped"
HOW = 'e.g. "<= 0.05", or "low >= 0.8" where the interval counts'


def read_gate(path: str | Path) -> dict[str, Any]:
    """The conditions in a TOML file; ValueError for one that cannot be read and for conditions nobody could check.

    verdict = "healthy"
    findings = "<= 3"
    allow_stopped = false
    [scores]
    "linear_probe:shape.accuracy" = "low >= 0.8"
    "reliance:shape~color.even_gap" = "<= 0.05"
    """
    gate = read_toml(path, "gate")
    if unknown := sorted(set(gate) - {"verdict", "findings", "scores", ALLOW_STOPPED}):
        raise ValueError(f"A gate has no {unknown[0]!r}; it has verdict, findings, scores and {ALLOW_STOPPED}.")
    if not isinstance(gate.get(ALLOW_STOPPED, False), bool):
        raise ValueError(f"The gate's {ALLOW_STOPPED} is true or false; got {gate[ALLOW_STOPPED]!r}.")
    scores = gate.get("scores", {})
    if not set(gate) - {ALLOW_STOPPED} or not isinstance(scores, Mapping):
        raise ValueError(f"The gate {path} holds no condition; write verdict, findings or [scores].")
    for name, condition in [*scores.items(), *([("findings", gate["findings"])] if "findings" in gate else [])]:
        if not isinstance(condition, str) or not CONDITION.fullmatch(condition.strip()):
            raise ValueError(f"The gate's condition on {name} is {condition!r}; write {HOW}.")
    return gate


def failures(report: Mapping[str, Any], gate: Mapping[str, Any]) -> list[str]:
    """Which conditions does the report not meet?  A sentence for each, for each checkpoint; empty where it passes.

    What was not looked at has not passed.  A score that a condition names and the report lacks is a failure, and so is
    a number of findings of which none was tested.  An audit that stopped fails whatever the conditions, unless the gate
    says `allow_stopped = true`.
    """
    failed = []
    for name, run in report["runs"].items():
        if run.get("stopped") and gate and not gate.get(ALLOW_STOPPED, False):
            failed.append(f"{name}: the audit stopped ({run['stopped']}), so that nothing else was asked.")
        if "findings" in gate and not run.get("tests", report.get("tests")):
            failed.append(f"{name}: nothing was tested, so that having no findings proves nothing.")
        if "verdict" in gate and run["verdict"] != gate["verdict"]:
            failed.append(f"{name}: the verdict is {run['verdict']!r}, not {gate['verdict']!r}.")
        for score, condition in gate.get("scores", {}).items():
            diagnostic, _, measure = score.rpartition(".")
            read = run["scores"].get(diagnostic, {}).get(measure)
            if read is None:
                failed.append(f"{name}: {score} was to be {condition}, but it was not measured.")
            elif not _holds(read, condition):
                end, _, _ = _parts(condition)
                failed.append(f"{name}: {score} was to be {condition}; its {end} is {number_text(read[end])}.")
    count = {"value": len(report["findings"])}
    if "findings" in gate and not _holds(count, gate["findings"]):
        failed.append(f"There are {count['value']} findings; there were to be {gate['findings']}.")
    return failed


def reservation(report: Mapping[str, Any]) -> str:
    """What is to be said beside a passed or failed gate: that a quick report was held against it; else empty."""
    quick = report.get("quick")
    return (
        f"The gate was held against a quick report ({quick['heading']}); a full one may read otherwise."
        if quick
        else ""
    )


def read_report(path: str | Path) -> dict[str, Any]:
    """A report that `sslviz audit` wrote; ValueError for another file and for one of a newer sslviz."""
    from sslviz.reports.audit.audit import SCHEMA

    try:
        report = json.loads(Path(path).read_text())
    except OSError as error:
        raise ValueError(f"The report {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        report = None
    if not isinstance(report, dict) or not {"schema", "plan", "images", "runs", "findings"} <= set(report):
        raise ValueError(f"{path} is not a report of `sslviz audit`; give it the .json beside the .html.")
    if report["schema"] > SCHEMA:
        raise ValueError(f"{path} was written by a newer sslviz; upgrade sslviz to read it.")
    return report


def _holds(read: Mapping[str, Any], condition: str) -> bool:
    end, sign, bound = _parts(condition)
    value = read.get(end)
    return value is not None and bool(OPERATORS[sign](value, bound))


def _parts(condition: str) -> tuple[str, str, float]:
    """Which end, which sign, which bound; `read_gate` has seen to it that there are these."""
    match = CONDITION.fullmatch(condition.strip())
    assert match is not None
    end, sign, bound = match.groups()
    return end or "value", sign, float(bound)


def number_text(value: float | None) -> str:
    """Three significant figures, or that there is no number."""
    return "unknown" if value is None else f"{value:.3g}"
