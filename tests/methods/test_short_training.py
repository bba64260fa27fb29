"""Every method moves off its start in seconds, can be killed at any step, and does not collapse."""

import shutil

import numpy as np
import pytest
import torch

import sslviz
from sslviz.encoders.presets import PRESETS
from sslviz.methods import METHODS

from .contract import needs_a_transformer
from .small_transformer import vit_small

SIDE, EPOCHS, BATCH = 16, 3, 32
STOP = 7  # the step in which a training is cut off: amid an epoch of five
SETTINGS = {"moco": {"queue_size": 64}}  # full after two steps: until then most negatives are random directions


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=280, size=SIDE, seed=0)


def pretrain(images, method, out, **changes):
    options = {"epochs": EPOCHS, "batch_size": BATCH, "eval_every": EPOCHS, "progress": False, **changes}
    train, held_out = images.split("train"), images.split("probe")
    return sslviz.pretrain(
        train,
        method,
        out=out,
        held_out=held_out,
        encoder="vit_small" if needs_a_transformer(METHODS[method]) else "conv_nano",
        settings=SETTINGS.get(method),
        precision="32-true",
        **options,
    )


@pytest.mark.slow  # a training of fifteen steps, and the last ten of it again
@pytest.mark.parametrize("method", METHODS)
def test_it_learns_without_collapsing_and_survives_being_cut_off(method, images, tmp_path, monkeypatch):
    from sslviz.training import pretrain as loop

    monkeypatch.setitem(PRESETS, "vit_small", vit_small)
    calls, real = [], loop.update_ema

    def copied(*arguments):
        calls.append(1)
        if len(calls) == STOP:  # what a process that is killed here leaves behind
            shutil.copytree(tmp_path / "run", tmp_path / "cut off")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "update_ema", copied)
        run = pretrain(images, method, tmp_path / "run")
    losses = run.history["loss"].dropna()
    assert losses.iloc[-1] < losses.max()  # not below the first: momentum and queues make it harder at first
    before, after = (
        sslviz.collapse(sslviz.embed(c, images.split("test"), progress=False)) for c in (run.checkpoints[0], run.last)
    )
    # Of a transformer the class token is read, which is nearly the same for all images before training already.
    fewest = before.numbers["directions"] / 2
    assert after.verdict == "healthy" or (before.verdict != "healthy" and after.numbers["directions"] > fewest)

    resumed = pretrain(images, method, tmp_path / "cut off", resume=True)
    assert resumed.info["finished"] and len(calls) == EPOCHS * 5
    whole, again = (torch.load(r.path / "resume.pt", weights_only=True)["model"] for r in (run, resumed))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)  # weights, and every queue, centre and prototype
    np.testing.assert_array_equal(run.history["loss"], resumed.history["loss"])
