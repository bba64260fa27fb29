"""Results that were stored when their fields had other names are still read."""

import dataclasses

import pytest

from sslviz.catalog import CATALOG, diagnostics
from sslviz.evaluation.answers import compute_entry
from sslviz.runs import load_result, save_result
from sslviz.runs.results import FORMER_FIELDS

COLUMNS = {"label": ("label",), "attribute": ("coin",), "columns": ("label", "coin")}
ENTRIES = {e.result_type.__name__: e for e in diagnostics() if e.result_type.__name__ in FORMER_FIELDS}


def with_former_names(result):
    """The same result as a dataclass of the same name whose fields have their former names."""
    former = {new: old for old, new in FORMER_FIELDS[type(result).__name__].items()}
    names = [f.name for f in dataclasses.fields(result)]
    kind = dataclasses.make_dataclass(type(result).__name__, [former.get(name, name) for name in names])
    return kind(*(getattr(result, name) for name in names))


def test_only_results_are_named():
    assert set(FORMER_FIELDS) <= {entry.result_type.__name__ for entry in CATALOG}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_result_with_former_names_comes_back_as_it_was(name, planted_evidence, tmp_path):
    entry = ENTRIES[name]
    result = compute_entry(entry, planted_evidence(), COLUMNS.get(entry.scope, ()))
    save_result(tmp_path / "r.npz", with_former_names(result))
    back = load_result(tmp_path / "r.npz", entry.result_type)
    assert back.scores() == result.scores()
