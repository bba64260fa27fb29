"""Weights whose names differ: an EfficientNet-Lite0 as another library names it, matched by its order."""

import re

import pytest
import safetensors.torch
import torch

from sslviz.encoders import create_encoder, inspect_weights, load_weights
from sslviz.runs.import_checkpoint import import_checkpoint

NAME = "tf_efficientnet_lite0"
# How efficientnet_lite_pytorch names what timm does: (pattern of timm, theirs); blocks are counted through all stages.
WITHOUT_EXPANSION = ((r"conv_dw", "_depthwise_conv"), (r"bn1", "_bn1"), (r"conv_pw", "_project_conv"), (r"bn2", "_bn2"))
WITH_EXPANSION = (
    (r"conv_pw\b", "_expand_conv"),
    (r"bn1", "_bn0"),
    (r"conv_dw", "_depthwise_conv"),
    (r"bn2", "_bn1"),
    (r"conv_pwl", "_project_conv"),
    (r"bn3", "_bn2"),
)
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}


def theirs_of(state):
    """The same tensors under the other library's names, in its order, with its classifier."""
    blocks = list(dict.fromkeys(re.match(r"blocks\.\d+\.\d+", name)[0] for name in state if name.startswith("blocks")))
    renamed = {}
    for name, tensor in state.items():
        if match := re.match(r"(blocks\.\d+\.\d+)\.(\w+)\.(.*)", name):
            block, layer, rest = match.groups()
            table = WITH_EXPANSION if f"{block}.conv_pwl.weight" in state else WITHOUT_EXPANSION
            new = next(their for pattern, their in table if re.fullmatch(pattern, layer))
            renamed[f"_blocks.{blocks.index(block)}.{new}.{rest}"] = tensor
        else:
            layer, _, rest = name.partition(".")
            renamed[f"{OUTSIDE[layer]}.{rest}"] = tensor
    assert len(renamed) == len(state)
    return renamed | {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def trained():
    """An encoder with weights and statistics of its own."""
    encoder = create_encoder(NAME, image_size=32, seed=7).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in encoder.model.state_dict().items():
            if "running" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return encoder


@pytest.fixture(scope="module")
def other():
    """The same network with other weights, which no file that is refused or only looked into may change."""
    return create_encoder(NAME, image_size=32, seed=1)


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("theirs") / "lite0.pth"
    torch.save({name: tensor.clone() for name, tensor in theirs_of(trained.model.state_dict()).items()}, path)
    return path


def pictures():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_where_only_names_differ_the_way_to_load_it_is_told(file, trained, other, tmp_path):
    (problem,) = inspect_weights(other, file).problems
    assert problem.endswith("If it is the same network, load it with --match order.")
    theirs = theirs_of(trained.model.state_dict())
    torch.save({name: theirs[name] for name in reversed(theirs)}, tmp_path / "reversed.pth")
    (problem,) = inspect_weights(other, tmp_path / "reversed.pth").problems
    assert "--match order" not in problem


@torch.no_grad()
def test_an_efficientnet_lite0_of_another_library(trained, file):
    encoder = create_encoder(NAME, image_size=32, seed=1).eval()
    untrained = encoder(pictures())
    with pytest.raises(ValueError):
        load_weights(encoder, file)  # its names mean nothing
    report = load_weights(encoder, file, match="order")
    torch.testing.assert_close(encoder(pictures()), trained(pictures()))
    assert not torch.allclose(encoder(pictures()), untrained)
    assert dict(report.pairs)["_blocks.0._depthwise_conv.weight"] == "blocks.0.0.conv_dw.weight"
    assert len(report.pairs) == len([name for name in trained.model.state_dict() if "num_batches" not in name])
    assert report.heads == ("_fc.weight", "_fc.bias")
    lines = "\n".join(report.lines)
    assert "Matched by order, not by name: _conv_stem.weight -> conv_stem.weight" in lines
    assert "only the order says which is which" in lines
    assert [list(pair) for pair in report.pairs] == report.to_dict()["pairs"]


def test_it_is_imported_from_the_command_line(file, tmp_path, capsys):
    from sslviz.cli.main import main

    main(["import", "--encoder", NAME, "--weights", str(file), "--match", "order", "--image-size", "32", "--dry-run"])
    assert "Matched by order" in capsys.readouterr().out
    run, _ = import_checkpoint(NAME, weights=file, match="order", image_size=32, out=tmp_path / "run")
    assert ["_bn0.weight", "bn1.weight"] in run.info["import"]["pairs"]


def swapped(state, a, b):
    """The state with two entries in each other's place."""
    names = list(state)
    i, j = names.index(a), names.index(b)
    names[i], names[j] = names[j], names[i]
    return {name: state[name] for name in names}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda s: swapped(s, "_conv_stem.weight", "_bn0.weight"),
            r"tensor 1 of the file is _bn0.weight \(norm \(32,\)\), .* conv_stem.weight \(conv \(32, 3, 3, 3\)\)",
        ),
        (lambda s: swapped(s, "_bn0.weight", "_bn0.bias"), r"is _bn0.bias \(bias \(32,\)\), .* bn1.weight \(norm"),
        (lambda s: dict(list(s.items())[:-40]), r"the encoder \d+"),
        (lambda s: s | {f"more.{i}": torch.zeros(3) for i in range(3)}, "at its end are _fc.weight"),
        (lambda s: {name: t * float("nan") for name, t in s.items()}, "NaN"),
    ],
)
def test_what_does_not_agree_is_refused_and_named(trained, other, tmp_path, change, sentence):
    before = {name: tensor.clone() for name, tensor in other.model.state_dict().items()}
    torch.save(change(theirs_of(trained.model.state_dict())), tmp_path / "theirs.pth")
    with pytest.raises(ValueError, match=sentence):
        load_weights(other, tmp_path / "theirs.pth", match="order")
    assert all(torch.equal(before[name], tensor) for name, tensor in other.model.state_dict().items())
    assert inspect_weights(other, tmp_path / "theirs.pth", match="order").problems


def test_a_file_that_keeps_no_order_is_told_as_the_reason(trained, other, tmp_path):
    theirs = {name: tensor.contiguous() for name, tensor in theirs_of(trained.model.state_dict()).items()}
    safetensors.torch.save_file(theirs, tmp_path / "theirs.safetensors")
    with pytest.raises(ValueError, match="keeps no order"):
        load_weights(other, tmp_path / "theirs.safetensors", match="order")


def test_weights_that_change_nothing_are_refused(other, tmp_path):
    torch.save(theirs_of(other.model.state_dict()), tmp_path / "same.pth")
    with pytest.raises(ValueError, match="the same features as before"):
        load_weights(other, tmp_path / "same.pth", match="order")
