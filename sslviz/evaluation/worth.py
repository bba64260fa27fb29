"""Questions of transfer put to checkpoints: what trains, or reads an encoder's grid, computed once and kept in the runs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sslviz.catalog import Entry, find_entry, transfers
from sslviz.data import Images
from sslviz.diagnostics.result import Partial, ResultKey
from sslviz.evaluation.answers import GROUP
from sslviz.evaluation.column_checks import check_named_columns, check_run_names
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.omissions import reason_lines
from sslviz.evaluation.transfer_plans import Plan, no_answer, plan_lines, plans_of
from sslviz.features.column_kinds import asked_columns, describe_columns
from sslviz.features.complete_rows import complete_rows, left_out_sentences
from sslviz.runs import Checkpoint, Run
from sslviz.transfer.picture_split import fitted_apart


@dataclass(frozen=True, eq=False)
class Asked:
    """What questions of transfer are asked with.

    - images: those that are scored
    - fit: labelled images to train on; None: a half of `images`
    - label: the column that is learnt; empty where there is none with classes
    - target: images of another domain, or None
    - left_out: {reason: images} without a value of the label, or of classes too small
    - precision: of encoders that are only looked through, as of `embed`; training has its own
    """

    images: Images
    fit: Images | None
    label: str
    target: Images | None
    left_out: dict[str, int]
    precision: str = "auto"

    def arguments(self, entry: Entry) -> dict[str, Any]:
        """The keywords of an entry: the same ones from Python, terminal and app, so that its result is found again."""
        known = {"label": self.label, "fit": self.fit, "target": self.target, "precision": self.precision}
        return {name: known[name] for name in entry.options if name != GROUP}

    def images_for(self, entry: Entry) -> Images:
        """The images that an entry looks at; what splits nothing is not told which belong together."""
        return self.images if GROUP in entry.options else self.images.grouped_by("")

    @property
    def sentence(self) -> str:
        """What is trained on and scored, in a sentence."""
        fitted = "a half of them" if self.fit is None else f"{len(self.fit):,} others"
        learnt = f"the column {self.label} is learnt on {fitted}" if self.label else "no column has classes to learn"
        beside = "" if self.target is None else f", beside {len(self.target):,} of another domain"
        return f"{len(self.images):,} images are scored{beside}; {learnt}."

    def obstacle(self, entry: Entry) -> str:
        """Why an entry cannot be asked, in a sentence; empty where it can."""
        if "label" in entry.options and not self.label:
            return f"{entry.name} learns a label, and these images have no column with classes."
        if "target" in entry.options and self.target is None:
            return f"{entry.name} needs images of another domain; name them with --target."
        return ""


def prepared(
    images: Images,
    fit: Images | None,
    label: str | None,
    target: Images | None = None,
    precision: str = "auto",
) -> Asked:
    """What is asked with: the first column with classes where no label is named, and the images that have a value of it.

    Where images belong together (`images.grouped_by`), those to fit on that belong with scored ones are left out.

    ValueError for a column that is not there or has no classes.
    """
    tables, group = (images.table, None if fit is None else fit.table), images.group
    if label is None:
        label = next(iter(asked_columns(describe_columns(*tables, group))), "")
    elif label:
        check_named_columns(*tables, label, (), group)
    if not label:
        fit, shared = (None, {}) if fit is None else fitted_apart(images, fit)
        return Asked(images, fit, "", target, shared, precision)
    rows = complete_rows(*tables, (label,), group=group)
    if rows.all:
        return Asked(images, fit, label, target, {}, precision)
    images = images.rows(rows.keep)
    if fit is not None and rows.keep_fit is not None:
        fit = fit.rows(rows.keep_fit)
    return Asked(images, fit, label, target, rows.left_out, precision)


def named_transfers(only: str | Sequence[str] | None) -> list[Entry]:
    """The questions of these names (one, or several), or all that are asked without being named."""
    only = [only] if isinstance(only, str) else only
    if not only:
        return [entry for entry in transfers() if not entry.opt_in]
    entries = [find_entry(name) for name in only]
    for entry in entries:
        if entry.scope != "images":
            there = ", ".join(entry.name for entry in transfers())
            command = "explain" if entry.scope == "pictures" else "diagnose"
            raise ValueError(f"{entry.name} is asked by `sslviz {command}`; `sslviz transfer` asks: {there}.")
    return entries


def worth(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    only: str | Sequence[str] | None = None,
    label: str | None = None,
    target: Images | None = None,
    group: str | None = None,
    precision: str = "auto",
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What are these encoders worth downstream, where it takes training or their grid of features to tell?

    Returns {run: {question: Result}} of each run's last checkpoint.  A question whose defaults would take more than a quarter
    of an hour here is made shorter, and a line says so.  Results are stored in the run folders as soon as they
    are there, and read from there the next time, so that an interruption loses one answer at most.

    - fit: labelled images to train on; by default a half of `images`
    - only: a question's name, or several; by default all that need not be named
    - label: the column that is learnt; by default the first one with classes
    - target: images of another domain, for the questions that take some
    - group: a column, such as author or object; by default the one that `images` have.  Images that share its value
      stay on one side of every split, and count as one in every interval
    - precision: of encoders that are only looked through, as of `embed`; "auto" takes an answer that is stored, a
      precision that is named only one in it

    ValueError for unknown names and columns, and where nothing can be asked.  Warnings name what was left out.

    Example:
        >>> import sslviz
        >>> sslviz.worth([], sslviz.shapes(n=40))
        Traceback (most recent call last):
        ValueError: Name at least one run.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    check_run_names(runs)
    images, fit = kept_together(images, fit, group or images.group)
    asked = prepared(images, fit, label, target, precision)
    entries = [entry for entry in named_transfers(only) if only or target is not None or not entry.needs_target]
    results: dict[str, dict[str, Any]] = {run.name: {} for run in runs}
    plans, problems = plans_of(runs, entries, asked)
    if progress:
        for line in plan_lines(plans):
            print(line, file=sys.stderr, flush=True)
    for run in runs:
        for entry, planned in plans[run.name].items():
            try:
                answered = answer(run, run.last, entry, asked, planned, progress=progress)
                results[run.name][key_of(entry, asked)] = answered
            except ValueError as error:  # one question that cannot be answered must not cost the others
                problems.append(no_answer(run, entry, error))
    if not any(results.values()):
        raise ValueError(problems[0])
    for line in [*reason_lines(left_out_of(asked, entries, results)), *problems]:
        warnings.warn(line, stacklevel=2)
    return results


def answer(
    run: Run, checkpoint: Checkpoint, entry: Entry, asked: Asked, planned: Plan, *, progress: bool = True
) -> Any:
    """The answer to one question as it is planned, from the run folder, or computed and kept there."""
    from sslviz.explanations.cache import cached_result

    images = asked.images_for(entry)
    return cached_result(run, entry.compute, checkpoint, images, **planned.arguments, progress=progress)


def key_of(entry: Entry, asked: Asked) -> str:
    """What an answer is called: "cost", "fine_tune:color"."""
    return str(ResultKey(entry.name, (asked.label,) if "label" in entry.options else ()))


def left_out_of(asked: Asked, entries: Sequence[Entry], results: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """{reason: the questions it holds for}: images that were left out before asking, and by an answer."""
    reasons = {sentence: [entry.name for entry in entries] for sentence in left_out_sentences(asked.left_out)}
    for key, result in _all(results):
        for sentence in left_out_sentences(result.left_out) if isinstance(result, Partial) else ():
            reasons.setdefault(sentence, []).append(key)
    return {reason: list(dict.fromkeys(keys)) for reason, keys in reasons.items()}


def precisions_of(entries: Sequence[Entry], results: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """{run: {answer: the precision of the encoder}} of those that only look through one."""
    looking = {entry.name for entry in entries if "precision" in entry.options}
    return {
        run: {key: one.precision for key, one in of_run.items() if ResultKey.parse(key).name in looking}
        for run, of_run in results.items()
    }


def _all(results: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    return (pair for of_run in results.values() for pair in of_run.items())
