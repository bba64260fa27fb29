"""A training that begins with the weights of a checkpoint."""

import pytest
from safetensors.torch import load_file

import sslviz
from sslviz.cli.main import main

GIVEN = {"epochs": 1, "batch_size": 32, "progress": False}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return sslviz.pretrain(sslviz.shapes(n=80, size=16), out=tmp_path_factory.mktemp("r") / "first", seed=3, **GIVEN)


def encoder_weights(checkpoint):
    return {name: x for name, x in load_file(checkpoint.path).items() if name.startswith("encoder.")}


@pytest.mark.parametrize("method", ["simclr", "byol"])  # the second keeps a slow copy, which starts from them too
def test_step_0_holds_the_weights_of_the_checkpoint_and_it_goes_on_from_there(first, tmp_path, method):
    images = sslviz.restyled(sslviz.shapes(n=80, size=16), "night")
    run = sslviz.pretrain(images, method, out=tmp_path / "r", start=first.last, **GIVEN)
    before, begun, after = (encoder_weights(one) for one in (first.last, run.checkpoints[0], run.last))
    assert before and before.keys() == begun.keys() and all((before[name] == begun[name]).all() for name in before)
    assert any((after[name] != begun[name]).any() for name in after)
    said = {"run": "first", "step": first.last.step, "weights": first.last.digest}
    assert run.info["arguments"]["start"] == said
    assert "start" not in first.info["arguments"]


def test_another_encoder_is_one_sentence_and_nothing_is_written(first, tmp_path):
    with pytest.raises(ValueError, match="first holds the encoder 'conv_nano', but 'vit_nano' is to be trained"):
        sslviz.pretrain(sslviz.shapes(n=80, size=16), out=tmp_path / "r", encoder="vit_nano", start=first.last, **GIVEN)
    assert not (tmp_path / "r").exists()


def test_the_command_line_names_the_run(first, tmp_path):
    out = tmp_path / "r"
    size = ["--epochs", "1", "--batch-size", "32", "--no-progress"]
    main(
        [
            "pretrain",
            "--images",
            "shapes:n=100,size=16,style=night",
            "--out",
            str(out),
            "--start",
            str(first.path),
            *size,
        ]
    )
    assert sslviz.Run(out).info["arguments"]["start"]["run"] == "first"
