import os

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.encoders.weights import load_weights
from sslviz.methods import SimCLR
from sslviz.runtime.random_state import seeded

PREFIXES = ["", "module.", "backbone.", "encoder.", "student.", "teacher.", "model.", "_orig_mod.", "base_encoder."]
REPEATED = ["module.module.", "module.backbone.", "_orig_mod.module.encoder.", "encoder.model."]


@pytest.fixture
def trained():
    return create_encoder("conv_nano", seed=1)


@pytest.fixture
def encoder():
    return create_encoder("conv_nano", seed=0)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def renamed(state, prefix):
    return {prefix + name: tensor.clone() for name, tensor in state.items()}


@pytest.mark.parametrize("prefix", PREFIXES + REPEATED)
@pytest.mark.parametrize("container", [None, "state_dict", "model", "teacher"])
def test_prefixes_and_containers_come_off(trained, encoder, tmp_path, prefix, container):
    state = renamed(trained.model.state_dict(), prefix)
    torch.save({container: state, "epoch": 3} if container else state, tmp_path / "weights.pt")
    report = load_weights(encoder, tmp_path / "weights.pt")
    assert same(encoder, trained)
    assert set(report.matched) == set(trained.model.state_dict()) and report.unexpected == ()
    assert report.prefix == (f"{container}." if container else "") + prefix


@pytest.mark.parametrize("prefix", PREFIXES)
def test_safetensors(trained, encoder, tmp_path, prefix):
    save_file(renamed(trained.model.state_dict(), prefix), tmp_path / "weights.safetensors")
    load_weights(encoder, tmp_path / "weights.safetensors")
    assert same(encoder, trained)


def test_our_own_checkpoints(trained, encoder, tmp_path):
    method = SimCLR(trained)
    save_file(method.state_dict(), tmp_path / "000400.safetensors")
    report = load_weights(encoder, tmp_path / "000400.safetensors")
    assert same(encoder, trained)
    assert set(report.unexpected) == {f"projector.{name}" for name in method.projector.state_dict()}


def test_what_was_left_over_is_reported(trained, encoder, tmp_path):
    heads = {"module.fc.weight": torch.zeros(3, 128), "module.predictor.0.bias": torch.zeros(3)}
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    state = renamed(trained.model.state_dict(), "module.") | heads
    torch.save({"model": state, "optimizer": optimizer}, tmp_path / "weights.pth")
    report = load_weights(encoder, tmp_path / "weights.pth")
    assert set(report.unexpected) == {f"model.{name}" for name in heads} | {"optimizer.state.0.exp_avg"}
    assert f"{len(report.matched)} weights loaded, found under 'model.module.'; 3 others" in str(report)


@pytest.mark.parametrize("order", [("teacher", "student"), ("student", "teacher")])
def test_of_two_networks_the_teacher_is_taken(trained, encoder, tmp_path, order):
    other = create_encoder("conv_nano", seed=2)
    states = {"teacher": trained.model.state_dict(), "student": renamed(other.model.state_dict(), "module.")}
    torch.save({name: states[name] for name in order}, tmp_path / "weights.pt")
    load_weights(encoder, tmp_path / "weights.pt")
    assert same(encoder, trained)


@pytest.mark.parametrize("numbered", [False, True])
@torch.no_grad()
def test_a_torchvision_resnet_becomes_timms(tmp_path, numbered):
    with seeded(0):
        resnet = torchvision.models.resnet18()
    copy = nn.Sequential(*list(resnet.children())[:-1]) if numbered else resnet
    torch.save(renamed(copy.state_dict(), "backbone."), tmp_path / "weights.pt")
    encoder = create_encoder("resnet18", image_size=None)
    report = load_weights(encoder, tmp_path / "weights.pt")
    assert report.unexpected == (() if numbered else ("backbone.fc.weight", "backbone.fc.bias"))
    resnet.fc = nn.Identity()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.eval()(x), resnet.eval()(x))


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"name": "resnet18"}, r"conv1\.weight \(64, 3, 3, 3\) instead of \(64, 3, 7, 7\)"),
        ({"name": "resnet34", "stem": "standard"}, r"have no place in it \(layer1\.2\.conv1\.weight"),
        ({"name": "resnet26", "stem": "standard"}, r"have another shape \(layer1\.0\.conv1\.weight"),
        ({"name": "conv_nano"}, r"tensors are missing \(conv1\.weight, bn1\.weight, bn1\.bias, \.\.\.\)"),
    ],
)
def test_weights_of_another_architecture_name_the_layers_that_differ(tmp_path, theirs, said):
    torch.save(renamed(create_encoder(**theirs).model.state_dict(), "module."), tmp_path / "weights.pt")
    encoder, before = (create_encoder("resnet18", stem="standard") for _ in range(2))
    with pytest.raises(ValueError, match=rf"another architecture than {{\"name\": \"resnet18\"[^\n]*{said}"):
        load_weights(encoder, tmp_path / "weights.pt")
    assert same(encoder, before)


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["weights.pt", "weights.ckpt", "weights.bin"])
def test_pickles_with_code_are_refused_and_not_run(trained, encoder, tmp_path, name, zipped):
    state = {"model": trained.model.state_dict(), "args": RunsCode(tmp_path / "executed")}
    torch.save(state, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"could run code and are refused\. Save the model's state_dict\(\)"):
        load_weights(encoder, tmp_path / name)
    assert not (tmp_path / "executed").exists()
    assert same(encoder, create_encoder("conv_nano", seed=0))


@pytest.mark.parametrize("name", ["weights.pt", "old.pt", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_files_are_answered(trained, encoder, tmp_path, name, share):
    path, state = tmp_path / name, trained.model.state_dict()
    if name.endswith("safetensors"):
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=name != "old.pt")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"truncated or not a weights file|is damaged"):
        load_weights(encoder, path)


def test_files_that_are_no_weights_are_answered(encoder, tmp_path):
    (tmp_path / "words.pt").write_text("these are not weights")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    for name, said in [("words.pt", "not a weights file"), ("empty.pt", "no tensors"), ("none.pt", "There is no")]:
        with pytest.raises(ValueError, match=said):
            load_weights(encoder, tmp_path / name)
    with pytest.raises(ValueError, match=r"holds 2 files of weights \(empty\.pt, words\.pt\); name one"):
        load_weights(encoder, tmp_path)
