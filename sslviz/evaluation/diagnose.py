"""The catalog put to checkpoints: what is asked of which, computed beside its controls, and kept in the run folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sslviz.catalog import Entry
from sslviz.data import Images
from sslviz.data.duplicates import CopiesWarning, duplicates
from sslviz.diagnostics.result import CheckpointKey, ResultKey
from sslviz.evaluation.answers import DEFAULT_LAYOUT, Columns, requirements, stored_result
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.questions import (
    Questions,
    check_columns,
    check_run_names,
    left_out_reasons,
    make_questions,
    named_entries,
    pairs_named_before,
    reason_lines,
)
from sslviz.features.columns import partners_of
from sslviz.features.complete_rows import complete_rows
from sslviz.features.evidence import Evidence, check_recordable, record_diagnosis
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
    every: bool = False,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What is to be said of these runs' checkpoints on these images?

    Returns {checkpoint: {diagnostic: Result}}: of the last checkpoint of each run, called like the run; with `every`, of
    all of them, first step first, those before the last called "run @ step".

    - only: a diagnostic's name, or several; by default all that take no package of their own
    - label: what probes are asked for; by default every column that can be probed
    - fit: images that probes are fitted on; by default a stratified half of `images`
    - target: images of another domain with the same labels; what a shift costs is only asked where some are named
    - attribute: one column or several; what an encoder does with an attribute is only asked where one is named
    - partners: {attribute: {class: value}}, the values that the classes of the label were met with elsewhere; by default
      the images fitted on tell
    - group: a column, such as author or object: images that share its value stay on one side of every split, and count
      as one in every interval and test of a readout; by default the one that `images` have
    - layout: by which of its methods `projection` lays out the maps

    A diagnostic of another column than the table's `label` is called "linear_probe:column", one of a label and an
    attribute "reliance:label~attribute".  One of a pair is called "similarity:run", by the first run, which each other is
    compared with.  Features, thumbnails and results are stored in the run folders, and read from there the next time.

    ValueError for an unknown diagnostic or column, for a diagnostic of an attribute without one, and for partners of an
    attribute that is not asked about, and where nothing can be asked.  Warnings name what was left out: images without a
    value, classes of too few images, questions of columns with too many classes.  One says how many pictures have a copy
    on the other side of a split.
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
    results, problems = _answers(
        runs, images, fit, target, questions, expected_pairs, layout=layout, every=every, progress=progress
    )
    if not any(results.values()):
        alone = (
            f"{questions.of_pairs[0].name} compares two checkpoints: name a second run." if questions.of_pairs else ""
        )
        raise ValueError(problems[0] if problems else alone)
    said = left_out_reasons(questions, images, fit, results)
    said |= pairs_named_before(questions, runs, images, expected_pairs)
    for line in reason_lines(said):
        warnings.warn(line, stacklevel=2)
    if questions.split and (copies := duplicates(images, fit)).flatters:
        warnings.warn(copies.line, CopiesWarning, stacklevel=2)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return results


def _answers(
    runs: Sequence[Run],
    images: Images,
    fit: Images | None,
    target: Images | None,
    questions: Questions,
    expected_pairs: Mapping[str, Mapping[str, str]],
    *,
    layout: str,
    every: bool,
    progress: bool,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """({checkpoint: {diagnostic: Result}}, a sentence for each that could not be had)."""
    from sslviz.features.stored import gather
    from sslviz.runtime.progress import progress_bar

    results: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    checkpoints = list(_checkpoints(runs, every))
    first: tuple[str, Evidence] | None = None
    steps = 1 + len(questions.of_checkpoints) + len(questions.of_pairs)
    with progress_bar("diagnosing", len(checkpoints) * steps, "steps", shown=progress) as advance:
        for name, run, checkpoint in checkpoints:
            advance(0, note=f"{name}: embedding")
            evidence = gather(
                run,
                checkpoint,
                images,
                fit,
                requested=requirements(questions.entries),
                attributes=bool(questions.attributes),
                expected_pairs=expected_pairs,
                target=target,
            )
            advance(1)
            found = results[name] = {}
            for entry, columns, key, other in _in_turn(questions, first):
                advance(0, note=f"{name}: {key}")
                try:
                    found[str(key)] = stored_result(run, entry, evidence, columns, other=other, layout=layout)
                except ValueError as error:  # one diagnostic that cannot be had must not cost the others
                    problems.append(f"{name}: no {key}: {error}")
                advance(1)
            first = first or (name, evidence)
            if found:
                record_diagnosis(run, images, fit, expected_pairs, target)
        advance(len(questions.of_pairs) if checkpoints else 0)  # the first is compared with nothing
    return results, problems


def _in_turn(
    questions: Questions, first: tuple[str, Evidence] | None
) -> Iterator[tuple[Entry, Columns, ResultKey, Evidence | None]]:
    """(entry, columns, key of the result, evidence of the other checkpoint) of all that one checkpoint is asked."""
    for entry, columns in questions.of_checkpoints:
        yield entry, columns, ResultKey(entry.name, columns), None
    if first is not None:
        for entry in questions.of_pairs:
            yield entry, (), ResultKey(entry.name, (first[0],)), first[1]


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
