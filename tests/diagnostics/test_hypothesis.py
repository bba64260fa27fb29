"""Hypotheses: which results test one, and that its numbers are the result's own."""

import pytest

from sslviz.catalog import CATALOG
from sslviz.diagnostics import hypothesis
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.evaluation.diagnose import ask
from sslviz.reports.audit.findings import GRAVITY

ASKED = {"label": "label", "attribute": "coin", "columns": ("label", "coin")}


@pytest.mark.parametrize("one", [one for one in CATALOG if one.name in GRAVITY], ids=lambda one: one.name)
def test_a_claim_is_a_sentence_about_a_score_of_the_result(one, planted_evidence):
    result = ask(one, planted_evidence(), ASKED[one.per])
    assert isinstance(result, hypothesis.Testable)
    tested = result.hypothesis()
    assert tested.statement.endswith(".") and tested.score in result.scores() and 0 <= tested.p <= 1
    assert tested.n > 0 and (tested.detectable is None or tested.detectable > 0)
    assert set(map(str, tested.examples)) <= set(map(str, getattr(result, "ids", ())))


def test_no_other_result_of_the_catalog_claims_anything(planted_evidence):
    evidence = planted_evidence()
    others = {one.kind: one for one in CATALOG if one.per != "pair" and one.name not in (*GRAVITY, "projection")}
    results = [ask(one, evidence, ASKED.get(one.per)) for one in others.values()]
    claims = [result.hypothesis() for result in results if isinstance(result, hypothesis.Testable)]
    assert claims == [None]  # the neighbours' vote is a Probe, and claims nothing
    assert knn_probe(evidence.features).hypothesis() is None
