"""The verdict's figure: does a dot lie in the red exactly where the verdict says so?"""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.collapse import collapse as diagnose
from sslviz.features import Features
from sslviz.figures.geometry.collapse import collapse
from sslviz.figures.parts import theme

N, D = 300, 48


def space(kind, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, D))
    if kind == "complete":
        x = rng.standard_normal(D) + 1e-4 * x
    if kind == "dimensional":
        x = 1e-2 * x + x[:, :1] * rng.standard_normal(D) + rng.standard_normal(D)
    if kind == "cluster":
        x = rng.standard_normal((8, D))[rng.integers(0, 8, N)] + 0.02 * x
    return Features.from_array(x)


RESULTS = {kind: diagnose(space(kind)) for kind in ("healthy", "complete", "dimensional", "cluster")}
BOTH = diagnose(space("healthy"), space("cluster"))


def in_red(fig, name):
    """The titles of the columns in whose red this mark lies."""
    red = {s.xref: (s.x0, s.x1) for s in fig.layout.shapes if s.fillcolor.endswith("0.16)")}
    title = {a.xref: a.text for a in fig.layout.annotations}
    marks = [t for t in fig.data if t.name == name]
    assert len(marks) == 3
    return {title[t.xaxis] for t in marks if red[t.xaxis][0] <= t.x[0] <= red[t.xaxis][1]}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_dot_lies_in_the_red_of_its_own_kind(kind):
    fig = collapse(RESULTS)
    assert RESULTS[kind].verdict.split()[0] == kind
    hits = in_red(fig, f"{kind} encoder")
    assert kind in hits if kind != "healthy" else not hits
    assert hits <= {kind, "dimensional"}  # few heaps, and one point, have few directions too


def test_the_projector_is_a_diamond_beside_the_encoders_dot():
    fig = collapse({"run": BOTH})
    assert not in_red(fig, "run encoder") and "cluster" in in_red(fig, "run projector")
    marks = {t.name: t for t in fig.data}
    assert marks["run projector"].marker.symbol == "diamond-open" and marks["run encoder"].marker.symbol == "circle"
    assert marks["run projector"].y[0] > marks["run encoder"].y[0]
    assert "projector-only collapse" in fig.layout.yaxis.ticktext[0] and "diamond" in fig.layout.meta["caption"]
    assert "diamond" not in collapse(RESULTS).layout.meta["caption"]


def test_marks_are_the_scores_and_noise_is_grey():
    fig = collapse(RESULTS)
    for kind, result in RESULTS.items():
        spread, directions, gap = (t for t in fig.data if t.name == f"{kind} encoder")
        scores = result.scores()
        assert spread.x[0] == pytest.approx(max(scores["spread"].value, 3e-4))
        share = scores["directions"].value / scores["directions"].control
        assert directions.x[0] == pytest.approx(share)
        assert gap.x[0] + gap.error_x.array[0] == pytest.approx(scores["cluster_gap"].high)
    controls = [t for t in fig.data if t.name == "noise (control)"]
    assert len(controls) == 3 and {t.marker.color for t in controls} == {theme.CONTROL}
    assert list(controls[1].x) == [1] * 4 and sum(bool(t.showlegend) for t in fig.data) == 1


def test_it_says_the_verdicts_and_the_number_of_images():
    fig = collapse(RESULTS)
    assert all(
        result.verdict in label for result, label in zip(RESULTS.values(), fig.layout.yaxis.ticktext, strict=True)
    )
    assert fig.layout.meta["caption"].endswith("Measured on 300 images.")
    assert all(reason in fig.layout.meta["alt"] for reason in RESULTS["cluster"].reasons)


def test_too_few_images_for_heaps_leave_that_column_empty():
    few = diagnose(Features.from_array(np.random.default_rng(0).standard_normal((8, 4))))
    fig = collapse(few)
    assert len([t for t in fig.data if t.name == " encoder"]) == 2
    assert "NaN" not in fig.to_json()
