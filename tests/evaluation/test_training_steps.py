"""Steps of a training: is each answer that of its own checkpoint, and is what is missing said?"""

import numpy as np
import pandas as pd
import pytest

import sslviz
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.projection.projection import aligned_projections
from sslviz.evaluation.training_steps import steps_of_features, steps_of_runs
from sslviz.features import Features
from sslviz.features.diagnosed import diagnosed_steps
from sslviz.runs import Run

CONFIG = {"name": "conv_nano", "image_size": 32}
STEPS = (0, 10, 30)


def made_run(path, steps=STEPS, seed=0):
    """A run whose checkpoints are fresh encoders of different seeds, and a history of one epoch per ten steps."""
    run = Run.create(path, {"encoder": CONFIG, "arguments": {}})
    for number, step in enumerate(steps):
        weights = sslviz.Checkpoint("fresh", 0, CONFIG, None, seed + number).encoder().model.state_dict()
        run.save_checkpoint(step, weights)
    run.write_history([{"step": step, "epoch": step / 10, "loss": 1 / (1 + step)} for step in range(0, 40, 10)])
    return Run(path)


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=800, size=32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("runs")
    runs = {name: made_run(folder / name, seed=seed) for name, seed in (("a", 0), ("b", 5))}
    return runs, steps_of_runs(runs, images)


def test_every_checkpoint_is_embedded_where_images_are_given(runs, images):
    runs, found = runs
    assert {name: list(one.evidences) for name, one in found.items()} == {"a": list(STEPS), "b": list(STEPS)}
    scored = images.split("test")
    for step, evidence in found["a"].evidences.items():
        checkpoint = next(one for one in runs["a"].checkpoints if one.step == step)
        np.testing.assert_allclose(evidence.features.x, sslviz.embed(checkpoint, scored, progress=False).x, atol=1e-5)
    assert found["a"].missing == ""


def test_a_second_time_all_is_read(runs, monkeypatch):
    from sslviz.evaluation import training_steps

    runs, found = runs
    monkeypatch.setattr(training_steps, "diagnose", None)
    again = steps_of_runs(runs)
    assert again["b"].evidences[30].features.digest == found["b"].evidences[30].features.digest


def test_answers_are_those_of_the_library_for_that_step(runs):
    _, found = runs
    for step, evidence in found["a"].evidences.items():
        scores = found["a"].scores(step)
        controls = evidence.control_features()
        probe = knn_probe(evidence.features, fit=evidence.fit, control_features=controls)
        assert scores["kNN accuracy"] == probe.scores()["accuracy"]
        assert scores["RankMe"] == next(iter(spectrum(evidence.features).scores().values()))
    assert scores["kNN accuracy"].controls.keys() == {"chance", "pixels", "untrained"}


def test_maps_are_laid_over_those_before_and_kept(runs):
    _, found = runs
    maps = found["a"].maps("pca")
    features = {str(step): evidence.features for step, evidence in found["a"].evidences.items()}
    for step, expected in aligned_projections(features, "pca").items():
        np.testing.assert_allclose(maps[int(step)].xy, expected.xy, atol=1e-5)
    assert list(found["a"].table["label"]) == list(features["0"].table["label"])


def test_between_steps_the_one_before_counts_and_epochs_are_those_of_the_history(runs):
    _, found = runs
    assert [found["a"].until(step) for step in (0, 9, 10, 29, 31)] == [0, 0, 10, 10, 30]
    assert [found["a"].epoch(step) for step in (0, 15, 30)] == [0, 1.5, 3]


def test_what_was_not_embedded_is_said(runs, tmp_path, images):
    few = made_run(tmp_path / "few", steps=(0, 10), seed=2)
    sslviz.diagnose(few, images.split("test"), only="spectrum", progress=False)
    (found,) = steps_of_runs({"few": few}).values()
    assert list(found.evidences) == [10]
    assert found.missing == "few: 1 of 2 checkpoints were not embedded on these images"
    assert len(diagnosed_steps(few, images.split("test").digest)) == 1


def test_runs_without_images_in_common_are_refused(runs, tmp_path):
    other = made_run(tmp_path / "other", steps=(0,))
    with pytest.raises(
        ValueError, match="No step is stored on images that all of these share: a, other; give `images`"
    ):
        steps_of_runs({"a": runs[0]["a"], "other": other})


def test_of_features_alone_what_can_be_asked_is_asked():
    x = np.random.default_rng(0).normal(size=(60, 8))
    bare = steps_of_features("bare", {5: Features.from_array(x), 0: Features.from_array(-x)})
    assert list(bare.evidences) == [0, 5] and bare.epoch(5) is None
    assert bare.scores(0).keys() == {"spread", "RankMe"}
    labels = pd.DataFrame({"label": np.arange(60) % 3})
    labelled = steps_of_features("labelled", {0: Features.from_array(x, table=labels)})
    assert labelled.scores(0)["kNN accuracy"] == knn_probe(labelled.evidences[0].features).scores()["accuracy"]
