"""What an audit asks of which columns, what it does not ask, and what was left out: its first lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslviz.catalog import diagnostics
from sslviz.data import Images
from sslviz.evaluation.column_checks import usable_class_counts
from sslviz.evaluation.inspection import Inspection
from sslviz.evaluation.omissions import left_out_reasons, pairs_named_before, reason_lines
from sslviz.evaluation.questions import Questions
from sslviz.features.column_kinds import left_out_lines
from sslviz.features.evidence import find_stimulus
from sslviz.reports.audit.plan import AuditPlan
from sslviz.runs import Run


def audit_questions(plan: AuditPlan, images: Images, fit: Images | None, target: Images | None = None) -> Questions:
    """What is asked of every checkpoint, collapse first: what has a section in the report."""
    entries = [entry for entry in diagnostics() if entry.section and entry.name not in plan.skip]
    pairs = [(plan.label, attribute) for attribute in plan.attributes]
    columns = [plan.label, *plan.attributes]
    counts = usable_class_counts(images, fit, columns)
    table = None if target is None else target.table
    return Questions(entries, columns, plan.attributes, pairs, counts, table, images.group)


def not_asked(plan: AuditPlan, target: Images | None) -> list[dict[str, str]]:
    """The questions about attributes and about another domain, where there is none."""
    asked = [entry for entry in diagnostics() if entry.section and entry.name not in plan.skip]
    why = {}
    if not plan.attributes:
        said = "It asks about a column that should not matter, and no other column with classes is named."
        why = {entry.name: said for entry in asked if entry.scope in ("attribute", "columns")}
    if target is None:
        why |= {entry.name: find_stimulus("target").missing for entry in asked if entry.needs_target}
    return [{"what": name, "why": reason} for name, reason in why.items()]


def asked_of_images(
    questions: Questions,
    images: Images,
    fit: Images | None,
    target: Images | None,
    plan: AuditPlan,
    results: Mapping[str, Mapping[str, Any]],
    runs: Sequence[Run],
    inspection: Inspection,
) -> dict[str, Any]:
    """What was chosen and of what, and what was left out: the first lines of the report, whoever reads it."""
    reasons = left_out_reasons(questions, images, fit, results)
    reasons |= pairs_named_before(questions, runs, images, plan.by_columns)
    chosen = [c for c in inspection.columns if c.name in (plan.label, *plan.attributes)]
    others = [c for c in inspection.columns if c.asked and c not in chosen]
    by_name = {
        c.name: f"{c.name} ({c.text if c.asked else f'{questions.class_counts[c.name]} classes'})" for c in chosen
    }
    columns = ", ".join(str(column) for column in images.table.columns)
    attributes = "; ".join(by_name[name] for name in plan.attributes) or "none"
    chosen_lines = [
        f"The label, which is to be read: {by_name[plan.label]}; of the columns {columns}.",
        f"Attributes, which should not matter: {attributes}.",
        *([f"Another domain: {len(target):,} images, {plan.target}."] if target is not None else []),
        *inspection.split_lines,
    ]
    others_lines = [
        *([f"Not named in the plan: {', '.join(c.name for c in others)}."] if others else []),
        *left_out_lines([c for c in inspection.columns if c not in chosen]),
        *reason_lines(reasons),
        *(line for line in inspection.source_lines if line not in inspection.split_lines),
    ]
    lines = [*chosen_lines, *others_lines]
    return {"lines": lines, "chosen": chosen_lines, "left_out": reasons, **inspection.to_dict()}
