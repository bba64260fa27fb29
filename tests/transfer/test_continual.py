"""Continual learning: what its numbers say of planted answers, and what a checkpoint's course is made of."""

import json

import numpy as np
import pytest

import sslviz
import sslviz.transfer.continual.continual as module
from sslviz.catalog import draw
from sslviz.figures.parts import theme
from sslviz.figures.transfer.continual import continual
from sslviz.runs import load_result, save_result
from sslviz.transfer.continual.accuracy_matrix import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
)
from sslviz.transfer.continual.continual_result import FROZEN, PLAIN, UNTRAINED, Continual

TASKS = [["a", "b", "c", "d"], ["e", "f"], ["g", "h"]]  # of unequal size, so that weights matter
RIGHT = np.array([[0.9, np.nan, np.nan], [0.7, 0.85, np.nan], [0.6, 0.8, 0.95]])
AGAIN = np.array([[0.9, 0.6, 0.55], [0.85, 0.85, 0.6], [0.8, 0.8, 0.9]])


def planted(seed=0, per_class=20, right=RIGHT, again=AGAIN, how=("sequence", "replay")):
    """Pictures that are read rightly as often as these tables say, the same for every way."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(8), per_class)
    task = np.repeat([0, 1, 2], [4, 2, 2])[truth]

    def drawn(table):
        chances = np.atleast_2d(table)[:, task]
        found = (rng.random(chances.shape) < np.nan_to_num(chances)).astype(float)
        return np.where(np.isnan(chances), np.nan, found)

    return Continual(
        run="planted",
        label="letter",
        tasks=TASKS,
        how=list(how),
        ids=np.arange(len(truth)).astype(str),
        truth=truth,
        right={way: drawn(right) for way in how},
        refitted={way: drawn(again).astype(bool) for way in how},
        frozen=drawn([0.8, 0.6, 0.5])[0].astype(bool),
        untrained=drawn([0.5, 0.55, 0.5])[0].astype(bool),
        joint=drawn([0.9, 0.9, 0.95])[0].astype(bool),
        joint_refitted=drawn([0.9, 0.9, 0.95])[0].astype(bool),
        drift={way: np.array([1.0, 0.9, 0.7]) for way in how},
        untrained_drift=0.4,
        steps=10,
        seed=seed,
    )


class TestNumbers:
    def test_means_over_pictures_are_those_of_the_matrix(self):
        """Two ways to the same numbers: weights of pictures, and the formulas of the papers on the table."""
        result = planted()
        r, again = result.matrix("replay"), result.matrix("replay", refitted=True)
        frozen = result.of_tasks(result.frozen)
        scores = {name: score.value for name, score in result.scores().items()}
        assert scores["replay accuracy"] == pytest.approx(float(average_accuracy(r)))
        assert scores["replay backward_transfer"] == pytest.approx(float(backward_transfer(r)))
        assert scores["replay forgetting"] == pytest.approx(float(forgetting(r)))
        assert scores["replay lost_features"] == pytest.approx(float(forgetting(again)))
        assert scores["replay forward_transfer"] == pytest.approx(float(forward_transfer(again, frozen)))
        assert scores["joint accuracy"] == pytest.approx(result.of_tasks(result.joint).mean())

    def test_many_pictures_read_what_was_planted(self):
        result = planted(per_class=4000)
        np.testing.assert_allclose(result.matrix("sequence"), RIGHT, atol=0.02)
        scores = result.scores()
        assert scores["sequence backward_transfer"].value == pytest.approx((-0.3 - 0.05) / 2, abs=0.02)
        assert scores["sequence forgetting"].value == pytest.approx((0.3 + 0.05) / 2, abs=0.02)
        assert scores["sequence lost_features"].value == pytest.approx((0.1 + 0.05) / 2, abs=0.02)
        assert scores["sequence forward_transfer"].value == pytest.approx((0.0 + 0.1) / 2, abs=0.02)
        np.testing.assert_allclose(result.chance, [1 / 4, 1 / 2, 1 / 2])

    def test_intervals_cover_the_truth_as_often_as_they_say(self):
        truth = {"accuracy": (0.6 + 0.8 + 0.95) / 3, "backward_transfer": -0.175, "forward_transfer": 0.05}
        held = dict.fromkeys(truth, 0)
        for seed in range(100):
            scores = planted(seed, how=("sequence",)).scores()
            for name, value in truth.items():
                score = scores[f"sequence {name}"]
                held[name] += score.low <= value <= score.high
        assert all(88 <= count <= 100 for count in held.values()), held

    def test_what_forgets_nothing_is_seldom_said_to(self):
        """Two stages count of each task here, so that no best of several is taken."""
        still = np.where(np.isnan(RIGHT), np.nan, 0.8)
        alarms = sum(
            planted(s, right=still, how=("sequence",)).scores()["sequence backward_transfer"].high < 0
            for s in range(100)
        )
        assert alarms <= 8

    def test_ways_stand_beside_the_plain_sequence_and_that_beside_the_frozen(self):
        scores = planted().scores()
        assert scores["replay forgetting"].controls == {PLAIN: scores["sequence forgetting"].value}
        assert scores["sequence forgetting"].controls == {FROZEN: 0.0}
        assert (
            scores["sequence forgetting"].control_is == "ceiling" and scores["replay forgetting"].control_is == "floor"
        )
        assert set(scores["replay accuracy"].controls) == {PLAIN, FROZEN, UNTRAINED}
        assert scores["replay cka"].controls == {"unrelated images": 0.0, "untrained": 0.4}

    def test_of_few_pictures_there_is_no_interval(self):
        assert all(score.low is None for score in planted(per_class=5).scores().values())

    def test_two_results_pair_picture_by_picture(self):
        better = planted(1, right=np.where(np.isnan(RIGHT), np.nan, 0.97), per_class=60)
        assert sslviz.compare(planted(per_class=60), better).winner["sequence accuracy"] == 1


# --- of a checkpoint --------------------------------------------------------------------------------------------------


CHECKPOINT = sslviz.Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 16}, None, 1)


@pytest.fixture(scope="module")
def course():
    """Two tasks of two shapes, five steps each, in all four ways."""
    images = sslviz.shapes(n=240, size=16, bias=0.25, seed=0)
    scored, fit = images.rows(np.arange(100)), images.rows(np.arange(100, 240))
    return scored, fit, sslviz.continual(CHECKPOINT, scored, "shape", fit=fit, steps=5, progress=False)


class TestOfACheckpoint:
    def test_the_first_task_is_learnt_in_the_same_way_by_all(self, course):
        result = course[2]
        assert result.how == ["sequence", "replay", "ewc", "distillation"] and len(result.tasks) == 2
        for way in result.how:
            np.testing.assert_array_equal(result.right[way][0], result.right["sequence"][0])
            assert result.drift[way][0] == pytest.approx(1) and 0 < result.drift[way][1] < 1
            assert np.isnan(result.right[way][0][result.task == 1]).all()
            assert not np.isnan(result.right[way][1]).any()
        last = [result.drift[way][1] for way in result.how]
        assert len(set(last)) == 4  # no two ways are the same

    def test_the_frozen_encoder_is_a_linear_probe_of_each_task(self, course):
        scored, fit, result = course
        features = [sslviz.embed(CHECKPOINT, images, progress=False) for images in (scored, fit)]
        for t, task in enumerate(result.tasks):
            own, bank = (x.rows(np.isin(x.column("shape"), task)) for x in features)
            expected = sslviz.linear_probe(own, "shape", fit=bank).accuracy
            assert result.of_tasks(result.frozen)[t] == pytest.approx(expected, abs=0.03)  # rounding may turn a picture
        assert result.scores()["sequence accuracy"].controls[FROZEN] == result.of_tasks(result.frozen).mean()

    def test_a_picture_counts_for_its_own_class(self, course):
        scored, _, result = course
        names = [name for task in result.tasks for name in task]
        shapes = dict(zip(scored.ids, scored.table["shape"], strict=True))
        assert [names[code] for code in result.truth] == [shapes[i] for i in result.ids]
        assert result.left_out == {}

    def test_every_score_has_a_control_and_every_mean_its_pictures(self, course):
        result = course[2]
        for name, score in result.scores().items():
            assert np.isfinite(score.value) and score.control is not None and np.isfinite(score.control), name
        assert set(result.per_image()) == {name for name in result.scores() if not name.endswith("cka")}

    def test_it_is_stored_and_read_back(self, course, tmp_path):
        save_result(tmp_path / "r.npz", course[2])
        assert load_result(tmp_path / "r.npz", Continual).scores() == course[2].scores()

    def test_it_repeats_itself_and_takes_tasks_by_name(self, course):
        scored, fit, _ = course
        given = {"fit": fit, "tasks": [["disc", "cross"], ["square", "triangle"]], "how": ["sequence"], "steps": 1}
        first, again = (sslviz.continual(CHECKPOINT, scored, "shape", **given, progress=False) for _ in range(2))
        assert first.scores() == again.scores() and first.tasks == given["tasks"]

    def test_of_many_pictures_a_sample_is_taken_and_the_rest_is_counted(self, course, monkeypatch):
        scored, fit, _ = course
        monkeypatch.setattr(module, "MOST", 60)
        result = sslviz.continual(CHECKPOINT, scored, "shape", fit=fit, how=["sequence"], steps=1, progress=False)
        assert len(result.ids) == 60
        assert result.left_out == {"of more than 60 pictures a sample is taken": 100 + 140 - 120}


class TestBadInput:
    def test_a_way_that_nobody_knows(self):
        with pytest.raises(ValueError, match="names some of sequence, replay, ewc, distillation.*got \\['si'\\]"):
            sslviz.continual(CHECKPOINT, sslviz.shapes(n=20, size=16), how=["si"], progress=False)

    def test_a_label_of_too_few_classes(self):
        with pytest.raises(ValueError, match="'texture' has 2 classes, which do not make 2 tasks"):
            sslviz.continual(CHECKPOINT, sslviz.shapes(n=40, size=16), "texture", progress=False)

    def test_a_column_that_is_not_there(self):
        with pytest.raises(ValueError, match="no column 'hue'"):
            sslviz.continual(CHECKPOINT, sslviz.shapes(n=40, size=16), "hue", progress=False)

    def test_pictures_that_are_also_trained_on(self):
        images = sslviz.shapes(n=40, size=16)
        with pytest.raises(ValueError, match="40 of the 40 images to score are also fitted on"):
            sslviz.continual(CHECKPOINT, images, fit=images, progress=False)


NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]


class TestFigure:
    def test_each_way_has_its_matrix_and_controls_are_grey(self):
        for given, matrices in ((planted(), 2), ({"one": planted(), "two": planted(1)}, 4)):
            fig = draw(given)
            cells = [trace for trace in fig.data if trace.type == "heatmap"]
            assert len(cells) == matrices and list(cells[0].z[0])[1:] == [None, None]  # not learnt yet
            assert fig.layout.meta["caption"].endswith("Tasks: a, b, c, d | e, f | g, h.")
            grey = [t.name for t in fig.data if t.type == "scatter" and t.marker.color == theme.CONTROL]
            assert grey == [f"{name} (control)" for name in (FROZEN, UNTRAINED, "joint training", PLAIN)]

    def test_ten_checkpoints_are_named_coloured_and_readable_in_the_dark(self):
        results = {name: planted(i, per_class=10) for i, name in enumerate(NAMES)}
        palette = theme.colors(NAMES)
        fig = draw(results, colors=palette)
        assert all(name in fig.layout.meta["alt"] for name in NAMES) and "NaN" not in fig.to_json()
        used = {t.marker.color for t in fig.data if t.type == "scatter"} - {theme.CONTROL}
        assert used == set(palette.values())
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(fig, dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark

    def test_names_cannot_inject_and_no_result_is_an_error(self):
        fig = draw({"<script>alert(1)</script>": planted()})
        assert "<script" not in str([trace.hovertext for trace in fig.data if trace.type == "heatmap"])
        assert "<script" not in str([note.text for note in fig.layout.annotations])
        with pytest.raises(ValueError, match="at least one"):
            continual({})
