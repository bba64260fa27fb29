"""Figures of robustness: rows are the results' numbers, and which augmentation spans a factor goes by the untaught."""

import numpy as np
import pytest

from sslviz.diagnostics.robustness.drift import drift as measure_drift
from sslviz.diagnostics.robustness.invariance import invariance as measure_invariance
from sslviz.figures import spanning
from sslviz.figures.parts import theme
from sslviz.figures.robustness.drift import drift
from sslviz.figures.robustness.invariance import invariance


@pytest.fixture(scope="module")
def evidence(planted_evidence):
    return planted_evidence()


@pytest.fixture(scope="module")
def result(evidence):
    return measure_invariance(
        evidence.of("altered"),
        changed=evidence.of("changed"),
        altered_controls=evidence.given("altered_controls"),
        changed_controls=evidence.given("changed_controls"),
    )


def dots(fig):
    return next(trace for trace in fig.data if trace.marker.color != theme.CONTROL)


def test_invariance_has_a_row_for_each_change_views_first(result):
    fig = invariance({"one": result})
    assert list(fig.layout.yaxis.ticktext) == [
        *(f"view: {name}" for name in result.views),
        *(f"factor: {name}" for name in result.factors),
    ]
    np.testing.assert_allclose(dots(fig).x, np.maximum([s.value for s in result.invariance().values()], -1))


def test_the_parameter_that_spans_a_factor_is_that_of_the_untaught_encoder(result):
    fig = spanning({"one": result})
    spans = result.control_values["untrained"]["spans"]
    parameters = [result.views[i] for i in spans.argmax(axis=1)]
    assert list(fig.layout.yaxis.ticktext) == [f"{f}, by {v}" for f, v in zip(result.factors, parameters, strict=True)]
    assert list(dots(fig).x) == [result.spans[i, result.views.index(v)] for i, v in enumerate(parameters)]


def test_without_factors_nothing_spans_one(evidence):
    with pytest.raises(ValueError, match="No factor was changed in these pictures"):
        spanning(measure_invariance(evidence.of("altered")))


def test_drift_reaches_from_the_best_to_the_worst_severity(evidence):
    found = measure_drift(evidence.features, evidence.of("corrupted"))
    marks = dots(drift({"one": found}))
    np.testing.assert_allclose(marks.x, found.accuracy.mean(axis=1))
    np.testing.assert_allclose(np.add(marks.x, marks.error_x.array), found.accuracy.max(axis=1))
    np.testing.assert_allclose(np.subtract(marks.x, marks.error_x.arrayminus), found.accuracy.min(axis=1))
