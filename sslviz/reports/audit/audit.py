"""May this encoder be relied on?  Checkpoints and a table of images -> a report of what was found, not found, and not asked.

The report is plain JSON, schema-versioned; `audit_page` renders it, `gates` holds it against thresholds and another.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from sslviz.catalog import CATALOG, Entry, Of, draw, entry
from sslviz.data import Images
from sslviz.evaluation.diagnose import called, compute, wanted
from sslviz.evaluation.summary import sentence
from sslviz.features.evidence import Evidence, gather, note
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri
from sslviz.reports.audit.findings import IMAGES, HypothesisTest, hypothesis_tests, judged
from sslviz.reports.audit.plan import Plan, make_plan
from sslviz.runs import Checkpoint, Run

SCHEMA = 1  # of the report; a reader refuses a larger number
# Whatever else the catalog asks of checkpoints, labels and attributes is asked too, by its page of the app.
LEFT_OUT = ("projection", "alignment", "lidar", "neural_collapse")  # a map is explored, not signed; views are no images
THUMBNAIL = 48


def audit(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    plan: Plan | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """May these encoders be relied on?  The last checkpoint of each run, on `images`, with probes fitted on `fit`.

    Returns the report, a dict of plain JSON: `schema`, `plan` and its digest, `made` (versions, hardware, seconds), `images`,
    `runs` {name: checkpoint, verdict, whether it was stopped, scores, what was skipped and why}, `findings` (the gravest
    first, each with effect, interval, p corrected over the whole audit, n, example images and what it does not mean),
    `not_found` (each with the least effect that would have been found) and `figures`.  Results are kept in the run
    folders as soon as they are there, so that a stopped audit goes on where it was.  A collapsed encoder is asked no
    further.  ValueError for runs of one name and what `read_plan` refuses.

    Caveat: An audit finds what its columns name, in images like these; what nobody wrote down it cannot see.
    """
    from sslviz.runtime.progress import progress_bar

    runs = [runs] if isinstance(runs, Run) else list(runs)
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f"Runs are told apart by name, but two are called the same: {', '.join(r.name for r in runs)}."
        )
    plan = plan or make_plan(images.table)
    began = time.perf_counter()
    asked = list(_questions(plan))
    about: dict[str, dict[str, Any]] = {}
    results: dict[str, dict[str, Any]] = {}
    with progress_bar(
        "auditing", len(runs) * (1 + len(asked) + bool(plan.maps)), "questions", shown=progress
    ) as advance:
        for run in runs:
            advance(0, note=f"{run.name}: embedding")
            about[run.name] = {
                "checkpoint": describe(run, run.last),
                "skipped": [{"what": name, "why": "The plan skips it."} for name in plan.skip],
            }
            evidence = _evidence(run, images, fit, plan, about[run.name])
            note(run, images, fit, plan.by_columns)
            results[run.name] = {}
            for one, of in asked:
                advance(0, note=f"{run.name}: {called(one, of)}")
                _answer(run, one, of, evidence, results[run.name], about[run.name])
                advance(1)
            advance(1)
        explained = _maps(runs, images, plan, about, advance)
    tests = _tests(results)
    findings, not_found = judged(tests)
    for name, of_run in results.items():
        collapse = of_run.get("collapse")
        about[name] |= {
            "verdict": collapse.verdict if collapse else "", "reasons": collapse.reasons if collapse else [],
            "said": sentence(name, of_run),
            "scores": {key: {n: s.to_dict() for n, s in r.scores().items()} for key, r in of_run.items()},
        }  # fmt: skip
    return {
        "schema": SCHEMA,
        "plan": asdict(plan) | {"attributes": list(plan.attributes), "skip": list(plan.skip), "digest": plan.digest},
        "made": {**made(), "seconds": round(time.perf_counter() - began, 1)},
        "images": _described(images, fit, plan),
        "runs": about,
        "tests": len(tests),
        "findings": [one | {"examples": _shown(one["examples"], images)} for one in findings],
        "not_found": not_found,
        "figures": _figures(results, explained),
    }


def _questions(plan: Plan) -> Iterator[tuple[Entry, Of]]:
    """What is asked of every checkpoint, collapse first."""
    columns: list[Of] = [(plan.label, attribute) for attribute in plan.attributes]
    of: dict[str, Sequence[Of]] = {
        "checkpoint": [None], "label": [plan.label, *plan.attributes], "attribute": plan.attributes, "columns": columns,
    }  # fmt: skip
    for one in CATALOG:
        if one.name not in (*LEFT_OUT, *plan.skip):
            yield from ((one, about) for about in of.get(one.per, ()))


def _evidence(run: Run, images: Images, fit: Images | None, plan: Plan, about: dict[str, Any]) -> Evidence:
    """What the questions look at; of a collapsed encoder, which `stopped` then names, only what that is told by."""
    evidence = gather(run, run.last, images, fit, partners=plan.by_columns)
    health = "healthy" if "collapse" in plan.skip else compute(run, entry("collapse"), evidence).encoder_verdict
    about["stopped"] = "" if health == "healthy" or plan.despite_collapse else health
    if about["stopped"]:
        return evidence
    _corrupt(run, images, plan, about["skipped"])
    asked = wanted(one for one in CATALOG if not one.by_name)  # also what is not asked here: the app's pages show it
    return gather(run, run.last, images, fit, wanted=asked, attributes=True, partners=plan.by_columns)


def _answer(run: Run, one: Entry, of: Of, evidence: Evidence, results: dict[str, Any], about: dict[str, Any]) -> None:
    """Adds the result; or, where it cannot be had or means nothing, why it was skipped."""
    if one.by_name and evidence.corrupted is None:
        return  # `_corrupt` has said why
    try:
        if about["stopped"] and one.name not in ("collapse", "spectrum"):
            raise ValueError(f"The encoder shows a {about['stopped']}; nothing else would mean anything.")
        results[called(one, of)] = compute(run, one, evidence, of)
    except ValueError as error:
        about["skipped"].append({"what": called(one, of), "why": str(error)})


def _corrupt(run: Run, images: Images, plan: Plan, skipped: list[dict[str, str]]) -> None:
    """Embeds corrupted pictures, where they can be had; they take a package of their own."""
    from sslviz.features.stored import stored_corrupted

    if "drift" not in plan.skip:
        try:
            stored_corrupted(run, [run.last, run.last.untrained()], images)
        except ValueError as error:
            skipped.append({"what": "drift", "why": str(error)})


def _maps(
    runs: Sequence[Run], images: Images, plan: Plan, about: Mapping[str, dict[str, Any]], advance: Any
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
        "run": run.name, "step": checkpoint.step, "sha256": sha256, "encoder": dict(checkpoint.config),
        "kind": run.info.get("kind", ""), "arguments": arguments, "versions": run.info.get("versions", {}),
        "device": run.info.get("device", ""), "seconds": run.info.get("seconds"),
    }  # fmt: skip


def made() -> dict[str, Any]:
    """By what, on what and when is this made?"""
    packages = ("sslviz", "torch", "timm", "numpy", "scikit-learn", "plotly")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version(),
        "versions": {name: version(name) for name in packages}, "machine": f"{platform.system()} {platform.machine()}",
        "seeds": "every random choice has a fixed seed, 0 unless said otherwise",
    }  # fmt: skip


def _described(images: Images, fit: Images | None, plan: Plan) -> dict[str, Any]:
    counts = {
        column: {str(value): int(n) for value, n in images.table[column].astype(str).value_counts().items()}
        for column in (plan.label, *plan.attributes)
    }
    return {
        "spec": images.spec, "digest": images.digest, "n": len(images), "size": list(images.size), "counts": counts,
        "fit": {"spec": fit.spec, "digest": fit.digest, "n": len(fit)} if fit else None,
    }  # fmt: skip


def _shown(ids: Sequence[str], images: Images) -> list[dict[str, str]]:
    rows = pd.Index(images.ids).get_indexer(np.asarray(ids, dtype=images.ids.dtype)) if ids else []
    return [{"id": id_, "picture": data_uri(images.pixels[row], THUMBNAIL)} for id_, row in zip(ids, rows, strict=True)]


def _figures(results: Mapping[str, Mapping[str, Any]], explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every result of every run, drawn beside those of the other runs: {"diagnostic", "of", "figure"}."""
    from sslviz.reports.explain.page import evidence_figures

    colors = theme.colors(results)
    keys = dict.fromkeys(key for of_run in results.values() for key in of_run)
    drawn = []
    for key in keys:
        both = {name: of_run[key] for name, of_run in results.items() if key in of_run}
        name, _, of = key.partition(":")
        if name == "cooccurrence":  # says nothing of any run
            both = {IMAGES: next(iter(both.values()))}
        fig = draw(both, colors=colors | {IMAGES: theme.CONTROL})
        drawn.append({"diagnostic": name, "of": of, "figure": _bare(fig)})
    if explained:
        drawn += [
            {"diagnostic": name, "of": "", "figure": _bare(fig)} for name, fig in evidence_figures(explained, colors)
        ]
    return drawn


def _bare(fig: Any) -> dict[str, Any]:
    fig.layout.template = None
    return json.loads(fig.to_json())
