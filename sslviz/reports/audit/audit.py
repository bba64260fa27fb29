"""The audit: checkpoints and a table of images -> a report of what was found, not found, and not asked.

The report is plain JSON with a schema version.  `page` renders it, `gate` holds it against thresholds, `difference`
against another report.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from sslviz.catalog import HEALTH, Entry, diagnostics, draw, find_entry
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import Columns, requirements, stored_result
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.inspection import Inspection, inspect_images
from sslviz.evaluation.questions import check_named_columns, check_run_names
from sslviz.evaluation.summary import HEALTHY, sentence
from sslviz.features.column_kinds import class_counts
from sslviz.features.evidence import Evidence, check_recordable, record_diagnosis
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri
from sslviz.reports.audit.asked import asked_of_images, audit_questions, not_asked
from sslviz.reports.audit.findings import IMAGES, HypothesisTest, hypothesis_tests, judged
from sslviz.reports.audit.plan import AuditPlan, make_plan
from sslviz.runs import Checkpoint, Run
from sslviz.runs.preprocessing import run_preprocessing

SCHEMA = 1  # of the report; a reader refuses a larger number
THUMBNAIL = 48


def audit(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    plan: AuditPlan | None = None,
    group: str | None = None,
    inspection: Inspection | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """May these encoders be relied on?  The last checkpoint of each run, on `images`, with probes fitted on `fit`.

    `group` names a column whose images stay on one side of every split, as in `diagnose`; by default the plan's.
    `inspection` says what the source of the images was taken for, where they are some of it.

    Returns the report, a dict of plain JSON:

    - schema, plan (with its digest), made (versions, hardware, seconds), images
    - asked: what was chosen of which columns, what each holds, and what is left out, in `lines` too
    - runs: {name: its checkpoint, verdict, whether the audit stopped, scores, what was skipped and why}
    - findings: the gravest first, each with effect, interval, p corrected over the audit, examples, what it does not mean
    - not_found: each with the least effect that would have been found
    - figures: of every result, beside those of the other runs

    Results are kept in the run folders at once, so that a stopped audit goes on where it was.  A collapsed encoder is
    asked no further.  ValueError for runs of one name and what `read_plan` refuses.

    Caveat: An audit finds what its columns name, in images like these; what nobody wrote down it cannot see.
    """
    from sslviz.runtime.progress import progress_bar

    runs = [runs] if isinstance(runs, Run) else list(runs)
    check_run_names(runs)
    images, fit = kept_together(images, fit, group or (plan.group if plan else "") or images.group)
    check_recordable(runs, images)
    plan = plan or make_plan(images.table, None if fit is None else fit.table, group=images.group)
    if plan.group != images.group:  # which the report is then made by
        plan = replace(plan, group=images.group)
        check_named_columns(images.table, None if fit is None else fit.table, plan.label, plan.attributes, plan.group)
    began = time.perf_counter()
    asked = audit_questions(plan, images, fit)
    questions = asked.of_checkpoints
    about: dict[str, dict[str, Any]] = {}
    results: dict[str, dict[str, Any]] = {}
    with progress_bar(
        "auditing", len(runs) * (1 + len(questions) + bool(plan.maps)), "questions", shown=progress
    ) as advance:
        for run in runs:
            advance(0, note=f"{run.name}: embedding")
            about[run.name] = {
                "checkpoint": describe(run, run.last),
                "skipped": [
                    *({"what": name, "why": "The plan skips it."} for name in plan.skip),
                    *not_asked(plan),
                ],
            }
            evidence = _evidence(run, images, fit, plan, about[run.name])
            record_diagnosis(run, images, fit, plan.by_columns)
            results[run.name] = {}
            for entry, columns in questions:
                advance(0, note=f"{run.name}: {ResultKey(entry.name, columns)}")
                _answer(run, entry, columns, evidence, results[run.name], about[run.name])
                advance(1)
            advance(1)
        explained = _maps(runs, images, plan, about, advance)
    tests = _tests(results)
    findings, not_found = judged(tests)
    for name, of_run in results.items():
        about[name] |= _said_of(name, of_run) | {"tests": sum(test.run == name for test in tests)}
    return {
        "schema": SCHEMA,
        "plan": asdict(plan) | {"attributes": list(plan.attributes), "skip": list(plan.skip), "digest": plan.digest},
        "made": {**made(), "seconds": round(time.perf_counter() - began, 1)},
        "images": _described(images, fit, plan),
        "asked": asked_of_images(asked, images, fit, plan, results, runs, inspection or inspect_images(images, fit)),
        "runs": about,
        "tests": len(tests),
        "findings": [one | {"examples": _shown(one["examples"], images)} for one in findings],
        "not_found": not_found,
        "figures": _figures(results, explained),
    }


def _said_of(name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Verdict, sentence and scores of a checkpoint, from its results."""
    collapse = results.get("collapse")
    return {
        "verdict": collapse.verdict if collapse else "",
        "reasons": collapse.reasons if collapse else [],
        "said": sentence(name, results),
        "scores": {key: {n: s.to_dict() for n, s in r.scores().items()} for key, r in results.items()},
    }


def _evidence(run: Run, images: Images, fit: Images | None, plan: AuditPlan, about: dict[str, Any]) -> Evidence:
    """What the questions look at; of a collapsed encoder, which `stopped` then names, only what that is told by."""
    from sslviz.features.stored import gather

    evidence = gather(run, run.last, images, fit, expected_pairs=plan.by_columns)
    collapse = find_entry("collapse")
    health = HEALTHY if "collapse" in plan.skip else stored_result(run, collapse, evidence).encoder_verdict
    about["stopped"] = "" if health == HEALTHY or plan.despite_collapse else health
    if about["stopped"]:
        return evidence
    for entry in (entry for entry in diagnostics() if entry.opt_in and entry.name not in plan.skip):
        try:  # its stimulus may take a package that is not installed
            gather(run, run.last, images, fit, requested=requirements([entry]))
        except ValueError as error:
            about["skipped"].append({"what": entry.name, "why": str(error)})
    by_default = requirements(entry for entry in diagnostics() if not entry.opt_in)  # the app's pages show all of it
    return gather(run, run.last, images, fit, requested=by_default, attributes=True, expected_pairs=plan.by_columns)


def _answer(
    run: Run, entry: Entry, columns: Columns, evidence: Evidence, results: dict[str, Any], about: dict[str, Any]
) -> None:
    """Adds the result; or, where it cannot be had or means nothing, why it was skipped."""
    if entry.opt_in and not about["stopped"] and any(evidence.given(name) is None for name in entry.inputs):
        return  # `_evidence` has said why
    key = str(ResultKey(entry.name, columns))
    try:
        if about["stopped"] and entry.section != HEALTH:
            raise ValueError(f"The encoder shows a {about['stopped']}; nothing else would mean anything.")
        results[key] = stored_result(run, entry, evidence, columns)
    except ValueError as error:
        about["skipped"].append({"what": key, "why": str(error)})


def _maps(
    runs: Sequence[Run], images: Images, plan: AuditPlan, about: Mapping[str, dict[str, Any]], advance: Any
) -> dict[str, Any]:
    """What the maps of each healthy checkpoint show and are worth, on a few of the images."""
    from sslviz.reports.explain.explain import chosen, explain

    found: dict[str, Any] = {}
    few, _ = chosen(images, most=plan.maps) if plan.maps else (images, None)
    for run in runs:
        if not plan.maps or about[run.name]["stopped"]:
            why = "The plan asks for none." if not plan.maps else "The encoder has collapsed."
            about[run.name]["skipped"].append({"what": "maps", "why": why})
            continue
        advance(0, note=f"{run.name}: maps")
        try:
            found |= explain([run], few, everything=images, progress=False)
        except ValueError as error:
            about[run.name]["skipped"].append({"what": "maps", "why": str(error)})
        else:
            if reason := found[run.name].no_attention:
                about[run.name]["skipped"].append({"what": "attention", "why": reason})
    return found


def _tests(results: Mapping[str, Mapping[str, Any]]) -> list[HypothesisTest]:
    """The tests of all runs; what the images' own table holds is one test however many runs there are."""
    tests = [test for name, of_run in results.items() for test in hypothesis_tests(name, of_run)]
    about_images = {test.columns: test for test in tests if test.run == IMAGES}
    return [test for test in tests if test.run != IMAGES] + list(about_images.values())


# --- what is written beside the answers --------------------------------------------------------------------------------


def describe(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    """Which weights were looked at, and where do they come from?"""
    assert checkpoint.path is not None
    with open(checkpoint.path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    arguments = {key: value for key, value in run.info.get("arguments", {}).items() if value not in (None, "", {})}
    return {
        "run": run.name,
        "step": checkpoint.step,
        "sha256": sha256,
        "encoder": dict(checkpoint.config),
        "preprocessing": run_preprocessing(run),
        "kind": run.info.get("kind", ""),
        "arguments": arguments,
        "versions": run.info.get("versions", {}),
        "device": run.info.get("device", ""),
        "seconds": run.info.get("seconds"),
    }


def made() -> dict[str, Any]:
    """By what, on what and when is this made?"""
    packages = ("sslviz", "torch", "timm", "numpy", "scikit-learn", "plotly")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}",
        "seeds": "every random choice has a fixed seed, 0 unless said otherwise",
    }


def _described(images: Images, fit: Images | None, plan: AuditPlan) -> dict[str, Any]:
    counts = {
        column: {str(value): int(n) for value, n in class_counts(images.table[column]).items()}
        for column in (plan.label, *plan.attributes)
    }
    return {
        "spec": images.spec,
        "digest": images.digest,
        "n": len(images),
        "size": list(images.size),
        "counts": counts,
        "fit": {"spec": fit.spec, "digest": fit.digest, "n": len(fit)} if fit else None,
    }


def _shown(ids: Sequence[str], images: Images) -> list[dict[str, str]]:
    rows = pd.Index(images.ids).get_indexer(np.asarray(ids, dtype=images.ids.dtype)) if ids else []
    return [{"id": id_, "picture": data_uri(images.pixels[row], THUMBNAIL)} for id_, row in zip(ids, rows, strict=True)]


def _figures(results: Mapping[str, Mapping[str, Any]], explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every result of every run, drawn beside those of the other runs: {"diagnostic", "of", "figure"}."""
    from sslviz.reports.explain.page import evidence_figures

    colors = theme.colors(results)
    keys = dict.fromkeys(key for of_run in results.values() for key in of_run)
    drawn = []
    for text in keys:
        both = {name: of_run[text] for name, of_run in results.items() if text in of_run}
        key = ResultKey.parse(text)
        if find_entry(key.name).about_images:
            both = {IMAGES: next(iter(both.values()))}
        fig = draw(both, colors=colors | {IMAGES: theme.CONTROL})
        drawn.append({"diagnostic": key.name, "of": "~".join(key.columns), "figure": _bare(fig)})
    if explained:
        drawn += [
            {"diagnostic": name, "of": "", "figure": _bare(fig)} for name, fig in evidence_figures(explained, colors)
        ]
    return drawn


def _bare(fig: Any) -> dict[str, Any]:
    fig.layout.template = None
    return json.loads(fig.to_json())
