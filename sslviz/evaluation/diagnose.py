"""The catalog put to checkpoints: what is asked of which, computed beside its controls, and kept in the run folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sslviz.data import Images
from sslviz.data.duplicates import CopiesWarning, duplicates
from sslviz.diagnostics.result import CheckpointKey
from sslviz.evaluation.answers import DEFAULT_LAYOUT, requirements, stored_result
from sslviz.evaluation.column_checks import check_columns, check_run_names
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.inquiry import Inquiry
from sslviz.evaluation.omissions import left_out_reasons, pairs_named_before, reason_lines
from sslviz.evaluation.questions import make_questions, named_entries
from sslviz.evaluation.workload import Workload
from sslviz.features.columns import partners_of
from sslviz.features.complete_rows import complete_rows
from sslviz.features.diagnosed import check_recordable, record_diagnosis
from sslviz.features.evidence import Evidence
from sslviz.features.pictures import shared_pictures
from sslviz.runs import Checkpoint, Run


def diagnose(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    target: Images | None = None,
    only: str | Sequence[str] | None = None,
    label: str | None = None,
    attribute: str | Sequence[str] = (),
    partners: Mapping[str, Mapping[str, str]] | None = None,
    group: str | None = None,
    layout: str = DEFAULT_LAYOUT,
    precision: str = "auto",
    every: bool = False,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What is to be said of these runs' checkpoints on these images?

    Returns {checkpoint: {diagnostic: Result}} of the last checkpoint of each run, called like the run.  With `every`,
    it is of all of them, first step first, and those before the last are called "run @ step".

    - only: a diagnostic's name, or several; by default all that take no package of their own
    - label: what probes are asked for; by default every column that can be probed
    - fit: images that probes are fitted on; by default a stratified half of `images`
    - target: images of another domain with the same labels; what a shift costs is only asked where some are named
    - attribute: one column or several; what an encoder does with an attribute is only asked where one is named
    - partners: {attribute: {class: value}}, the values that the classes of the label were met with elsewhere; by default
      the images fitted on tell
    - group: a column, such as author or object; by default the one that `images` have.  Images that share its value
      stay on one side of every split, and count as one in every interval and test of a readout
    - layout: by which of its methods `projection` lays out the maps
    - precision: as of `embed`; "auto" takes the features that are stored, a precision that is named only those in it

    A diagnostic of another column than the table's `label` is called "linear_probe:column", one of a label and an
    attribute "reliance:label~attribute".  One of a pair is called "similarity:run", by the first run, which each other is
    compared with.  Features, thumbnails and results are stored in the run folders, and read from there the next time.

    ValueError for an unknown diagnostic or column, and where nothing can be asked.  Also for a diagnostic of an
    attribute without one, and for partners of an attribute that is not asked about.  Warnings name what was left out:
    images without a value, classes of too few images, questions of columns with too many classes.  One says how many
    pictures have a copy on the other side of a split.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    entries = named_entries(only)
    images, fit = kept_together(images, fit, group or images.group)
    check_recordable(runs, images)
    attributes = [attribute] if isinstance(attribute, str) else list(dict.fromkeys(attribute))
    check_columns(images, fit, entries if only else [], label, attributes, target)
    expected_pairs = _named_pairs(images, fit, label, attributes, partners or {})
    questions = make_questions(entries, images, fit, label=label, attributes=attributes, target=target)
    check_run_names(runs)
    stimuli = requirements(questions.entries)
    of_attributes = bool(questions.attributes)
    checkpoints = list(_checkpoints(runs, every))
    how: Any = {"layout": layout, "precision": precision, "drawn": shared_pictures(len(checkpoints))}
    inquiry = Inquiry(images, fit, target, questions, stimuli, of_attributes, expected_pairs, **how)
    results, problems = _answers(inquiry, checkpoints, progress)
    if not any(results.values()):
        alone = (
            f"{questions.of_pairs[0].name} compares two checkpoints: name a second run." if questions.of_pairs else ""
        )
        raise ValueError(problems[0] if problems else alone)
    said = left_out_reasons(questions, images, fit, results)
    said |= pairs_named_before(questions, runs, images, expected_pairs)
    copies = duplicates(images, fit) if questions.split else None
    for line in reason_lines(said):
        warnings.warn(line, stacklevel=2)
    if copies and copies.flatters:
        warnings.warn(copies.line, CopiesWarning, stacklevel=2)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return results


def _answers(
    inquiry: Inquiry, checkpoints: Sequence[tuple[str, Run, Checkpoint]], progress: bool
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """({checkpoint: {diagnostic: Result}}, a sentence for each that could not be had)."""
    from sslviz.runtime.progress import say, weighted_bar

    results: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    first: tuple[str, Evidence] | None = None
    work = inquiry.workloads(checkpoints) if progress else {}
    total = sum(work.values(), Workload())
    if progress:
        say(total.line)
    with weighted_bar("diagnosing", total.seconds, shown=progress) as step:
        for name, run, checkpoint in checkpoints:
            todo = work.get(name, Workload())
            with step(f"{name}: embedding", todo.drawing + todo.encoding, todo.forward):
                evidence = inquiry.gather(run, checkpoint)
            found = results[name] = {}
            for entry, columns, key, other in inquiry.in_turn(first):
                seconds = inquiry.seconds(run, entry, evidence, columns, other)
                with step(f"{name}: {key}", seconds):
                    try:
                        result = stored_result(run, entry, evidence, columns, other=other, layout=inquiry.layout)
                    except ValueError as error:  # one diagnostic that cannot be had must not cost the others
                        problems.append(f"{name}: no {key}: {error}")
                        continue
                if not found:  # with the first answer, so that the app shows what there is while the rest is computed
                    record_diagnosis(run, inquiry.images, inquiry.fit, inquiry.expected_pairs, inquiry.target)
                found[str(key)] = result
            first = first or (name, evidence)
    return results, problems


def _checkpoints(runs: Sequence[Run], every: bool) -> Iterator[tuple[str, Run, Checkpoint]]:
    for run in runs:
        for checkpoint in run.checkpoints[:-1] if every else ():
            yield str(CheckpointKey(run.name, checkpoint.step)), run, checkpoint
        yield run.name, run, run.last


def _named_pairs(
    images: Images,
    fit: Images | None,
    label: str | None,
    attributes: Sequence[str],
    partners: Mapping[str, Mapping[str, str]],
) -> dict[str, Mapping[str, str]]:
    """{"label~attribute": {class: value}}; ValueError where they are not of a label and attribute that are asked about."""
    for attribute, given in partners.items():
        if label is None or attribute not in attributes:
            raise ValueError(
                f"Partners of {attribute!r} need it named as attribute, and the label they are partners of."
            )
        rows = complete_rows(images.table, None if fit is None else fit.table, (label, attribute), group=images.group)
        partners_of(images.table[rows.keep], label, attribute, given)
    return {f"{label}~{attribute}": given for attribute, given in partners.items()}
