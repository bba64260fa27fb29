"""What is to be said of these checkpoints?  Computes all that the catalog holds, beside its controls, and stores it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sslviz.catalog import CATALOG, Entry, Of, entry
from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.columns import partners_of, probe_labels
from sslviz.features.evidence import Evidence, gather, note
from sslviz.runs import Checkpoint, Run

PAIRS = "expected_pairs"  # the option of a diagnostic that depends on what is asked, not on the evidence alone
CONTROLS = "control_features"  # the option that holds the controls of the evidence
MISSING = {
    "views": "Its views were not embedded; diagnose it again, with all diagnostics or with this one.",
    "corrupted": "No corrupted pictures were embedded; diagnose it again, naming drift.",
    "altered": "Its altered pictures were not embedded; diagnose it again, with all diagnostics or with this one.",
    "changed": "One factor alone can only be changed in images that a world here drew, diagnosed with an attribute named.",
}


def scored_and_fit(images: Images) -> tuple[Images, Images | None]:
    """Which images are scored, and which are probes fitted on?  By the table's `split` column, if there is one.

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
    every: bool = False,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What is to be said of these runs' checkpoints on these images?

    Returns {run: {diagnostic: Result}} of their last checkpoints; with `every`, of all of them, first step first, those
    before the last as "run @ step".  Probes are asked for `label`, or else for every column that can be probed; they
    are fitted on `fit`, or else on a stratified half of `images`.  What an encoder does with an `attribute` (or several)
    is only asked where one is named; `partners` {attribute: {class: value}} name the values that the classes of the
    label may have been met with elsewhere, else the images fitted on tell.  A diagnostic of another column than the
    table's `label` is called "linear_probe:column", one of a label and an attribute "reliance:label~attribute"; one of a
    pair is called "similarity:run", by the first run, which each other is compared with.  Features, thumbnails and
    results are stored in the run folders, and read from there the next time.  ValueError for an unknown diagnostic or
    column, for a diagnostic of an attribute without one, and for partners of an attribute that is not asked about."""
    from sslviz.runtime.progress import progress_bar

    runs = [runs] if isinstance(runs, Run) else list(runs)
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f"Runs are told apart by name, but two are called the same: {', '.join(r.name for r in runs)}."
        )
    entries = [entry(name) for name in only] if only else [one for one in CATALOG if not one.by_name]
    labels = probe_labels(images.table) if label is None else [label]
    attributes = [attribute] if isinstance(attribute, str) else list(attribute)
    _check_columns(images, entries if only else [], label, attributes)
    named = _named_partners(images, label, attributes, partners or {})
    asked = [(e, of) for e in entries for of in _asked_of(e, labels, attributes)]
    pairs = [e for e in entries if e.per == "pair"]
    results: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    who = list(_checkpoints(runs, every))
    first: tuple[str, Evidence] | None = None
    with progress_bar("diagnosing", len(who) * (1 + len(asked) + len(pairs)), "steps", shown=progress) as advance:
        for name, run, checkpoint in who:
            advance(0, note=f"{name}: embedding")
            evidence = gather(
                run, checkpoint, images, fit, wanted=wanted(entries), attributes=bool(attributes), partners=named
            )
            advance(1)
            results[name] = {}
            steps: list[tuple[Entry, Of, str, Evidence | None]]
            steps = [(e, of, called(e, of), None) for e, of in asked]
            steps += [(e, None, called(e, first[0]), first[1]) for e in pairs if first]
            for one, of, title, other in steps:
                advance(0, note=f"{name}: {title}")
                try:
                    results[name][title] = compute(run, one, evidence, of, other=other)
                except ValueError as error:  # one diagnostic that cannot be had must not cost the others
                    problems.append(f"{name}: no {title}: {error}")
                advance(1)
            first = first or (name, evidence)
            if results[name]:
                note(run, images, fit, named)
        advance(0 if len(who) == 0 else len(pairs))  # the first is compared with nothing
    if problems and not any(results.values()):
        raise ValueError(problems[0])
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return results


def wanted(entries: Iterable[Entry]) -> set[str]:
    """What is looked at to answer these: names of the fields of `Evidence`, and "layers" for the page on which they stand."""
    entries = list(entries)
    fields = {"views" if name in ("view", "other_view") else name for e in entries for name in (*e.inputs, *e.options)}
    return fields | ({"layers"} if any(e.page == "similarity" for e in entries) else set())


def _checkpoints(runs: Sequence[Run], every: bool) -> Iterator[tuple[str, Run, Checkpoint]]:
    for run in runs:
        for checkpoint in run.checkpoints[:-1] if every else ():
            yield f"{run.name} @ {checkpoint.step}", run, checkpoint
        yield run.name, run, run.last


def _check_columns(images: Images, named: Sequence[Entry], label: str | None, attributes: Sequence[str]) -> None:
    """ValueError where a column is not there, where label and attribute are one, or where an attribute is wanting."""
    for column in [*([] if label is None else [label]), *attributes]:
        if column not in images.table:
            have = ", ".join(map(str, images.table.columns)) or "none"
            raise ValueError(f"The table has no column {column!r}; its columns are: {have}.")
    if label in attributes:
        raise ValueError(f"{label!r} is named as label and as attribute; what it does to itself is no question.")
    for one in named:
        if one.per in ("attribute", "columns") and not attributes:
            raise ValueError(f"{one.name} asks about an attribute; name a column, e.g. attribute='color'.")


def _named_partners(
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


def _asked_of(one: Entry, labels: Sequence[str], attributes: Sequence[str]) -> list[Of]:
    """The columns a diagnostic is asked of, [None] for one that is asked of none; pairs of checkpoints are not here."""
    columns: list[Of] = [(label, attribute) for label in labels for attribute in attributes if label != attribute]
    of: dict[str, list[Of]] = {"checkpoint": [None], "label": [*labels], "attribute": [*attributes], "columns": columns}
    return of.get(one.per, [])


def called(one: Entry, of: Of) -> str:
    """How a diagnostic of a column, of a label and an attribute, or of a pair with another run is called in results."""
    of = "~".join(of) if isinstance(of, tuple) else of
    return one.name if of in (None, "label") else f"{one.name}:{of}"


def compute(run: Run, one: Entry, evidence: Evidence, of: Of = None, *, other: Evidence | None = None) -> Any:
    """One diagnostic of one checkpoint (beside another): read from the run folder, or computed and stored there."""
    key = result_key(one, evidence, of, other=other)
    return run.result(key, one.kind, lambda: ask(one, evidence, of, other=other))


def is_stored(run: Run, one: Entry, evidence: Evidence, of: Of = None) -> bool:
    """Whether `compute` would only read."""
    return run.result_path(result_key(one, evidence, of)).exists()


def result_key(one: Entry, evidence: Evidence, of: Of, *, other: Evidence | None = None) -> dict[str, Any]:
    """What a stored result depends on."""
    given = [
        name for name in (*one.inputs, *one.options) if name not in (PAIRS, CONTROLS) and not name.endswith("_controls")
    ]
    digests = {name: getattr(getattr(evidence, name), "digest", None) for name in given}
    pairs = _expected_pairs(one, evidence, of)
    named = {"partner": dict(sorted(pairs.items()))} if pairs else {}
    against = {"with": other.features.digest} if other is not None else {}
    # The controls of a default diagnostic are always the same ones; further ones may have been embedded since.
    beside = {"beside": sorted(evidence.more)} if CONTROLS in one.options and not one.by_default else {}
    return {"diagnostic": one.name, "label": of} | digests | against | beside | named


def _expected_pairs(one: Entry, evidence: Evidence, of: Of) -> Mapping[str, str] | None:
    """The values that were named for a label's classes to go with, where the diagnostic asks for them."""
    return evidence.partners.get("~".join(of)) if PAIRS in one.options and isinstance(of, tuple) else None


def ask(one: Entry, evidence: Evidence, of: Of = None, *, other: Evidence | None = None) -> Any:
    """Puts the question of one entry of the catalog; nothing is read or stored.

    A pair is asked as compute(other, this): what became of the other one.
    """
    if one.per == "pair":
        assert other is not None
        return one.compute(other.features, evidence.features)
    inputs = [getattr(evidence, name) for name in one.inputs]
    if any(given is None for given in inputs):
        raise ValueError(MISSING[next((name for name in MISSING if name in one.inputs), "views")])
    if one.most and len(inputs[0]) > one.most:
        inputs = [given.rows(sample_rows(len(given), one.most)) for given in inputs]
    columns = of if isinstance(of, tuple) else () if of is None else (of,)
    options = {name: getattr(evidence, name) for name in one.options if name not in (PAIRS, CONTROLS)}
    if PAIRS in one.options:
        options[PAIRS] = _expected_pairs(one, evidence, of)
    if CONTROLS in one.options:
        options[CONTROLS] = evidence.controls if one.by_default else evidence.all_controls
    return one.compute(*inputs, *columns, **options)
