"""The training scrubber: do all figures show exactly what the library's functions give for the step of the slider?"""

import shutil

import numpy as np
import pytest

import sslviz
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.projection.projection import aligned_projections
from sslviz.features import Features
from sslviz.figures import theme
from sslviz.runs import Run

CONFIG = {"name": "conv_nano", "image_size": 32}
N, D = 90, 6
LABEL = np.array(["disc", "square", "cross"])[np.arange(N) % 3]


def step_features(shift, seed=0):
    x = np.random.default_rng(seed).normal(size=(N, D)) + shift * np.eye(3, D)[np.arange(N) % 3]
    return Features.from_array(x, table={"label": LABEL}, name="mine")


STEPS = {0: step_features(0), 20: step_features(2), 50: step_features(6)}
OTHER = {0: step_features(0, 1), 30: step_features(4, 1)}


@pytest.fixture
def scrubber():
    return sslviz.scrub_training({"one": STEPS, "two": OTHER})


def points(live, column):
    """{id: position} of the map in this column of the figure on the page."""
    found = {}
    for trace in live.widget.data:
        if trace.customdata is not None and (trace.xaxis or "x") == column:
            found |= dict(zip([c[0] for c in trace.customdata], zip(trace.x, trace.y, strict=True), strict=True))
    return found


@pytest.mark.parametrize(("step", "own"), [(0, (0, 0)), (20, (20, 0)), (30, (20, 30)), (50, (50, 30))])
def test_maps_are_those_of_the_step_or_of_the_one_before(scrubber, step, own):
    scrubber.step.value = step
    texts = " ".join(a.text for a in scrubber.maps.widget.layout.annotations)
    for column, features, at, name in zip(("x", "x2"), (STEPS, OTHER), own, ("one", "two"), strict=True):
        expected = aligned_projections({str(s): f for s, f in features.items()}, "pca")[str(at)]
        found = points(scrubber.maps, column)
        np.testing.assert_allclose([found[id_] for id_ in expected.ids], expected.xy, atol=1e-6)
        assert f"<b>{name}, step {at}</b>" in texts
    assert scrubber.message.value == ""


def test_axes_stay_and_hold_every_step(scrubber):
    ranges = []
    for step in (0, 20, 50):
        scrubber.step.value = step
        layout = scrubber.maps.widget.layout
        ranges.append([tuple(layout[name].range) for name in ("xaxis", "yaxis", "xaxis3", "yaxis3")])
        found = np.array(list(points(scrubber.maps, "x").values()))
        for values, (low, high) in zip(found.T, ranges[-1][:2], strict=True):
            assert low < values.min() and values.max() < high
        ranges[-1].append(tuple(scrubber.spectra.widget.layout.yaxis.range))
    assert ranges[0] == ranges[1] == ranges[2]


def test_spectra_and_scores_are_those_of_the_step(scrubber):
    scrubber.step.value = 20
    result = spectrum(STEPS[20])
    line = next(t for t in scrubber.spectra.widget.data if t.mode == "lines" and t.name == "one, step 20")
    squared = (result.singular_values**2).sum()
    np.testing.assert_allclose(line.y, np.maximum(result.eigenvalues * (N - 1) / squared, 1e-12), rtol=1e-6)
    texts = [t for trace in scrubber.scores.widget.data if trace.text is not None for t in trace.text]
    for features, name in ((STEPS[20], "one, step 20"), (OTHER[0], "two, step 0")):
        assert f"<b>{name} kNN accuracy</b><br>{knn_probe(features).scores()['accuracy']}" in texts
        assert any(text.startswith(f"<b>{name} RankMe</b>") for text in texts)
    assert any("chance" in text for text in texts)


def test_without_a_history_a_score_is_followed_and_the_step_marked(scrubber):
    assert {shape.x0 for shape in scrubber.curves.widget.layout.shapes} == {50}
    scrubber.step.value = 30
    assert {shape.x0 for shape in scrubber.curves.widget.layout.shapes} == {30}
    names = {t.name for t in scrubber.curves.widget.data}
    assert {"one", "two", "strongest control"} <= names


def test_colours_stay_with_their_training(scrubber):
    palette = theme.colors(["one", "two"])
    for step in (0, 50):
        scrubber.step.value = step
        lines = {t.name.partition(",")[0]: t.line.color for t in scrubber.spectra.widget.data if t.mode == "lines"}
        assert lines["one"] == palette["one"] and lines["two"] == palette["two"]


def test_the_button_goes_through_the_steps(scrubber):
    assert (scrubber.player.max, scrubber.player.value) == (3, 3)
    scrubber.player.value = 1
    assert scrubber.step.value == 20 and "step 20" in scrubber.maps.widget.layout.annotations[0].text


def test_one_training_of_arrays_needs_no_name():
    rng = np.random.default_rng(0)
    scrubber = sslviz.scrub_training({0: rng.normal(size=(40, 4)), 10: rng.normal(size=(40, 4))}, color=None)
    scrubber.step.value = 0
    assert "training, step 0" in scrubber.maps.widget.layout.annotations[0].text and scrubber.message.value == ""


def test_errors_are_shown(scrubber, monkeypatch):
    monkeypatch.setattr(scrubber, "_figures", lambda: 1 / 0)
    scrubber.step.value = 0
    assert "ZeroDivisionError" in scrubber.message.value


def test_nothing_stays_behind(opened, scrubber):
    scrubber.close()
    assert opened() == 0


@pytest.mark.parametrize("given", [{}, np.zeros((3, 4)), None])
def test_what_is_no_training_is_refused(given, opened):
    with pytest.raises(ValueError, match="A training is a Run or"):
        sslviz.scrub_training(given)
    assert opened() == 0


def test_steps_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="same pictures"):
        sslviz.scrub_training({0: np.zeros((40, 4)), 10: np.zeros((41, 4))})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two steps of which the last was diagnosed, and a history of an epoch per step."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "small", {"encoder": CONFIG, "arguments": {}})
    for seed, step in enumerate((1, 4)):
        run.save_checkpoint(step, sslviz.Checkpoint("f", 0, CONFIG, None, seed).encoder().model.state_dict())
    rows = [{"step": s, "epoch": s, "loss": 2.0 / (1 + s), "knn": s / 10, "rankme": 3, "std": 0.1} for s in range(5)]
    run.write_history(rows)
    sslviz.diagnose(run, sslviz.shapes(n=800).split("test"), only="spectrum", progress=False)
    return Run(run.path)


class TestRuns:
    def test_what_is_not_stored_is_one_line(self, run, said):
        scrubber = sslviz.scrub_training(run)
        assert "small: 1 of 2 checkpoints were not embedded on these images." in said(scrubber)
        assert [value for _, value in scrubber.step.options] == [4]

    def test_given_images_every_checkpoint_is_embedded_and_the_history_marked(self, run):
        scrubber = sslviz.scrub_training(run, sslviz.shapes(n=800).split("test"))
        assert [value for _, value in scrubber.step.options] == [1, 4]
        scrubber.step.value = 1
        marks = scrubber.curves.widget.layout.shapes
        assert {mark.x0 for mark in marks} == {1} and len(marks) == 4  # in every panel
        assert any(t.name == "small" and list(t.x) == [0, 1, 2, 3, 4] for t in scrubber.curves.widget.data)

    def test_the_line_that_tells_how_far_it_is_goes(self, run, shell, monkeypatch, tmp_path, capsys):
        from sslviz.widgets.parts import passing_progress

        said = []

        class Handle:
            def display(self, bundle, raw):
                said.append(bundle["text/html"])

            update = display

        monkeypatch.setattr(passing_progress, "DisplayHandle", Handle)
        again = Run(shutil.copytree(run.path, tmp_path / "again"))
        shell.run("cell", "first")
        sslviz.scrub_training(again, sslviz.shapes(n=800, seed=5).split("test"))
        assert any("%" in line for line in said) and said[-1] == ""
        captured = capsys.readouterr()
        assert "diagnosing" not in captured.err + captured.out  # no bar of another kind
        before = len(said)
        sslviz.scrub_training(again)  # nothing is computed, and nothing told
        assert len(said) == before
