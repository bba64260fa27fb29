import dataclasses
import json
import math
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.encoders import create_encoder
from sslviz.features.embed import batch_size, embed_pixels, preprocess
from sslviz.methods import METHODS, Recipe
from sslviz.runs import Run
from sslviz.training.optimizers import OPTIMIZERS
from sslviz.training.resume import BEFORE
from sslviz.views import ViewPolicy

SIDE, BATCH = 16, 32  # pixels and pictures: bits are the same or not at any size, and these take an eighth of the time
ARGUMENTS = ["--images", f"shapes:n=320,size={SIDE}", "--epochs", "3", "--batch-size", str(BATCH), "--seed", "3"]


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=320, size=SIDE, seed=0)


def pretrain(images, out, **changes):
    options = {"epochs": 2, "batch_size": BATCH, "held_out": images.split("probe"), "progress": False, **changes}
    return sslviz.pretrain(images.split("train"), out=out, **options)


def interrupted(images, out, monkeypatch, **changes):
    """Trains into `out` and stops in the eighth step, amid the second epoch of six steps."""
    calls = []

    def stop(*_):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sslviz.training.pretrain.update_ema", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(images, out, **changes)
    return out


def weights(run):
    return {c.step: c.path.read_bytes() for c in run.checkpoints}


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    return pretrain(images, tmp_path_factory.mktemp("runs") / "one")


def test_the_run_folder_says_all_that_was_done(run, images):
    info = json.loads((run.path / "run.json").read_text())
    assert info["finished"] and info["seconds"] > 0 and info["device"] and info["views"]["size"] == SIDE
    assert info["arguments"]["images_digest"] == images.split("train").digest
    history = run.history
    assert list(history["epoch"]) == [0, 1, 2] and list(history["step"]) == [0, 6, 12]
    assert {"loss", "lr", "images_per_second", "knn", "rankme", "std", "std_isotropic", "std_floor"} <= set(history)
    assert (history["std_floor"] == history["std"][0]).all()  # the untrained encoder is the control of every later row
    assert history["std_isotropic"][1] == pytest.approx(run.last.encoder().dim ** -0.5)
    assert history["images_per_second"][1:].min() > 0
    assert [c.step for c in run.checkpoints] == [0, 6, 12]


def test_training_changes_the_weights_and_step_0_is_the_untrained_encoder(run):
    first, last = (c.encoder().state_dict() for c in (run.checkpoints[0], run.last))
    untrained = run.last.untrained(0).encoder().state_dict()
    assert all(torch.equal(first[k], untrained[k]) for k in first)
    assert any(not torch.equal(first[k], last[k]) for k in first)
    other = run.last.untrained(1).encoder().state_dict()
    assert any(not torch.equal(other[k], untrained[k]) for k in other)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(run, images, tmp_path):
    assert weights(pretrain(images, tmp_path / "again")) == weights(run)
    assert weights(pretrain(images, tmp_path / "other", seed=1)) != weights(run)


@pytest.mark.parametrize("faster", [True, False])
def test_half_precision_is_chosen_where_the_processor_has_it_and_kept_on_resuming(
    faster, images, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda: faster, raising=False)
    chosen = pretrain(images, tmp_path / "run", epochs=1)
    assert chosen.info["precision"] == ("bf16-mixed" if faster else "32-true")
    for name in ("avx512_bf16", "amx_tile"):  # the folder goes to a computer of the other kind
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda: not faster)
    again = pretrain(images, tmp_path / "run", epochs=1, resume=True)
    assert again.info["precision"] == chosen.info["precision"]
    other = "32-true" if faster else "bf16-mixed"
    with pytest.raises(ValueError, match=f"started with precision='{chosen.info['precision']}', not '{other}'"):
        pretrain(images, tmp_path / "run", epochs=1, resume=True, precision=other)


def test_half_precision_is_really_computed_in(images, tmp_path):
    half, full = (pretrain(images, tmp_path / p, epochs=1, precision=p) for p in ("bf16-mixed", "32-true"))
    assert weights(half) != weights(full)
    assert half.history["loss"].iloc[-1] == pytest.approx(full.history["loss"].iloc[-1], rel=0.02)


def test_evaluating_and_saving_more_often_does_not_change_the_weights(run, images, tmp_path):
    more = pretrain(images, tmp_path / "more", eval_every=2, checkpoint_every=2)
    assert weights(more)[12] == weights(run)[12]


MOMENTS = {  # each counts from where the run before was killed: steps, files put in their place, resume files
    "before its first checkpoint is in place": ("os", "replace", 2),
    "amid the first epoch": ("sslviz.training.pretrain", "update_ema", 4),
    "between a checkpoint and its resume file": ("sslviz.training.pretrain", "save_resume", 2),
    "amid the last epoch": ("sslviz.training.pretrain", "update_ema", 9),
    "amid the last files": ("os", "replace", 3),
}


@pytest.fixture(scope="module")
def killed(in_processes, tmp_path_factory):
    """{method: (a whole run, one killed at all MOMENTS)}; without and with an EMA of the weights."""
    folder, commands = tmp_path_factory.mktemp("killed"), []
    for method in ("simclr", "byol"):
        words = ["pretrain", "--method", method, *ARGUMENTS, "--out"]
        commands.append(([*words, folder / method], None))
        for death in (*MOMENTS.values(), None):
            commands.append(([*words, folder / f"{method}-killed", "--resume"], death))
    assert in_processes(commands) == [0, *[-signal.SIGKILL] * len(MOMENTS), 0] * 2
    return {method: (Run(folder / method), Run(folder / f"{method}-killed")) for method in ("simclr", "byol")}


@pytest.mark.slow  # fourteen processes
@pytest.mark.parametrize("method", ["simclr", "byol"])
def test_killed_at_any_moment_and_resumed_a_run_ends_with_the_same_bits(method, killed):
    """kill -9, again and again, at moments spread over the whole run; then once to the end."""
    whole, again = killed[method]
    assert weights(again) == weights(whole)
    same = ["step", "epoch", "loss", "knn", "rankme", "std"]
    pd.testing.assert_frame_equal(again.history[same], whole.history[same])


def test_an_interruption_inside_an_epoch_resumes_to_the_same_bits(run, images, tmp_path, monkeypatch):
    """The same, at the two moments most likely to go wrong: between checkpoint and resume file, and amid an epoch."""
    from sslviz.training import pretrain as module

    for name, at in [("save_resume", 2), ("update_ema", 8)]:
        calls, real = [], getattr(module, name)

        def stop(*arguments, calls=calls, real=real, at=at):
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, stop)
            with pytest.raises(KeyboardInterrupt):
                pretrain(images, tmp_path / name)
        assert weights(pretrain(images, tmp_path / name, resume=True)) == weights(run)


def test_resuming_a_finished_run_changes_nothing(run, images):
    before = weights(run), (run.path / "history.csv").read_bytes()
    again = pretrain(images, run.path, resume=True)
    assert (weights(again), (run.path / "history.csv").read_bytes()) == before


def test_a_run_killed_before_its_first_file_and_half_written_files_do_not_stand_in_the_way(run, images, tmp_path):
    out = tmp_path / "begun"
    out.mkdir()
    (out / f".run.json.{'0' * 32}").write_text('{"for')
    assert weights(pretrain(images, out, resume=True)) == weights(run)
    assert not list(out.glob(".run.json*"))


def test_settings_with_several_numbers_survive_the_way_through_run_json(images, tmp_path):
    options = {"settings": {"scale": (0.5, 1.0)}, "epochs": 1}
    first = weights(pretrain(images, tmp_path / "r", **options))
    assert weights(pretrain(images, tmp_path / "r", resume=True, **options)) == first


def test_a_run_of_so_many_steps_is_scheduled_for_them_whatever_epochs_says(run, images, tmp_path, monkeypatch):
    assert weights(pretrain(images, tmp_path / "as_many", epochs=9, steps=12)) == weights(run)  # 2 epochs of 6 steps
    part = pretrain(images, tmp_path / "part", steps=8)
    assert [c.step for c in part.checkpoints] == [0, 6, 8] and list(part.history["images"]) == [0, 6 * BATCH, 8 * BATCH]
    assert part.info["arguments"]["steps"] == 8 and part.info["arguments"]["epochs"] == 2
    peak, warmed_up = 1e-3 * (BATCH / 256) ** 0.5, 1  # one step of eight
    cosine = [peak / 2 * (1 + math.cos(math.pi * (step - warmed_up) / 7)) for step in (5, 7)]
    assert list(part.history["lr"][1:]) == pytest.approx(cosine)
    few = pretrain(images, tmp_path / "few", steps=1)
    assert list(few.history["step"]) == [0, 1]

    progress = []
    with monkeypatch.context() as patch:
        patch.setattr("sslviz.training.pretrain.update_ema", lambda model, share: progress.append(share))
        pretrain(images, tmp_path / "watched", steps=8)
    assert progress == [step / 8 for step in range(8)]


def test_a_run_of_so_many_steps_is_resumed_to_the_same_bits(images, tmp_path, monkeypatch):
    interrupted(images, tmp_path / "stopped", monkeypatch, steps=8)
    resumed = pretrain(images, tmp_path / "stopped", steps=8, resume=True)
    assert weights(resumed) == weights(pretrain(images, tmp_path / "whole", steps=8))
    with pytest.raises(ValueError, match="was started with steps=8, not 7"):
        pretrain(images, tmp_path / "stopped", steps=7, resume=True)


def test_what_is_not_given_is_the_methods_recipe_and_that_is_said(run, images, tmp_path, monkeypatch, capsys):
    gentle = Recipe(learning_rate=2e-4, weight_decay=0.0)
    monkeypatch.setattr(METHODS["simclr"], "recipe", gentle, raising=False)
    by_recipe = pretrain(images, tmp_path / "recipe", progress=True)
    said = "simclr: optimizer adamw (simclr's recipe), learning rate 0.0002 (simclr's recipe), weight decay 0.0"
    assert said in capsys.readouterr().err
    given = pretrain(images, tmp_path / "given", learning_rate=2e-4, weight_decay=0.0, optimizer="adamw")
    assert weights(by_recipe) == weights(given) != weights(run)
    for of in (by_recipe, given):
        assert dataclasses.asdict(gentle).items() <= of.info["arguments"].items()
    assert set(by_recipe.info["origins"].values()) == {"simclr's recipe"}
    assert set(given.info["origins"].values()) == {"given"}
    monkeypatch.setattr(METHODS["simclr"], "recipe", Recipe(), raising=False)
    assert weights(pretrain(images, tmp_path / "recipe", resume=True)) == weights(given)  # as it began


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_other_optimisers_come_with_their_usual_rate_and_are_resumed_to_the_same_bits(
    optimizer, run, images, tmp_path, monkeypatch
):
    whole = pretrain(images, tmp_path / "whole", optimizer=optimizer)
    usual = OPTIMIZERS[optimizer].usual
    assert dataclasses.asdict(usual).items() <= whole.info["arguments"].items()
    assert whole.info["origins"] == {
        "optimizer": "given",
        "learning_rate": f"usual for {optimizer}",
        "weight_decay": f"usual for {optimizer}",
    }
    assert np.isfinite(whole.history["loss"][1:]).all() and weights(whole) != weights(run)
    assert whole.history["lr"][1] <= usual.learning_rate * BATCH / 256
    interrupted(images, tmp_path / "killed", monkeypatch, optimizer=optimizer)
    assert weights(pretrain(images, tmp_path / "killed", resume=True)) == weights(whole)


def test_a_run_whose_file_lacks_the_arguments_of_today_is_resumed(run, images, tmp_path, monkeypatch):
    """An older sslviz knew no steps, optimiser and weight decay; what it wrote goes on as it began."""
    path = interrupted(images, tmp_path / "old", monkeypatch)
    info = json.loads((path / "run.json").read_text())
    del info["origins"]
    for name in BEFORE:
        del info["arguments"][name]
    (path / "run.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match="was started with weight_decay=0.05, not 0.1"):
        pretrain(images, path, resume=True, weight_decay=0.1)
    assert weights(pretrain(images, path, resume=True)) == weights(run)


def test_the_strength_of_the_views_follows_the_run_and_is_resumed_to_the_same_bits(images, tmp_path, monkeypatch):
    asked, real = [], ViewPolicy.at
    settings = {"strength": (0.0, 1.0), "crop_draws": 2}
    with monkeypatch.context() as patch:
        patch.setattr(ViewPolicy, "at", lambda policy, progress: asked.append(progress) or real(policy, progress))
        whole = pretrain(images, tmp_path / "whole", settings=settings)
    assert asked == [step / 12 for step in range(12)]
    interrupted(images, tmp_path / "stopped", monkeypatch, settings=settings)
    assert weights(pretrain(images, tmp_path / "stopped", settings=settings, resume=True)) == weights(whole)


def test_resuming_with_other_arguments_is_refused(run, images):
    with pytest.raises(ValueError, match="was started with epochs=2, not 4"):
        pretrain(images, run.path, resume=True, epochs=4)


def test_a_folder_that_holds_something_else_is_not_resumed(images, tmp_path):
    Run.create(tmp_path / "imported", {"kind": "import", "arguments": {"encoder": "resnet18"}, "encoder": {}})
    with pytest.raises(ValueError, match="was started with method=None, not 'simclr'"):
        pretrain(images, tmp_path / "imported", resume=True)


def test_two_processes_cannot_train_into_one_folder(run, images):
    import fcntl

    with open(run.path / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="Another process is training into"):
            pretrain(images, run.path, resume=True)


def test_bad_input_is_one_sentence_and_leaves_nothing_behind(run, images, tmp_path):
    for message, changes in {
        "already exists": {"out": run.path},
        "no method 'simclear'; the methods are: .*simclr": {"method": "simclear"},
        "simclr has no setting 'temprature'; it has .*temperature": {"settings": {"temprature": 1}},
        "192 images to train on, fewer than one batch of 512": {"batch_size": 512},
        "no encoder 'resnet19'; did you mean": {"encoder": "resnet19"},
        "epochs must be at least 1; got 0": {"epochs": 0},
        "batch_size must be at least 2; got 1": {"batch_size": 1},
        "checkpoint_every must be at least 1; got 0": {"checkpoint_every": 0},
        "steps must be at least 1; got 0": {"steps": 0},
        "learning_rate must be above 0": {"learning_rate": -1.0},
        "weight_decay must be at least 0; got nan": {"weight_decay": float("nan")},
        "no optimizer 'adam'; the optimizers are: adamw, sgd, lars": {"optimizer": "adam"},
        "cannot be set up as asked": {"devices": "abc"},
        "Precision 'foo' is invalid": {"precision": "foo"},
        "temperature is float, such as 0.2; got 'warm'": {"settings": {"temperature": "warm"}},
        "stop_gradient is bool, such as True; got 'no'": {"method": "simsiam", "settings": {"stop_gradient": "no"}},
        "simclr has no setting 'views'": {"settings": {"views": 3}},
        "scale of views is two ascending numbers": {"settings": {"scale": 3}},
    }.items():
        with pytest.raises(ValueError, match=message):
            pretrain(images, **{"out": tmp_path / "bad", **changes})
        assert not (tmp_path / "bad").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_good(images, tmp_path):
    with pytest.raises(ValueError, match="stopped being a number|no longer numbers"):
        pretrain(images, tmp_path / "nan", learning_rate=1e30, epochs=3)
    assert Run(tmp_path / "nan").checkpoints


def test_images_without_labels_and_without_held_out_ones_are_enough(images, tmp_path):
    plain = Images(images.pixels, images.ids, pd.DataFrame(index=range(len(images))))
    run = sslviz.pretrain(plain, out=tmp_path / "plain", epochs=1, batch_size=BATCH, progress=False)
    assert "knn" not in run.history and run.history["rankme"].notna().all()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_a_vision_transformer(method, tmp_path):
    """A step of it; tests/methods/test_short_training.py trains convolutional nets longer."""
    few, others = (sslviz.shapes(n=8, seed=seed) for seed in (0, 1))
    options = {"encoder": "vit_nano", "steps": 1, "batch_size": 8, "held_out": others, "progress": False}
    run = sslviz.pretrain(few, method, out=tmp_path / "run", **options)
    assert np.isfinite(run.history["loss"][1])
    assert sslviz.embed(run.last, few, progress=False).x.shape == (8, 128)


def test_held_out_images_in_the_order_of_their_classes_are_sampled_not_cut_off(images, tmp_path, monkeypatch):
    """Of images sorted by class, the first few are of one class, and kNN accuracy on them would be 1."""
    monkeypatch.setattr("sslviz.training.monitor.HELD_OUT", 48)
    held_out = images.split("probe")
    in_order = held_out.rows(np.argsort(held_out.table["label"].to_numpy(), kind="stable"))
    run = pretrain(images, tmp_path / "sorted", held_out=in_order, epochs=1)
    assert 0 < run.history["knn"][0] < 0.6  # four classes, an untrained encoder


def test_images_of_which_some_have_no_label_are_trained_on(images, tmp_path):
    table = images.table.assign(label=[None, *images.table["label"][1:]])
    gaps = Images(images.pixels, images.ids, table)
    run = sslviz.pretrain(gaps, out=tmp_path / "gaps", epochs=1, batch_size=BATCH, held_out=gaps, progress=False)
    assert run.info["finished"]


def test_a_memory_map_is_trained_on_without_being_loaded(images, tmp_path):
    train = images.split("train")
    np.save(tmp_path / "pixels.npy", train.pixels)
    mapped = Images(np.load(tmp_path / "pixels.npy", mmap_mode="r"), train.ids, train.table, spec=train.spec)
    options = {"epochs": 1, "batch_size": BATCH, "held_out": images.split("probe"), "progress": False}
    one = sslviz.pretrain(mapped, out=tmp_path / "mapped", **options)
    two = sslviz.pretrain(train, out=tmp_path / "whole", **options)
    assert weights(one) == weights(two)


def test_embedding_does_not_depend_on_the_batch_and_restores_the_encoders_mode(run, images, monkeypatch):
    encoder = run.last.encoder().train()
    monkeypatch.setattr("sslviz.features.batches.BATCH", 64)  # at 32 pixels, so that these pictures are two batches
    assert batch_size(encoder) < len(images)
    many = embed_pixels(encoder, images.pixels)
    first, last = (embed_pixels(encoder, some) for some in (images.pixels[:7], images.pixels[-7:]))
    assert encoder.training
    np.testing.assert_allclose(first, many[:7], atol=1e-5)
    np.testing.assert_allclose(last, many[-7:], atol=1e-5)


def test_images_are_brought_to_the_encoders_size_with_anti_aliasing():
    """A checkerboard of single pixels shrunk to half its size is plain grey, not a sample of its squares."""
    encoder = create_encoder("conv_nano", image_size=32)
    board = torch.from_numpy((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))[None, :, :, None].expand(
        1, 64, 64, 3
    )
    x = preprocess(board, encoder)
    grey = (0.5 - torch.tensor(encoder.mean)) / torch.tensor(encoder.std)
    assert x.shape == (1, 3, 32, 32)
    torch.testing.assert_close(x[0, :, 4:-4, 4:-4], grey.view(3, 1, 1).expand(3, 24, 24), atol=0.02, rtol=0)


def test_every_layer_can_be_embedded_and_an_unknown_one_is_named(run, images):
    few = images.split("test")
    layers = list(run.last.encoder().layers(torch.zeros(1, 3, SIDE, SIDE)))
    for layer in layers:
        features = sslviz.embed(run.last, few, layer=layer, progress=False)
        assert features.source["layer"] == layer and features.source["images"] == few.digest
    np.testing.assert_allclose(features.x, sslviz.embed(run.last, few, progress=False).x, atol=1e-5)  # "pooled" is last
    with pytest.raises(ValueError, match=f"has no layer 'conv9'; it has: {layers[0]}"):
        sslviz.embed(run.last, few, layer="conv9", progress=False)


def test_raw_pixels_are_block_means(images):
    few = images.split("test")
    features = sslviz.raw_pixels(few, size=SIDE // 2)
    blocks = few.pixels.reshape(len(few), SIDE // 2, 2, SIDE // 2, 2, 3).mean((2, 4)) / 255
    np.testing.assert_allclose(features.x, blocks.transpose(0, 3, 1, 2).reshape(len(few), -1), atol=1e-6)


def test_a_truncated_checkpoint_is_one_sentence(run, images, tmp_path):
    import shutil

    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    file = Run(copy).last.path
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="truncated"):
        sslviz.embed(Run(copy).last, images.split("test"))
