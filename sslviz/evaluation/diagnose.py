"""The catalog put to checkpoints: what is asked of which, computed beside its controls, and kept in the run folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslviz.catalog import Entry, diagnostics, find_entry
from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.diagnostics.result import CheckpointKey, ResultKey
from sslviz.features.columns import partners_of, probe_labels
from sslviz.features.evidence import Evidence, find_stimulus, record_diagnosis
from sslviz.runs import Checkpoint, Run

Columns = tuple[str, ...]  # of the table: none, a label or an attribute, or a label and an attribute
EXPECTED_PAIRS = "expected_pairs"  # the option of a diagnostic that depends on the columns it is asked of
LAYOUT = "method"  # the option of a diagnostic that lays out a map, by one of `projection`'s methods
DEFAULT_LAYOUT = "umap"
SETTINGS = (EXPECTED_PAIRS, LAYOUT)  # options that are no evidence


def scored_and_fit(images: Images) -> tuple[Images, Images | None]:
    """The images that are scored and those that probes are fitted on, by the table's `split` column, if there is one.

    test (or validation) images are scored; probes are fitted on probe (or train) images.  Without such a column all are
    scored, and a probe is fitted on one half to be scored on the other.
    """
    splits = set(images.table["split"]) if "split" in images.table else set()
    score = next((s for s in ("test", "val", "validation") if s in splits), None)
    fit = next((s for s in ("probe", "train") if s in splits), None)
    if score is None:
        return images, None
    return images.split(score), images.split(fit) if fit else None


def diagnose(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    only: Sequence[str] | None = None,
    label: str | None = None,
    attribute: str | Sequence[str] = (),
    partners: Mapping[str, Mapping[str, str]] | None = None,
    layout: str = DEFAULT_LAYOUT,
    every: bool = False,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What is to be said of these runs' checkpoints on these images?

    Returns {checkpoint: {diagnostic: Result}}: of the last checkpoint of each run, called like the run; with `every`, of
    all of them, first step first, those before the last called "run @ step".

    - only: names of diagnostics; by default all that take no package of their own
    - label: what probes are asked for; by default every column that can be probed
    - fit: images that probes are fitted on; by default a stratified half of `images`
    - attribute: one column or several; what an encoder does with an attribute is only asked where one is named
    - partners: {attribute: {class: value}}, the values that the classes of the label were met with elsewhere; by default
      the images fitted on tell
    - layout: by which of its methods `projection` lays out the maps

    A diagnostic of another column than the table's `label` is called "linear_probe:column", one of a label and an
    attribute "reliance:label~attribute".  One of a pair is called "similarity:run", by the first run, which each other is
    compared with.  Features, thumbnails and results are stored in the run folders, and read from there the next time.

    ValueError for an unknown diagnostic or column, for a diagnostic of an attribute without one, and for partners of an
    attribute that is not asked about.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    check_run_names(runs)
    entries = _entries(only)
    labels = probe_labels(images.table) if label is None else [label]
    attributes = [attribute] if isinstance(attribute, str) else list(attribute)
    check_columns(images, entries if only else [], label, attributes)
    expected_pairs = _named_pairs(images, label, attributes, partners or {})
    pairs = [(one, other) for one in labels for other in attributes if one != other]
    questions = Questions(entries, labels, attributes, pairs)
    results, problems = _answers(
        runs, images, fit, questions, expected_pairs, layout=layout, every=every, progress=progress
    )
    if problems and not any(results.values()):
        raise ValueError(problems[0])
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return results


@dataclass(frozen=True)
class Questions:
    """What is asked of every checkpoint.

    - entries: of the catalog
    - labels: columns that a readout is asked for
    - attributes: columns that should not matter
    - pairs: (label, attribute) that are asked about together
    """

    entries: Sequence[Entry]
    labels: Sequence[str]
    attributes: Sequence[str]
    pairs: Sequence[tuple[str, str]]

    @property
    def of_checkpoints(self) -> list[tuple[Entry, Columns]]:
        """(entry, columns) of all that are asked of one checkpoint."""
        return [(entry, columns) for entry in self.entries for columns in self._columns(entry)]

    @property
    def of_pairs(self) -> list[Entry]:
        """The entries that compare two checkpoints."""
        return [entry for entry in self.entries if entry.scope == "pair"]

    def _columns(self, entry: Entry) -> list[Columns]:
        columns: dict[str, list[Columns]] = {
            "checkpoint": [()],
            "label": [(label,) for label in self.labels],
            "attribute": [(attribute,) for attribute in self.attributes],
            "columns": [*self.pairs],
        }
        return columns.get(entry.scope, [])


def _answers(
    runs: Sequence[Run], images: Images, fit: Images | None, questions: Questions,
    expected_pairs: Mapping[str, Mapping[str, str]], *, layout: str, every: bool, progress: bool,
) -> tuple[dict[str, dict[str, Any]], list[str]]:  # fmt: skip
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
                run, checkpoint, images, fit, requested=requirements(questions.entries),
                attributes=bool(questions.attributes), expected_pairs=expected_pairs,
            )  # fmt: skip
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
                record_diagnosis(run, images, fit, expected_pairs)
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


def check_run_names(runs: Sequence[Run]) -> None:
    """ValueError where two runs are called the same: they are told apart by name."""
    if len({run.name for run in runs}) < len(runs):
        names = ", ".join(run.name for run in runs)
        raise ValueError(f"Runs are told apart by name, but two are called the same: {names}.")


def _entries(only: Sequence[str] | None) -> list[Entry]:
    """The diagnostics of these names, or all that take no package of their own."""
    if not only:
        return [entry for entry in diagnostics() if not entry.opt_in]
    entries = [find_entry(name) for name in only]
    for entry in entries:
        if entry.scope == "pictures":
            raise ValueError(f"{entry.name} asks about pictures that somebody chose: see `sslviz explain --help`.")
    return entries


def requirements(entries: Iterable[Entry]) -> set[str]:
    """The stimuli that are looked at to answer these, and those that their pages show beside them."""
    return {
        find_stimulus(name).name
        for entry in entries
        for name in (*entry.inputs, *entry.options, *entry.page_stimuli)
        if name not in SETTINGS
    }


def _checkpoints(runs: Sequence[Run], every: bool) -> Iterator[tuple[str, Run, Checkpoint]]:
    for run in runs:
        for checkpoint in run.checkpoints[:-1] if every else ():
            yield str(CheckpointKey(run.name, checkpoint.step)), run, checkpoint
        yield run.name, run, run.last


def check_columns(images: Images, named: Sequence[Entry], label: str | None, attributes: Sequence[str]) -> None:
    """ValueError where a column is not there, where label and attribute are one, or where an attribute is wanting."""
    for column in [*([] if label is None else [label]), *attributes]:
        if column not in images.table:
            have = ", ".join(map(str, images.table.columns)) or "none"
            raise ValueError(f"The table has no column {column!r}; its columns are: {have}.")
    if label in attributes:
        raise ValueError(f"{label!r} is named as label and as attribute; what it does to itself is no question.")
    for entry in named:
        if entry.scope in ("attribute", "columns") and not attributes:
            raise ValueError(f"{entry.name} asks about an attribute; name a column, e.g. attribute='color'.")


def _named_pairs(
    images: Images, label: str | None, attributes: Sequence[str], partners: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """{"label~attribute": {class: value}}; ValueError where they are not of a label and attribute that are asked about."""
    for attribute, given in partners.items():
        if label is None or attribute not in attributes:
            raise ValueError(
                f"Partners of {attribute!r} need it named as attribute, and the label they are partners of."
            )
        partners_of(images.table, label, attribute, given)
    return {f"{label}~{attribute}": given for attribute, given in partners.items()}


def stored_result(
    run: Run,
    entry: Entry,
    evidence: Evidence,
    columns: Columns = (),
    *,
    other: Evidence | None = None,
    layout: str = DEFAULT_LAYOUT,
) -> Any:
    """One diagnostic of one checkpoint (beside another): read from the run folder, or computed and stored there."""
    key = storage_key(entry, evidence, columns, other=other, layout=layout)

    def compute() -> Any:
        return compute_entry(entry, evidence, columns, other=other, layout=layout)

    return run.result(key, entry.result_type, compute)


def is_stored(
    run: Run, entry: Entry, evidence: Evidence, columns: Columns = (), *, layout: str = DEFAULT_LAYOUT
) -> bool:
    """Whether `stored_result` would only read."""
    return run.result_path(storage_key(entry, evidence, columns, layout=layout)).exists()


def storage_key(
    entry: Entry,
    evidence: Evidence,
    columns: Columns = (),
    *,
    other: Evidence | None = None,
    layout: str = DEFAULT_LAYOUT,
) -> dict[str, Any]:
    """What a stored result depends on, as it is written since the first version: names in here must not change."""
    if LAYOUT in entry.options and layout != DEFAULT_LAYOUT:
        return {"diagnostic": entry.name, "method": layout, "features": evidence.features.digest}
    looked_at = [name for name in (*entry.inputs, *entry.options) if name not in SETTINGS and "control" not in name]
    digests = {name: getattr(evidence.given(name), "digest", None) for name in looked_at}
    pairs = _expected_pairs(entry, evidence, columns)
    named = {"partner": dict(sorted(pairs.items()))} if pairs else {}
    against = {"with": other.features.digest} if other is not None else {}
    # The controls of a default diagnostic are always the same ones; further ones may have been embedded since.
    beside = {"beside": sorted(evidence.further)} if _has_further_controls(entry) else {}
    label = None if not columns else columns[0] if len(columns) == 1 else list(columns)
    return {"diagnostic": entry.name, "label": label} | digests | against | beside | named


def _has_further_controls(entry: Entry) -> bool:
    """Whether colours alone and more untrained encoders stand beside it too."""
    return "control_features" in entry.options and not entry.by_default


def _expected_pairs(entry: Entry, evidence: Evidence, columns: Columns) -> Mapping[str, str] | None:
    """The values that were named for a label's classes to go with, where the diagnostic asks for them."""
    return evidence.expected_pairs.get("~".join(columns)) if EXPECTED_PAIRS in entry.options else None


def compute_entry(
    entry: Entry,
    evidence: Evidence,
    columns: Columns = (),
    *,
    other: Evidence | None = None,
    layout: str = DEFAULT_LAYOUT,
) -> Any:
    """The answer to one entry of the catalog; nothing is read or stored.

    A pair is computed as compute(other, this): what became of the other one.
    """
    if entry.scope == "pair":
        assert other is not None
        return entry.compute(other.features, evidence.features)
    inputs = [evidence.given(name) for name in entry.inputs]
    for name, features in zip(entry.inputs, inputs, strict=True):
        if features is None:
            raise ValueError(find_stimulus(name).missing)
    if entry.max_images and len(inputs[0]) > entry.max_images:
        inputs = [features.rows(sample_rows(len(features), entry.max_images)) for features in inputs]
    further = _has_further_controls(entry)
    options = {name: evidence.given(name, further=further) for name in entry.options if name not in SETTINGS}
    if LAYOUT in entry.options:
        options[LAYOUT] = layout
    if EXPECTED_PAIRS in entry.options:
        options[EXPECTED_PAIRS] = _expected_pairs(entry, evidence, columns)
    return entry.compute(*inputs, *columns, **options)
