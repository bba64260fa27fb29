"""What may lie in a file: nothing in it is run, and each thing that is refused has its own sentence.  10 s in all."""

import argparse
import copy
import importlib
import io
import json
import os
import pickle
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from checkpoint_layouts import under
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from sslviz.encoders import create_encoder, load_weights
from sslviz.encoders.pickled_tensors import ForbiddenCode, Inert, TensorUnpickler
from sslviz.encoders.weight_files import read_weights
from sslviz.runtime.random_state import seeded


@pytest.fixture(scope="module")
def state():
    return create_encoder("conv_nano", seed=1).model.state_dict()


@pytest.fixture(scope="module")
def built():
    return create_encoder("conv_nano", seed=0)


@pytest.fixture
def encoder(built):
    return copy.deepcopy(built)  # takes a fifth of the time of building it


# --- nothing is run ----------------------------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *given):
        self.given = function, given

    def __reduce__(self):
        return self.given


class Custom:
    """A class of a user's; that it is loaded leaves a trace."""

    loaded = False

    def __init__(self):
        self.some = [torch.ones(2), {1: 2}]

    def __setstate__(self, state):
        type(self).loaded = True


def _touch(path):
    """A function of a user's, in a module that can be imported."""
    open(path, "w").close()


ATTACKS = {
    "os.mkdir": lambda path: Calls(os.mkdir, path),
    "open": lambda path: Calls(open, path, "w"),
    "exec": lambda path: Calls(exec, f"open({path!r}, 'w')"),
    "eval": lambda path: Calls(eval, f"open({path!r}, 'w')"),
    "a user's function": lambda path: Calls(_touch, path),
    "torch.save": lambda path: Calls(torch.save, {}, path),
    "numpy.save": lambda path: Calls(np.save, path, np.zeros(2)),
    "torch.load": lambda path: Calls(torch.load, path),
    "getattr": lambda path: Calls(getattr, Calls(_touch, path), "real"),
    "map": lambda path: Calls(list, Calls(map, _touch, [path])),
}


def _write(container, tree, folder):
    path = folder / {"shard": "model-00001-of-00001.bin", "tar": "model.pth.tar", "ckpt": "a.ckpt"}.get(
        container, "model.bin"
    )
    if container in ("old format", "tar"):
        torch.save(tree, path, _use_new_zipfile_serialization=False)
    elif container == "pickle":
        path.write_bytes(pickle.dumps(tree))
    else:
        torch.save(
            {"a": {"b": [tree]}} if container == "ckpt" else tree, path, pickle_protocol=4 if container == "ckpt" else 2
        )
    if container == "shard":
        names = {name: path.name for name in tree["model"]} if "model" in tree else {}
        index = {f"model.{name}": file for name, file in names.items()}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
        return folder
    return path


@pytest.mark.parametrize("container", ["zip", "old format", "tar", "ckpt", "shard", "pickle"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_file_is_run(state, encoder, tmp_path, container, attack):
    tree = {"args": ATTACKS[attack](str(tmp_path / "touched")), "model": state}
    path = _write(container, tree, tmp_path)
    try:
        report = load_weights(encoder, path)
    except ValueError as error:
        assert len(str(error)) < 600
    else:
        assert report.ignored_objects, "what was met is said"
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("container", ["zip", "old format", "ckpt"])
def test_classes_are_neither_imported_nor_built(state, encoder, tmp_path, container):
    path = _write(container, {"model": state, "custom": Custom(), "enum": argparse.Namespace(a=1)}, tmp_path)
    report = load_weights(encoder, path)
    assert not Custom.loaded
    assert {name.split(".")[-1] for name in report.ignored_objects} == {"Custom", "Namespace"}
    assert "1 tensors lie inside these objects" in str(report) or "1 tensor lies inside" in str(report)


class Special(torch.Tensor):
    """As people mark tensors with a class of their own."""


def test_tensors_of_a_class_of_their_own_are_read_for_their_numbers(state, encoder, tmp_path):
    torch.save({name: tensor.as_subclass(Special) for name, tensor in state.items()}, tmp_path / "a.pt")
    report = load_weights(encoder, tmp_path / "a.pt")
    assert all(torch.equal(t, state[name]) for name, t in encoder.model.state_dict().items())
    assert [name.split(".")[-1] for name in report.ignored_objects] == ["Special"]


def test_keys_may_be_of_unknown_classes_too(state, encoder, tmp_path):
    torch.save({Custom(): {"x": torch.zeros(2)}, "model": state}, tmp_path / "a.pt")
    (name,) = load_weights(encoder, tmp_path / "a.pt").others
    assert name.endswith("Custom.x")


def test_a_module_that_is_not_there_is_not_missed(state, encoder, tmp_path):
    (tmp_path / "gone_module.py").write_text("class Config(dict):\n    pass\n")
    sys.path.insert(0, str(tmp_path))
    try:
        config = importlib.import_module("gone_module").Config
        torch.save({"model": state, "config": config(a=config(b=1))}, tmp_path / "a.pt")
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["gone_module"]
    assert load_weights(encoder, tmp_path / "a.pt").ignored_objects == {"gone_module.Config": 2}
    assert "gone_module" not in sys.modules


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_end_in_plain_values(data):
    """Random programs: they fail, or give containers and inert objects; functions of ours stay as they are."""
    try:
        TensorUnpickler(io.BytesIO(b"\x80\x02c__main__\nA\n" + data + b".")).load()
    except (ForbiddenCode, MemoryError):
        pass
    except Exception as error:  # of any kind but one that shows a module was looked for
        assert not isinstance(error, ImportError)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",  # writes into a function of ours
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\x00\x00\x00_functionK\x01s\x86b.",
        b"\x80\x02ccollections\nOrderedDict\nN}X\x05\x00\x00\x00itemsK\x01s\x86b.",  # into a class
    ],
)
def test_a_file_cannot_write_into_functions_and_classes(program):
    with pytest.raises((pickle.UnpicklingError, AttributeError, TypeError)):
        TensorUnpickler(io.BytesIO(program)).load()


def test_inert_objects_swallow_everything():
    kind = type("Inert", (Inert,), {"name": "a.B", "found": __import__("collections").Counter()})
    one = kind(1, two=2)
    one["key"] = 3
    one.append(4)
    one.extend([5])
    one.add(6)
    one.__setstate__({"_parameters": {}, "_modules": {}})
    assert one.is_module and isinstance(one(7), Inert) and kind.found == {"a.B": 2}


# --- what is refused ---------------------------------------------------------------------------------------------------


def _bytes(data):
    return lambda folder, state: _placed(folder / "weights.pth", data)


def _placed(path, data):
    path.write_bytes(data)
    return path


def _torch(change, name="weights.pth", **options):
    def write(folder, state):
        torch.save(change(state), folder / name, **options)
        return folder / name

    return write


def _zip(files, name="weights.pth"):
    def write(folder, state):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for file in files:
                archive.writestr(file, b"1")
        return folder / name

    return write


def _tar(folder, state):
    with tarfile.open(folder / "weights.tar", "w") as archive:
        torch.save(state, folder / "inside.pth")
        archive.add(folder / "inside.pth")
    return folder / "weights.tar"


def _index(places, *, files=()):
    def write(folder, state):
        for file in files:
            save_file({"a": torch.zeros(2)}, folder / file)
        path = folder / "model.safetensors.index.json"
        path.write_text(json.dumps(places) if isinstance(places, dict) else places)
        return path

    return write


def _torchscript(folder, state):
    net = torch.jit.script(nn.Linear(2, 2))
    torch.jit.save(net, str(folder / "weights.pt"))
    return folder / "weights.pt"


def _shard_alone(folder, state):
    half = dict(list(state.items())[: len(state) // 2])
    save_file(half, folder / "model-00001-of-00002.safetensors")
    return folder / "model-00001-of-00002.safetensors"


def _folder(*names):
    def write(folder, state):
        for name in names:
            (folder / name).write_bytes(b"{}")
        return folder

    return write


def _quantized(state):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, on its quantised tensors
        return {"w": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}


def _as(dtype):
    return lambda state: {name: t.to(dtype) if t.ndim == 4 else t for name, t in state.items()}


def _first(state, channels):
    name = next(name for name, t in state.items() if t.ndim == 4)
    return state | {name: torch.zeros(state[name].shape[0], channels, *state[name].shape[2:])}


def _broken(state):
    name = next(iter(state))
    return state | {name: torch.full_like(state[name], float("nan"))}


REFUSED = {
    "TorchScript": (_torchscript, r"is a TorchScript archive.*torch\.jit\.load"),
    "torch.export": (_zip(["a/archive_format", "a/models/model.json"]), r"is a program by torch\.export"),
    "a whole module": (
        _torch(lambda s: nn.Linear(2, 2)),
        r"whole pickled network of class torch\.nn\.modules\.linear\.Linear.*state_dict",
    ),
    "a module inside": (
        _torch(lambda s: {"model": nn.Linear(2, 2), "epoch": 3}),
        r"whole pickled network.*state_dict\(\)",
    ),
    "a module, old format": (
        _torch(lambda s: {"model": nn.Linear(2, 2)}, _use_new_zipfile_serialization=False),
        r"whole pickled network",
    ),
    "missing shard": (
        _index({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}, files=["x-1.safetensors"]),
        r"missing: x-2.* \(1 of 2\)",
    ),
    "shard without its tensor": (
        _index({"weight_map": {"b": "x.safetensors"}}, files=["x.safetensors"]),
        r"1 tensors that no shard holds \(b\)",
    ),
    "shard outside": (_index({"weight_map": {"a": "../x.safetensors"}}), r"outside its folder"),
    "index of something else": (_index({"a": 1}), r"no index of shards; expected JSON with a weight_map"),
    "broken index": (_index("{"), r"no index of shards"),
    "one shard": (_shard_alone, r"one of 2 shards: name their index"),
    "empty folder": (_folder("notes.txt"), r"no weights file in"),
    "folder of many": (_folder("a.pt", "b.pt"), r"holds 2 files of weights \(a\.pt, b\.pt\); name one"),
    "distributed folder": (_folder(".metadata", "__0_0.distcp"), r"distributed checkpoint.*dcp_to_torch_save"),
    "our own run": (_folder("run.json"), r"is a run of sslviz already"),
    "empty": (_bytes(b""), r"is empty"),
    "web page": (_bytes(b"\n<!DOCTYPE html><html>sign in</html>"), r"is a web page.*fetch the file again"),
    "git-lfs": (
        _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        r"pointer of git-lfs.*git lfs pull",
    ),
    "gzip": (_bytes(b"\x1f\x8b\x08" + bytes(60)), r"compressed by gzip\. Unpack"),
    "Keras": (_bytes(b"\x89HDF\r\n\x1a\n" + bytes(60)), r"Keras file"),
    "TensorFlow": (
        lambda folder, s: _placed(folder / "model.ckpt.data-00000-of-00001", bytes(9)),
        r"TensorFlow checkpoint",
    ),
    "ONNX": (lambda folder, s: _placed(folder / "model.onnx", b"\x08\x07"), r"ONNX graph"),
    "Flax": (lambda folder, s: _placed(folder / "flax_model.msgpack", b"\x82"), r"Flax file"),
    "numpy archive": (_zip(["params/a.npy"], "model.npz"), r"numpy arrays, as JAX"),
    "numpy archive called pth": (_zip(["a.npy", "b.npy"]), r"numpy arrays, as JAX"),
    "packed folder": (_zip(["run/weights.pth", "run/log.txt"]), r"zip archive of 2 files.*Unpack it"),
    "tar": (_tar, r"is a tar archive\. Unpack"),
    "plain pickle": (
        lambda folder, s: _placed(folder / "a.pkl", pickle.dumps({"a": np.zeros(3)})),
        r"pickle that torch\.save did not write",
    ),
    "numpy in torch.save": (_torch(lambda s: {"a": np.zeros(3)}), r"numpy arrays instead of tensors"),
    "JSON": (_bytes(b'{"lr": 1}'), r"is JSON, not weights"),
    "words": (_bytes(b"these are no weights"), r"truncated or not a weights file"),
    "no tensors": (
        _torch(lambda s: {"epoch": 3, "args": argparse.Namespace()}),
        r"holds no tensors \(but argparse\.Namespace\)",
    ),
    "optimiser alone": (
        _torch(lambda s: {"state": {i: {"exp_avg": t} for i, t in enumerate(s.values())}, "param_groups": []}),
        r"state of an optimiser and no network",
    ),
    "quantised": (_torch(_quantized), r"quantised tensors"),
    "int8": (_torch(_as(torch.int8)), r"quantised weights"),
    "float8": (_torch(_as(torch.float8_e4m3fn)), r"quantised weights"),
    "FSDP, flat": (
        _torch(lambda s: {"_fsdp_wrapped_module._flat_param": torch.zeros(99)}),
        r"FSDP flattened.*full_state_dict",
    ),
    "Flax names": (
        _torch(lambda s: {f"block{i}.Conv_0.kernel": torch.zeros(2) for i in range(9)}),
        r"names of a Flax model",
    ),
    "other names": (
        _torch(lambda s: {f"x{i}.w": torch.zeros(2) for i in range(60)}),
        r"tensors are missing \(.*match next to nothing; the first are x0\.w, x1\.w, x2\.w, \.\.\.",
    ),
    "one channel": (_torch(lambda s: _first(s, 1)), r"pictures of 1 channel; .*repeat\(1, 3, 1, 1\) / 3"),
    "four channels": (_torch(lambda s: _first(s, 4)), r"pictures of 4 channels; .*w\[:, :3\]"),
    "NaN": (_torch(_broken), r"NaN or infinite weights in 1 tensors"),
    "extra layers": (
        _torch(lambda s: s | {"stages.9.0.conv.weight": torch.zeros(2)}),
        r"1 in the file have no place in it \(stages\.9",
    ),
    "squeeze and excitation": (
        _torch(lambda s: under("module.", s | {"stages.1.0.se.fc1.weight": torch.zeros(2)})),
        r"no place in it \(stages\.1\.0\.se\.fc1\.weight\).*--allow-unused",
    ),
    "a layer fewer": (_torch(lambda s: dict(list(s.items())[:-6])), r"of its \d+ tensors are missing"),
    "two of a kind": (
        _torch(lambda s: {"left": s, "right": {k: t + 1 for k, t in s.items()}}),
        r"2 networks that fit \(left, right\).*--from left",
    ),
    "two of a kind in a list": (
        _torch(lambda s: {"nets": [s, {k: t + 1 for k, t in s.items()}]}),
        r"2 networks that fit \(nets\.0, nets\.1\)",
    ),
    "weights inside an object": (
        _torch(lambda s: {"train_state": argparse.Namespace(model=dict(s)), "epoch": 3}),
        r"holds 54 tensors inside objects that are not read \(argparse\.Namespace\).*state_dict\(\) alone",
    ),
    "sparse": (_torch(lambda s: {name: t.to_sparse() for name, t in s.items()}), r"sparse tensors.*to_dense"),
    "adapters": (
        _torch(lambda s: {f"base_model.model.{name}.lora_A.weight": t for name, t in s.items()}),
        r"adapters \(LoRA\).*merge_and_unload",
    ),
    "adapters beside": (_torch(lambda s: s | {"blocks.0.lora_A": torch.ones(2)}), r"adapters \(LoRA\)"),
    "one tensor": (_torch(lambda s: torch.ones(2)), r"one tensor and no network"),
    "a list of tensors": (_torch(lambda s: list(s.values())), r"list of \d+ tensors without names"),
    "no running statistics": (
        _torch(lambda s: {name: t for name, t in s.items() if "running" not in name}),
        r"lacks the running mean and variance.*state_dict",
    ),
    "doubling": (_torch(lambda s: _doubling([1])), r"holds no tensors"),
    "doubling of a tensor": (_torch(lambda s: _doubling([torch.ones(1)])), r"nested without end"),
    "self-containing": (_torch(lambda s: _loop()), r"nested without end|no tensors"),
}


def _doubling(tree):
    """Small in the file, without end when it is walked through."""
    for _ in range(60):
        tree = [tree, tree]
    return {"a": tree}


def _loop():
    tree = {"a": 1}
    tree["tree"] = tree
    return tree


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore")  # of torch, on the odd tensors that are written here
def test_what_is_refused_has_its_own_sentence(state, encoder, tmp_path, case):
    write, said = REFUSED[case]
    before = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    with seeded(0), pytest.raises(ValueError, match=f"(?s){said}") as caught:
        load_weights(encoder, write(tmp_path, state))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    assert all(torch.equal(t, before[name]) for name, t in encoder.model.state_dict().items())


class DTensor:
    """As torch's own: it is told by its name."""


def test_tensors_that_lie_on_several_processes(encoder, tmp_path):
    torch.save({"model": {"a": DTensor(), "b": DTensor()}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"DTensor or FSDP.*full_state_dict=True"):
        load_weights(encoder, tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["zip", "old format", "safetensors"])
@given(share=st.floats(0, 0.999))
def test_truncated_files_are_refused_wherever_they_end(whole_files, tmp_path_factory, name, share):
    whole = whole_files[name]
    path = tmp_path_factory.getbasetemp() / f"truncated-{name.split()[0]}"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"truncated|damaged|empty"):
        read_weights(path)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    folder, tree = tmp_path_factory.mktemp("whole"), {"a": torch.arange(50.0), "b": torch.arange(7)}
    torch.save(tree, folder / "zip")
    torch.save(tree, folder / "old format", _use_new_zipfile_serialization=False)
    save_file(tree, folder / "safetensors")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- tensors as torch itself reads them ------------------------------------------------------------------------------

DTYPES = [
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(DTYPES),
    step=st.integers(1, 3),
    flip=st.booleans(),
    zipped=st.booleans(),
    protocol=st.sampled_from([2, 4, 5]),
)
def test_tensors_are_what_torch_reads(tmp_path_factory, shape, dtype, step, flip, zipped, protocol):
    path = tmp_path_factory.getbasetemp() / "tensors.pt"
    long = torch.arange(4096, dtype=torch.float32)[5:].to(dtype)
    tensor = long[: step * int(np.prod(shape))][::step].reshape(shape)
    tensor = tensor.transpose(0, -1) if flip and shape else tensor
    tree = {"x": tensor, "beside": {"y": [long[3:9], nn.Parameter(torch.ones(2))]}}
    torch.save(tree, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    truth, file = torch.load(path, weights_only=protocol == 2), read_weights(path)
    assert list(file.tensors) == ["x", "beside.y.0", "beside.y.1"]
    for name, expected in [("x", truth["x"]), ("beside.y.0", long[3:9]), ("beside.y.1", torch.ones(2))]:
        assert file.tensors[name].dtype == expected.dtype and torch.equal(file.tensors[name], expected)
    del file


def test_a_large_file_is_mapped_not_copied(tmp_path):
    torch.save({"a": torch.zeros(1000), "b": torch.ones(1000)}, tmp_path / "a.pt")
    tensors = read_weights(tmp_path / "a.pt").tensors
    assert tensors["a"].untyped_storage().data_ptr() == tensors["b"].untyped_storage().data_ptr()
