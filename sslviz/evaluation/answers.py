"""Answers to single entries of the catalog: computed, or read from the run folder, where they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sslviz.catalog import Entry
from sslviz.data.sampling import sample_rows
from sslviz.features.class_names import class_texts
from sslviz.features.complete_rows import CompleteRows, complete_rows
from sslviz.features.evidence import Evidence, find_stimulus
from sslviz.runs import Run

Columns = tuple[str, ...]  # of the table: none, a label or an attribute, or a label and an attribute


EXPECTED_PAIRS = "expected_pairs"  # the option of a diagnostic that depends on the columns it is asked of


LAYOUT = "method"  # the option of a diagnostic that lays out a map, by one of `projection`'s methods


DEFAULT_LAYOUT = "umap"


GROUP = "group"  # the option of a diagnostic that keeps images together, as its features say which


SETTINGS = (EXPECTED_PAIRS, LAYOUT, GROUP)  # options that are no evidence


def requirements(entries: Iterable[Entry]) -> set[str]:
    """The stimuli that are looked at to answer these, and those that their pages show beside them."""
    return {
        find_stimulus(name).name
        for entry in entries
        if entry.scope != "images"  # these look at pictures themselves
        for name in (*entry.inputs, *entry.options, *entry.page_stimuli)
        if name not in SETTINGS
    }


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
    together = {GROUP: evidence.group} if evidence.group and GROUP in entry.options else {}
    against = {"with": other.features.digest} if other is not None else {}
    # The controls of a default diagnostic are always the same ones; further ones may have been embedded since.
    beside = {"beside": sorted(evidence.further)} if _has_further_controls(entry) else {}
    label = None if not columns else columns[0] if len(columns) == 1 else list(columns)
    return {"diagnostic": entry.name, "label": label} | digests | against | beside | named | together


def _has_further_controls(entry: Entry) -> bool:
    """Whether colours alone and more untrained encoders stand beside it too."""
    return "control_features" in entry.options and not entry.by_default and not entry.needs_target


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
    for name in entry.inputs:
        if evidence.given(name) is None:
            raise ValueError(find_stimulus(name).missing)
    if GROUP not in entry.options:
        evidence = evidence.grouped_by("")
    if columns and "features" in entry.inputs:
        evidence = _of_complete_rows(entry, evidence, columns)
    inputs = [evidence.given(name) for name in entry.inputs]
    if entry.max_images and len(inputs[0]) > entry.max_images:
        inputs = [features.rows(sample_rows(len(features), entry.max_images)) for features in inputs]
    further = _has_further_controls(entry)
    options = {name: evidence.given(name, further=further) for name in entry.options if name not in SETTINGS}
    if LAYOUT in entry.options:
        options[LAYOUT] = layout
    if EXPECTED_PAIRS in entry.options:
        options[EXPECTED_PAIRS] = _pairs_of_classes(_expected_pairs(entry, evidence, columns), evidence, columns)
    return entry.compute(*inputs, *columns, **options)


def rows_asked(
    entry: Entry, table: pd.DataFrame, fit: pd.DataFrame | None, columns: Columns, group: str = ""
) -> CompleteRows:
    """Of which images an entry is asked, and how many are left out: those without a value and those of tiny classes.

    Where images belong together by `group`, also those to be fitted on that belong to scored ones.
    """
    of_fit = fit if "fit" in entry.options else None
    group = group if GROUP in entry.options else ""
    return complete_rows(table, of_fit, columns, least=entry.least_per_class, varying=entry.varying, group=group)


def _of_complete_rows(entry: Entry, evidence: Evidence, columns: Columns) -> Evidence:
    """The evidence on the images that the entry can be asked of; ValueError where these are of fewer than two classes."""
    fit = evidence.fit
    of_fit = None if fit is None else fit.table
    rows = rows_asked(entry, evidence.features.table, of_fit, columns, evidence.group)
    if rows.all:
        return evidence
    for column in columns:
        if class_texts(evidence.features.table[column][rows.keep]).nunique() < 2:
            raise ValueError(f"{column} has no two classes left to tell apart: {' '.join(rows.sentences())}")
    ids = {"images": evidence.features.ids[rows.keep]}
    if fit is not None and rows.keep_fit is not None:
        ids["fit"] = fit.ids[rows.keep_fit]
    return evidence.of_images(ids)


def _pairs_of_classes(
    pairs: Mapping[str, str] | None, evidence: Evidence, columns: Columns
) -> Mapping[str, str] | None:
    """The pairs of the classes that were not left out."""
    if pairs is None:
        return None
    classes = set(class_texts(evidence.features.table[columns[0]]))
    return {name: value for name, value in pairs.items() if name in classes} or pairs
