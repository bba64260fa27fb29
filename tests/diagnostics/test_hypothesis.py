"""Hypotheses: which results test one, and that its numbers are the result's own."""

import pytest

from sslviz.catalog import diagnostics
from sslviz.diagnostics import hypothesis
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import compute_entry
from sslviz.reports.audit.findings import hypothesis_tests

COLUMNS = {"label": ("label",), "attribute": ("coin",), "columns": ("label", "coin")}


@pytest.mark.parametrize("entry", [entry for entry in diagnostics() if entry.gravity], ids=lambda entry: entry.name)
def test_a_claim_is_a_sentence_about_a_score_of_the_result(entry, planted_evidence):
    result = compute_entry(entry, planted_evidence(), COLUMNS[entry.scope])
    assert isinstance(result, hypothesis.Testable)
    tested = result.hypothesis()
    assert tested.statement.endswith(".") and tested.score in result.scores() and 0 <= tested.p <= 1
    assert tested.n > 0 and (tested.detectable is None or tested.detectable > 0)
    assert set(map(str, tested.examples)) <= set(map(str, getattr(result, "ids", ())))


def test_of_the_other_results_of_the_catalog_an_audit_takes_no_claim(planted_evidence):
    """They say what they would have found, as slices or invariance do; entries without gravity are no findings."""
    evidence = planted_evidence()
    others = [entry for entry in diagnostics() if entry.scope != "pair" and not entry.gravity and not entry.on_demand]
    keys = {str(ResultKey(entry.name, COLUMNS.get(entry.scope, ()))): entry for entry in others}
    results = {key: compute_entry(entry, evidence, COLUMNS.get(entry.scope, ())) for key, entry in keys.items()}
    claiming = {
        ResultKey.parse(key).name
        for key, result in results.items()
        if isinstance(result, hypothesis.Testable) and result.hypothesis() is not None
    }
    assert claiming == {"slices", "selectivity", "description_length", "invariance"}
    assert hypothesis_tests("one", results) == []
    assert knn_probe(evidence.features).hypothesis() is None  # the neighbours' vote is a Probe, and claims nothing
