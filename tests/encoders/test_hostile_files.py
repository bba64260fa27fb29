"""Small files that would have a reader work, or take memory, without end: each is refused in a sentence, at once."""

import pickle
import struct
import time
import zipfile

import pytest
import torch

from sslviz.encoders.bounded_unpickler import as_key
from sslviz.encoders.stated import WeightsFile
from sslviz.encoders.weight_files import read_weights

START = b"\x80\x02"


def _class(module, name):
    return b"c" + f"{module}\n{name}\n".encode()


def _number(n):
    return b"\x8a\x10" + n.to_bytes(16, "little", signed=True)


def _put(i):
    return b"r" + struct.pack("<I", i)


def _get(i):
    return b"j" + struct.pack("<I", i)


def _text(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _doubled(levels, one=b")"):
    """A tuple that holds another twice, and that another twice."""
    steps = [b"0" + _get(i) + _get(i) + b"\x86" + _put(i + 1) for i in range(levels)]
    return one + _put(0) + b"".join(steps)


def _called(module, name, given):
    return _class(module, name) + given + b"\x85R"


def _tensor(key, size, stride):
    storage = b"(" + _text("storage") + _class("torch", "FloatStorage") + key + _text("cpu") + _number(4) + b"tQ"
    given = storage + b"K\x00" + size + b"\x85" + stride + b"\x85\x89}"
    return b"}" + _text("w") + _class("torch._utils", "_rebuild_tensor_v2") + b"(" + given + b"tRs"


PROGRAMS = {
    "a deep tuple as a key": b"})" + b"\x85" * 200_000 + b"Ns",
    "a deep tuple in a set": _called("builtins", "set", b")" + b"\x85" * 200_000),
    "a doubled tuple as a key": b"}" + _doubled(60) + b"Ns",
    "a doubled tuple in a frozen set": b"\x80\x04(" + _doubled(60) + b"\x91",
    "frozen sets in each other": b"\x80\x04(" * 60 + b"\x91" * 60,
    "a doubled tuple as a text": _called("builtins", "str", _doubled(60)),
    "a doubled tuple as a name of bytes": _tensor(_doubled(60), _number(4), _number(1)),
    "keys with one hash": b"}(" + b"".join(_number(i * (2**61 - 1)) + b"N" for i in range(1, 20_000)) + b"u",
    "bytes of a number": _called("builtins", "bytes", _number(10**11)),
    "a bytearray of a number": _called("builtins", "bytearray", _number(10**11)),
    "new bytes of a number": _class("builtins", "bytes") + _number(10**11) + b"\x85\x81",
    "a far place in the memo": b"}" + _put(2**31),
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc",
    "a bytearray that is not there": b"\x80\x05\x96" + struct.pack("<Q", 2**34) + b"abc",
    "a tensor that repeats four numbers": _tensor(_text("0"), _number(2**34), _number(0)),
    "one tensor in doubled tuples": b"}"
    + _text("a")
    + _doubled(60, _tensor(_text("0"), _number(4), _number(1)))
    + b"s",
    "dictionaries in doubled tuples": b"}" + _text("args") + _doubled(60, b"}") + b"s",
}


def _zip(path, program, compression=zipfile.ZIP_STORED, data=bytes(64)):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", data)
    return path


def _old(path, program):
    with open(path, "wb") as file:
        for one in (0x1950A86A20F9469CFC6C, 1001, {}):
            pickle.dump(one, file, 2)
        file.write(program + pickle.dumps(["0"]) + struct.pack("<q", 4) + bytes(64))
    return path


@pytest.mark.parametrize("write", [_zip, _old])
@pytest.mark.parametrize("name", PROGRAMS)
def test_small_files_cost_little(tmp_path, name, write):
    path, start = write(tmp_path / "weights.pth", START + PROGRAMS[name] + b"."), time.perf_counter()
    with pytest.raises(ValueError, match=r"weights\.pth") as caught:
        read_weights(path)
    assert len(str(caught.value)) < 300
    WeightsFile(path).stated("resnet18")
    assert time.perf_counter() - start < 8


@pytest.mark.parametrize("where", ["program", "numbers"])
def test_archives_that_unpack_to_far_more_than_themselves_are_refused(tmp_path, where):
    program = START + _tensor(_text("0"), _number(4), _number(1)) + b"."
    much = bytes(2**28 + 2**23)
    given = (program + much, bytes(64)) if where == "program" else (program, much)
    path = _zip(tmp_path / "a.pt", given[0], zipfile.ZIP_DEFLATED, given[1])
    with pytest.raises(ValueError, match="far more than itself"):
        read_weights(path)


def test_what_is_ordinary_is_as_torch_reads_it(tmp_path):
    tree = {"model": {"w": torch.ones(2)}, "arguments": {(1, "a"): {0.5, (2, 3)}, 3: frozenset([1]), None: b"\x00\xff"}}
    torch.save(tree, tmp_path / "a.pt")
    assert set(read_weights(tmp_path / "a.pt").tensors) == {"model.w"}
    samples = [(f"{i}.png", i) for i in range(210_000)]  # as people keep their data's list beside the weights
    torch.save({"model": tree["model"], "samples": samples}, tmp_path / "b.pt")
    assert set(read_weights(tmp_path / "b.pt").tensors) == {"model.w"}


def test_an_empty_file_in_the_old_format_holds_no_tensors(tmp_path):
    torch.save({}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="holds no tensors; expected a state dict"):
        read_weights(tmp_path / "a.pth")


def test_keys_are_themselves_or_their_text():
    assert [as_key(key) for key in ("a", 1, None, True, b"b", 0.5)] == ["a", 1, None, True, b"b", 0.5]
    assert [as_key(key) for key in ((1, "a"), 2**62)] == ["(1, 'a')", str(2**62)]
    with pytest.raises(pickle.UnpicklingError):
        as_key(((1, [2]),))


def test_mean_and_std_are_read_from_arguments_of_unknown_classes(tmp_path):
    class Arguments:  # as a Namespace, or Lightning's dictionaries
        pass

    arguments = Arguments()
    arguments.data = {"mean": [0.1, 0.2, 0.3], "std": (0.3, 0.3, 0.3)}
    Arguments.__qualname__, Arguments.__module__ = "Arguments", __name__
    globals()["Arguments"] = Arguments
    torch.save({"model": {"w": torch.ones(2)}, "args": arguments}, tmp_path / "a.pt")
    assert WeightsFile(tmp_path / "a.pt").stated("resnet18").values["mean"] == [0.1, 0.2, 0.3]
