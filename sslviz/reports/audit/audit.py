"""The audit: checkpoints and a table of images -> a report of what was found, not found, and not asked.

The report is plain JSON with a schema version.  `page` renders it, `gate` holds it against thresholds, `difference`
against another report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sslviz.catalog import Entry, diagnostics, find_entry
from sslviz.catalog.sections import HEALTH
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import Columns, requirements, stored_result
from sslviz.evaluation.column_checks import check_named_columns, check_run_names
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.inquiry import Inquiry
from sslviz.evaluation.inspection import Inspection, inspect_images
from sslviz.evaluation.quick import QUICK_PICTURES, QuickSample
from sslviz.evaluation.summary import HEALTHY
from sslviz.evaluation.workload import Workload
from sslviz.features.diagnosed import check_recordable, record_diagnosis
from sslviz.features.evidence import Evidence
from sslviz.features.pictures import shared_pictures
from sslviz.reports.audit.asked import asked_of_images, audit_questions, not_asked
from sslviz.reports.audit.description import describe, describe_images, made, said_of
from sslviz.reports.audit.drawn import drawn_figures, examples
from sslviz.reports.audit.findings import IMAGES, HypothesisTest, hypothesis_tests, judged
from sslviz.reports.audit.plan import AuditPlan, make_plan
from sslviz.runs import Run

SCHEMA = 1  # of the report; a reader refuses a larger number


def audit(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    target: Images | None = None,
    plan: AuditPlan | None = None,
    group: str | None = None,
    quick: QuickSample | None = None,
    precision: str = "auto",
    inspection: Inspection | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """May these encoders be relied on?  The last checkpoint of each run, on `images`, with probes fitted on `fit`.

    - target: images of another domain with the same label; what a shift costs is only asked where some are named
    - group: a column whose images stay on one side of every split, as in `diagnose`; by default the plan's
    - quick: the sample that images, fit and target are, where they stand for more; the report says so at its top
    - precision: as in `diagnose`
    - inspection: what the source of the images was taken for, where they are some of it

    Returns the report, a dict of plain JSON:

    - schema, plan (with its digest), made (versions, hardware, seconds), images, quick (None: all images were asked)
    - asked: what was chosen of which columns, what each holds, and what is left out, in `lines` too
    - runs: {name: its checkpoint, precision, verdict, whether the audit stopped, scores, what was skipped and why}
    - findings: the gravest first, each with effect, interval, p corrected over the audit, examples, what it does not mean
    - not_found: each with the least effect that would have been found
    - figures: of every result, beside those of the other runs

    Results are kept in the run folders at once, so that a stopped audit goes on where it was.  A collapsed encoder is
    asked no further.  ValueError for runs of one name and what `read_plan` refuses.

    Caveat: An audit finds what its columns name, in images like these; what nobody wrote down it cannot see.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    check_run_names(runs)
    images, fit = kept_together(images, fit, group or (plan.group if plan else "") or images.group)
    check_recordable(runs, images)
    plan = _settled(plan, images, fit, target)
    began = time.perf_counter()
    inspection = inspection or inspect_images(images, fit)
    asked = audit_questions(plan, images, fit, target)
    about = {run.name: _begun(run, plan, target) for run in runs}
    stimuli = _by_default() | requirements(_opt_in(plan))
    how: dict[str, Any] = {"precision": precision, "drawn": shared_pictures(len(runs))}
    inquiry = Inquiry(images, fit, target, asked, stimuli, True, plan.by_columns, **how)
    shown = replace(plan, maps=min(plan.maps, QUICK_PICTURES)) if quick else plan
    results, explained = _answers(runs, inquiry, shown, about, progress)
    tests = _tests(results)
    findings, not_found = judged(tests)
    for name, of_run in results.items():
        about[name] |= said_of(name, of_run) | {"tests": sum(test.run == name for test in tests)}
    return {
        "schema": SCHEMA,
        "plan": asdict(plan) | {"attributes": list(plan.attributes), "skip": list(plan.skip), "digest": plan.digest},
        "made": {**made(), "seconds": round(time.perf_counter() - began, 1)},
        "images": describe_images(images, fit, target, plan),
        "quick": _quick(quick, plan, shown) if quick else None,
        "asked": asked_of_images(asked, images, fit, target, plan, results, runs, inspection),
        "runs": about,
        "tests": len(tests),
        "findings": [one | {"examples": examples(one["examples"], images)} for one in findings],
        "not_found": not_found,
        "figures": drawn_figures(results, explained),
    }


def _settled(plan: AuditPlan | None, images: Images, fit: Images | None, target: Images | None) -> AuditPlan:
    """The plan with the group and the target that the audit is really made with.

    ValueError where these are not those of the plan, and where what it names cannot be asked about.
    """
    tables = images.table, None if fit is None else fit.table
    plan = plan or make_plan(*tables, group=images.group)
    if plan.target and target is None:
        raise ValueError(f"The plan names images of another domain, {plan.target}; give them as target.")
    if plan.group != images.group:
        plan = replace(plan, group=images.group)
        check_named_columns(*tables, plan.label, plan.attributes, plan.group)
    return plan if target is None else replace(plan, target=plan.target or target.spec or target.digest)


def _quick(quick: QuickSample, plan: AuditPlan, shown: AuditPlan) -> dict[str, Any]:
    """What a report says of the sample that it is of, and of the pictures that maps are made of."""
    fewer = f" Maps are made of {shown.maps} pictures, not of {plan.maps}." if shown.maps < plan.maps else ""
    return quick.to_dict() | {"maps": shown.maps, "line": quick.line + fewer}


def _begun(run: Run, plan: AuditPlan, target: Images | None) -> dict[str, Any]:
    """What a report says of a checkpoint before anything is asked of it."""
    skipped = [{"what": name, "why": "The plan skips it."} for name in plan.skip]
    return {"checkpoint": describe(run, run.last), "skipped": [*skipped, *not_asked(plan, target)]}


def _answers(
    runs: Sequence[Run], inquiry: Inquiry, plan: AuditPlan, about: dict[str, dict[str, Any]], progress: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """({run: {question: Result}}, what the maps of each run show); what cannot be had is written into `about`."""
    from sslviz.runtime.progress import say, weighted_bar

    results: dict[str, dict[str, Any]] = {run.name: {} for run in runs}
    explained: dict[str, Any] = {}
    work = inquiry.workloads([(run.name, run, run.last) for run in runs]) if progress else {}
    mapping = {run.name: _maps_workload(run, inquiry, plan) for run in runs} if progress else {}
    total = sum([*work.values(), *mapping.values()], Workload())
    if progress:
        say(total.line)
    with weighted_bar("auditing", total.seconds, shown=progress) as step:
        for run in runs:
            todo = work.get(run.name, Workload())
            with step(f"{run.name}: embedding", todo.drawing + todo.encoding, todo.forward):
                evidence = _evidence(run, inquiry, plan, about[run.name])
            about[run.name]["precision"] = evidence.features.source.get("precision", "fp32")
            record_diagnosis(run, inquiry.images, inquiry.fit, plan.by_columns, inquiry.target)
            for entry, columns in inquiry.questions.of_checkpoints:
                seconds = inquiry.seconds(run, entry, evidence, columns)
                with step(f"{run.name}: {ResultKey(entry.name, columns)}", seconds):
                    _answer(run, entry, columns, evidence, results[run.name], about[run.name])
        for run in runs:
            seconds = mapping[run.name].seconds if progress else 0.0
            with step(f"{run.name}: maps", seconds, count=seconds) as tell:
                explained |= _maps(run, inquiry, plan, about[run.name], tell if progress else None)
    return results, explained


def _evidence(run: Run, inquiry: Inquiry, plan: AuditPlan, about: dict[str, Any]) -> Evidence:
    """What the questions look at; of a collapsed encoder, which `stopped` then names, only what that is told by."""
    from sslviz.features.stored import gather

    given = run, run.last, inquiry.images, inquiry.fit
    how: dict[str, Any] = {"precision": inquiry.precision, "drawn": inquiry.drawn}
    evidence = gather(*given, expected_pairs=plan.by_columns, **how)
    collapse = find_entry("collapse")
    health = HEALTHY if "collapse" in plan.skip else stored_result(run, collapse, evidence).encoder_verdict
    about["stopped"] = "" if health == HEALTHY or plan.despite_collapse else health
    if about["stopped"]:
        return evidence
    for entry in _opt_in(plan):
        try:  # its stimulus may take a package that is not installed
            gather(*given, requested=requirements([entry]), **how)
        except ValueError as error:
            about["skipped"].append({"what": entry.name, "why": str(error)})
    return replace(inquiry, stimuli=_by_default()).gather(run, run.last)


def _opt_in(plan: AuditPlan) -> list[Entry]:
    """What takes a package of its own, and is asked here without being named."""
    return [entry for entry in diagnostics() if entry.opt_in and entry.section and entry.name not in plan.skip]


def _by_default() -> set[str]:
    """The stimuli of all other diagnostics: the app's pages show all of it."""
    return requirements(entry for entry in diagnostics() if not entry.opt_in)


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


def _maps_workload(run: Run, inquiry: Inquiry, plan: AuditPlan) -> Workload:
    """How much the maps of a checkpoint have yet to compute; none where they cannot be had."""
    from sslviz.reports.explain.expected_passes import explain_workload
    from sslviz.reports.explain.explain import chosen

    if not plan.maps:
        return Workload()
    few, _ = chosen(inquiry.images, most=plan.maps)
    try:
        return explain_workload(run, few, everything=inquiry.images, precision=inquiry.precision)
    except ValueError:
        return Workload()


def _maps(
    run: Run, inquiry: Inquiry, plan: AuditPlan, about: dict[str, Any], tell: Callable[[str], None] | None
) -> dict[str, Any]:
    """What the maps of a healthy checkpoint show and are worth, on a few of the images; `tell` is told what is at work."""
    from sslviz.reports.explain.explain import chosen, explain
    from sslviz.runtime.progress import watched

    if not plan.maps or about["stopped"]:
        why = "The plan asks for none." if not plan.maps else "The encoder has collapsed."
        about["skipped"].append({"what": "maps", "why": why})
        return {}
    few, _ = chosen(inquiry.images, most=plan.maps)
    asked: dict[str, Any] = {"everything": inquiry.images, "precision": inquiry.precision}
    try:
        with watched(lambda title, _: tell(f"{run.name}: maps: {title}") if tell else None):
            found: dict[str, Any] = explain([run], few, **asked, progress=tell is not None)
    except ValueError as error:
        about["skipped"].append({"what": "maps", "why": str(error)})
        return {}
    if reason := found[run.name].no_attention:
        about["skipped"].append({"what": "attention", "why": reason})
    return found


def _tests(results: Mapping[str, Mapping[str, Any]]) -> list[HypothesisTest]:
    """The tests of all runs; what the images' own table holds is one test however many runs there are."""
    tests = [test for name, of_run in results.items() for test in hypothesis_tests(name, of_run)]
    about_images = {test.columns: test for test in tests if test.run == IMAGES}
    return [test for test in tests if test.run != IMAGES] + list(about_images.values())
