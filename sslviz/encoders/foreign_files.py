"""Files that are taken for weights and are something else: what they are, and the way out."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

FOREIGN = (  # how files begin that are often taken for weights; what they are; the way out
    (
        b"<!doctype",
        "is a web page, not weights",
        "The download asked for a login or a confirmation; fetch the file again.",
    ),
    (b"<html", "is a web page, not weights", "The download asked for a login or a confirmation; fetch the file again."),
    (b"<?xml", "is an answer of a server, not weights", "Fetch the file again."),
    (b"version https://git-lfs", "is a pointer of git-lfs, not the weights", "Run `git lfs pull` where it came from."),
    (b"\x89hdf", "is a Keras file (HDF5)", "Convert it to a PyTorch state dict first."),
    (b"\x1f\x8b", "is compressed by gzip", "Unpack it, and import what is inside."),
    (b"bzh", "is compressed by bzip2", "Unpack it, and import what is inside."),
    (b"\xfd7zxz", "is compressed by xz", "Unpack it, and import what is inside."),
    (b"(\xb5/\xfd", "is compressed by zstandard", "Unpack it, and import what is inside."),
    (b"gguf", "is a quantised model for llama.cpp (GGUF)", "Take the original weights."),
    (b"\x93numpy", "is one numpy array", "Save a state dict of all weights with torch.save or safetensors."),
)
FOREIGN_SUFFIXES = {
    ".onnx": ("is an ONNX graph", "Take the PyTorch weights that it was exported from."),
    ".msgpack": ("is a Flax file", "Convert it to a PyTorch state dict first."),
    ".npz": ("holds numpy arrays, as JAX models are published", "Convert it to a PyTorch state dict first."),
    ".pb": ("is a TensorFlow graph", "Convert it to a PyTorch state dict first."),
    ".h5": ("is a Keras file", "Convert it to a PyTorch state dict first."),
    ".index": ("is the index of a TensorFlow checkpoint", "Convert it to a PyTorch state dict first."),
    ".tflite": ("is a TensorFlow Lite model", "Take the PyTorch weights."),
    ".engine": ("is a TensorRT engine", "Take the PyTorch weights that it was built from."),
    ".mlmodel": ("is a Core ML model", "Take the PyTorch weights that it was converted from."),
}
AGAIN = "it is truncated or not a weights file. Copy it again."


def refuse_foreign(path: Path, start: bytes) -> None:
    """ValueError for what begins, or is called, like something else."""
    if not start:
        raise ValueError(f"{path} is empty; it is truncated or not a weights file. Copy it again.")
    for magic, what, way_out in FOREIGN:
        if start.lstrip().lower().startswith(magic):
            raise ValueError(f"{path} {what}. {way_out}")
    suffix = ".index" if path.suffix == ".index" or ".data-0" in path.name else path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES:
        what, way_out = FOREIGN_SUFFIXES[suffix]
        raise ValueError(f"{path} {what}. {way_out}")


def refuse_other_archives(path: Path) -> None:
    """ValueError for zip archives that torch.save did not write: programs, arrays, packed folders."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged: {AGAIN}") from error
    inside = {name.split("/", 1)[-1] for name in names}
    if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
        raise ValueError(
            f"{path} is a TorchScript archive, a program with weights, and is not run. If you trust it, save its weights "
            'alone: `torch.save(torch.jit.load(FILE, "cpu").state_dict(), "weights.pt")`.'
        )
    if "archive_format" in inside or any(name.startswith("models/") for name in inside):
        raise ValueError(f"{path} is a program by torch.export. Save the state_dict() of the model it was made from.")
    if all(name.endswith(".npy") for name in names):
        what, way_out = FOREIGN_SUFFIXES[".npz"]
        raise ValueError(f"{path} {what}. {way_out}")
    if "data.pkl" not in inside and "data.pkl" not in names:
        raise ValueError(f"{path} is a zip archive of {len(names)} files ({few(names)}). Unpack it, and import one.")


def unknown(path: Path, start: bytes) -> ValueError:
    """The error for a file that begins like nothing we read."""
    if path.suffix == ".safetensors":
        return ValueError(f"{path} is damaged: {AGAIN}")
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return ValueError(
            f"{path} is a pickle that torch.save did not write, or a truncated one. Load it where it was made, and save the "
            "model's state_dict() with torch.save or safetensors."
        )
    if start[:1] in b"{[":
        return ValueError(f"{path} is JSON, not weights. A file that names shards is called *.index.json.")
    with open(path, "rb") as file:
        file.seek(257)
        if file.read(5) == b"ustar":
            return ValueError(f"{path} is a tar archive. Unpack it, and import what is inside.")
    return ValueError(f"{path} cannot be read; {AGAIN}")


def few(names: Sequence[str], n: int = 3) -> str:
    """The first `n` names, and dots for more."""
    return ", ".join(map(str, names[:n])) + (", ..." if len(names) > n else "")
