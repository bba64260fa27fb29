"""Probes: do the marks stand where the scores say?"""

import numpy as np
import pytest

from sslviz.diagnostics.probes.probe import Probe
from sslviz.figures import confusion, probe
from sslviz.figures.parts import theme


def result(right=0.8, label="shape", classes=("disc", "square", "triangle"), n=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % len(classes)

    def guess(share):
        return np.where(rng.random(n) < share, truth, (truth + 1) % len(classes))

    controls = {"untrained": guess(0.5) == truth, "pixels": guess(0.4) == truth}
    ids = np.arange(n).astype(str)
    return Probe("linear", label, np.array(classes), truth, guess(right), ids, n, {"C": 0.1}, controls, seed)


def test_marks_are_the_scores():
    one = result()
    score = one.scores()["accuracy"]
    fig = probe({"one": one})
    dot = next(t for t in fig.data if t.error_x.color)
    ends = dot.x[0] - dot.error_x.arrayminus[0], dot.x[0] + dot.error_x.array[0]
    assert (dot.x[0], *ends) == pytest.approx((score.value, score.low, score.high))
    assert {t.name: t.x[0] for t in fig.data if t.name in score.controls} == pytest.approx(dict(score.controls))
    assert list(fig.layout.yaxis2.ticktext) == [str(score)]


def test_each_control_has_a_grey_mark_of_its_own():
    fig = probe({f"run {i}": result(seed=i) for i in range(10)})
    marks = {t.name: t.marker for t in fig.data if t.name in ("chance", "untrained", "pixels")}
    assert len({m.symbol for m in marks.values()}) == 3
    assert {m.color for m in marks.values()} == {theme.CONTROL}
    assert all(len(t.x) == 10 for t in fig.data if t.name in marks)


def test_an_unknown_control_is_a_tick():
    one = result()
    one.control_correct["shuffled labels"] = one.control_correct["pixels"]
    fig = probe(one)
    assert {"chance", "untrained", "pixels", "control"} <= {t.name for t in fig.data}


def test_probes_of_two_labels_are_grouped():
    fig = probe({"a": result(), "b": result(label="color")})
    assert ["<b>shape accuracy ↑</b>", "<b>color accuracy ↑</b>"] == [
        t for t in fig.layout.yaxis.ticktext if t.startswith("<b>")
    ]


def test_colours_stay_when_a_checkpoint_goes():
    palette = theme.colors(["a", "b"])
    assert next(t for t in probe({"b": result()}, colors=palette).data if t.error_x.color).marker.color == palette["b"]


def test_confusion_cells_are_shares_of_the_true_class():
    one = result()
    fig = confusion(one)
    cells = fig.data[0]
    assert np.array_equal(cells.customdata, one.confusion)
    assert np.allclose(np.sum(cells.z, axis=1), 1)
    assert list(cells.y) == list(one.classes)
    by_class = [(one.predicted[one.truth == c] == c).mean() for c in range(3)]
    recall = next(t for t in fig.data if t.name == "read rightly")
    assert np.allclose(recall.x, by_class)
    chance = next(t for t in fig.data if t.name == "chance (control)")
    assert chance.line.color == theme.CONTROL and set(chance.x) == {1 / 3}


def test_confusion_writes_numbers_only_where_they_fit():
    assert confusion(result()).data[0].texttemplate
    many = confusion(result(classes=tuple(f"class {i}" for i in range(40)), n=400))
    assert many.data[0].texttemplate is None and many.layout.height > confusion(result()).layout.height


def test_names_below_the_columns_never_lean_towards_the_next_panel():
    angles = confusion(result()).layout.xaxis.autotickangles
    assert angles[0] == 0 and all(angle < 0 for angle in angles[1:])
