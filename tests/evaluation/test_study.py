import fcntl
import json
import signal

import numpy as np
import pandas as pd
import pytest
from torch import nn

import sslviz
from sslviz.cli.main import main
from sslviz.data import Images
from sslviz.methods import METHODS, SimCLR
from sslviz.runs import Run
from sslviz.views import ViewPolicy

SPEC = "shapes:n=320,size=16"
BUDGET = {"views": 400, "seeds": 2, "batch_size": 32, "columns": "shape,color", "progress": False}
BOTH = "simclr,vicreg"
PACE = ["images_per_second", "seconds", "memory_gb"]  # what another run of the same study need not repeat


@pytest.fixture(scope="module")
def images():
    return sslviz.load_images(SPEC)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("studies") / "one"


@pytest.fixture(scope="module")
def result(images, out):
    return sslviz.study(images, methods=BOTH, out=out, **BUDGET)


class FourViews(SimCLR):
    """Does a method with local views get as many views, and fewer pictures?"""

    views = ViewPolicy(local_views=2)

    def loss(self, batch):
        return super().loss(batch) + 0 * self.projector(self.encoder(batch.views[1].flatten(0, 1))).sum()


class NeedsATransformer(nn.Module):
    """Which encoders is it for?  A transformer only."""

    family, views = "made up", ViewPolicy(views=1)

    def __init__(self, encoder, *, seed=0):
        super().__init__()
        raise ValueError(f"It masks patches, which needs a transformer; {encoder.name} is none.")


def scores(result):
    return result.table().drop(columns=PACE).sort_values("arm", ignore_index=True)


def weights(folder):
    return {run.name: run.last.path.read_bytes() for run in sslviz.open_runs(folder)[0]}


def test_the_table_says_of_each_arm_what_it_learnt_beside_untrained_encoders(result, out):
    table = pd.read_csv(out / "study.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(table, result.table(), check_dtype=False)
    assert list(table["arm"]) == ["simclr", "vicreg"] and (table["seeds"] == 2).all()
    assert (table[PACE] > 0).all(axis=None) and table["verdict"].notna().all()
    for name in ("knn", "linear:shape", "linear:color", "rankme"):
        assert np.allclose(table[name], (table[f"{name}_low"] + table[f"{name}_high"]) / 2)
        assert table[f"{name}_untrained"].nunique() == 1  # the same untrained encoders stand beside both
    assert {run.name for run in sslviz.open_runs(out)[0]} == {f"{m}-seed{s}" for m in BOTH.split(",") for s in (0, 1)}
    assert all(np.isfinite(score.value) and score.control for score in result.scores().values())


def test_scores_are_those_of_the_probes_on_unseen_pictures(result, images, out):
    """The mean over seeds of what `linear_probe` says of the last checkpoints, fitted on split probe, scored on split test."""
    accuracies = []
    for seed in (0, 1):
        last = Run(out / f"simclr-seed{seed}").last
        test, probe = (sslviz.embed(last, images.split(split), progress=False) for split in ("test", "probe"))
        accuracies.append(sslviz.linear_probe(test, "color", fit=probe).accuracy)
    assert result.arms["simclr"].scores["linear:color"].value == pytest.approx(np.mean(accuracies))


def test_all_arms_render_equally_many_views(images, tmp_path, monkeypatch):
    """Counted where views are made: another number of views, or another batch, is other steps and not another budget."""
    monkeypatch.setitem(METHODS, "four", FourViews)
    made, render = [], ViewPolicy.render

    def counted(policy, batch, parameters):
        views = render(policy, batch, parameters)
        made.append(sum(x.shape[0] * x.shape[1] for x in views))
        return views

    monkeypatch.setattr(ViewPolicy, "render", counted)
    options = {**BUDGET, "seeds": 1, "columns": "color"}
    result = sslviz.study(images, methods="simclr,four", vary={"batch_size": [16, 48]}, out=tmp_path / "s", **options)
    rows = result.table().set_index("arm")
    assert sum(made) == rows["views"].sum()
    for name, views in rows["views"].items():
        of_step = (4 if "four" in name else 2) * (16 if "16" in name else 48)
        assert 400 - of_step < views <= 400 and views == of_step * rows["steps"][name]


def test_neither_the_order_of_arms_nor_how_many_there_are_changes_a_number(result, images, out, tmp_path):
    turned = sslviz.study(images, methods=["vicreg", "simclr"], out=tmp_path / "turned", **BUDGET)
    pd.testing.assert_frame_equal(scores(turned), scores(result))
    assert weights(tmp_path / "turned") == weights(out)


def test_a_finished_study_is_only_read(result, images, out, monkeypatch):
    monkeypatch.setattr("sslviz.training.pretrain.pretrain", None)
    again = sslviz.study(images, methods=["vicreg", "simclr"], out=out, **BUDGET)
    pd.testing.assert_frame_equal(again.table(), result.table())


@pytest.mark.slow  # a process that loads torch, and another study
def test_killed_amid_a_run_it_goes_on_to_the_same_table(result, out, in_processes, tmp_path):
    """kill -9 in a step of the second run, when the first one is measured; then the same command again."""
    words = f"study --images {SPEC} --methods {BOTH} --views 400 --seeds 2 --batch-size 32 --columns shape,color --out"
    command = [*words.split(), str(tmp_path / "s")]
    steps = 400 // (2 * 32)
    amid_the_second = ("sslviz.training.pretrain", "update_ema", steps + 3)
    assert in_processes([(command, amid_the_second)]) == [-signal.SIGKILL]
    begun = json.loads((tmp_path / "s" / "measured.json").read_text())
    assert "simclr-seed0" in begun and "vicreg-seed0" not in begun and (tmp_path / "s" / "vicreg-seed0").exists()
    main(command)
    columns = [name for name in result.table() if name not in PACE]
    pd.testing.assert_frame_equal(*(pd.read_csv(of / "study.csv")[columns] for of in (tmp_path / "s", out)))
    assert weights(tmp_path / "s") == weights(out)


def test_interrupted_in_a_warm_up_nothing_is_left_but_hidden_files(images, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sslviz.evaluation.study.trials.pace", stop)
    with pytest.raises(KeyboardInterrupt):
        sslviz.study(images, out=tmp_path / "s", seconds=1, **{**BUDGET, "views": None})
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [".lock", "measured.json"]


def test_a_budget_in_seconds_becomes_steps_once(images, tmp_path, monkeypatch):
    options = {**BUDGET, "views": None, "seconds": 0.5, "seeds": 1, "columns": "color"}
    first = sslviz.study(images, methods=BOTH, out=tmp_path / "s", **options)
    steps = {name: arm.arm.steps for name, arm in first.arms.items()}
    assert all(n >= 1 for n in steps.values())
    assert {name: Run(tmp_path / "s" / f"{name}-seed0").last.step for name in steps} == steps
    monkeypatch.setattr("sslviz.evaluation.study.trials.Trials.timed", None)
    again = sslviz.study(images, methods=BOTH, out=tmp_path / "s", **options)
    pd.testing.assert_frame_equal(again.table(), first.table())


def test_an_arm_that_cannot_be_is_left_out_with_its_reason_and_the_others_go_on(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(METHODS, "masked", NeedsATransformer)
    words = f"study --images {SPEC} --methods masked,simclr --out {tmp_path / 's'} --views 64 --seeds 1 --batch-size 32"
    main([*words.split(), "--columns", "color", "--json", str(tmp_path / "s.json")])
    reason = "It masks patches, which needs a transformer; conv_nano is none."
    said = capsys.readouterr().out
    assert f"masked: {reason}" in said and "64 views a run; 1 seed" in said
    arms = {arm["arm"]: arm for arm in json.loads((tmp_path / "s.json").read_text())["arms"]}
    assert arms["masked"]["reason"] == reason and arms["masked"]["knn"] is None and arms["masked"]["seeds"] == 0
    assert arms["simclr"]["reason"] == "" and arms["simclr"]["knn"] > 0
    with pytest.raises(ValueError, match="needs a transformer"):  # where no arm is left, that is the answer
        sslviz.study(images, methods="masked", out=tmp_path / "none", **BUDGET)


def test_a_training_that_diverges_is_said_and_costs_only_itself(images, tmp_path):
    result = sslviz.study(
        images, out=tmp_path / "s", vary={"learning_rate": [1e-3, 1e30]}, **{**BUDGET, "columns": "color"}
    )
    bad, good = result.arms["learning_rate=1e+30"], result.arms["learning_rate=0.001"]
    assert "seed 0: The" in bad.reason and "number" in bad.reason and not bad.runs and not bad.scores
    assert good.reason == "" and len(good.runs) == 2


def test_two_studies_cannot_work_in_one_folder(result, images, out):
    with open(out / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="Another study is at work in"):
            sslviz.study(images, methods=BOTH, out=out, **BUDGET)


@pytest.mark.parametrize(
    "message, changes",
    [
        ("holds a study with seeds=2, not 3", {"seeds": 3}),
        ("holds a study with views=400, not 800", {"views": 800}),
        (r"holds a study with methods=\['simclr', 'vicreg'\], not \['simclr'\]", {"methods": "simclr"}),
        ("already exists and is no study", {"out": "."}),
        ("no method 'dinoo'; the methods are: .*simclr", {"methods": "simclr,dinoo"}),
        ("no encoder 'resnet19'; did you mean", {"encoders": "conv_nano,resnet19"}),
        ("simclr has no setting 'temprature'", {"settings": {"temprature": 1}}),
        ("simclr has no setting 'sharpness'", {"vary": {"sharpness": [1, 2]}}),
        ("vary temperature names nothing", {"vary": {"temperature": []}}),
        ("methods names nothing", {"methods": ""}),
        ("either --views or --seconds", {"seconds": 3}),
        ("either --views or --seconds", {"views": None}),
        ("views must be above 0", {"views": float("nan")}),
        ("seeds must be at least 1; got 0", {"seeds": 0}),
        ("192 images to train on, fewer than one batch of 256", {"batch_size": 256}),
        ("A step of simclr renders 64 views, 2 of each of 32 pictures: more than the 63", {"views": 63}),
        ("batch_size must be at least 2", {"batch_size": 1}),
        ("learning_rate must be above 0", {"learning_rate": 0.0}),
        ("no optimizer 'adagrad'", {"optimizer": "adagrad"}),
        ("has no column 'mood'", {"columns": "shape,mood"}),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_trained(message, changes, result, images, out, tmp_path, monkeypatch):
    monkeypatch.setattr("sslviz.training.pretrain.pretrain", None)
    refused_there = "holds a study" in message
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    where = out if refused_there else tmp_path / ("other" if "out" in changes else "bad")
    with pytest.raises(ValueError, match=message) as told:
        sslviz.study(images, **{"methods": BOTH, **BUDGET, **changes, "out": where})
    assert str(told.value).count(". ") <= 1 and not (tmp_path / "bad").exists()


def test_pictures_without_any_classes_are_no_study(images, tmp_path):
    plain = Images(images.pixels, images.ids, pd.DataFrame(index=range(len(images))))
    with pytest.raises(ValueError, match="no column has classes"):
        sslviz.study(plain, out=tmp_path / "s", **{**BUDGET, "columns": ""})


def test_pictures_without_splits_are_divided_by_the_hash_of_their_ids(images):
    from sslviz.evaluation.study.measure import trained_watched_scored

    plain = Images(images.pixels, images.ids, images.table[["label", "color"]])
    train, watched, scored, fit = trained_watched_scored(plain)
    for part, split in ((train, "train"), (watched, "probe"), (scored, "test"), (fit, "probe")):
        assert list(part.ids) == list(plain.split(split).ids)
