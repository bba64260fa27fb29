"""An encoder as an ONNX file that was held to what the encoder itself gives before it appeared."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sslviz.data import Images, shapes
from sslviz.encoders import Encoder
from sslviz.encoders.timm_model import first_line
from sslviz.explanations.pictures import require_pictures
from sslviz.features.embed import preprocess
from sslviz.runs import Checkpoint
from sslviz.runtime.files import atomic_write, check_file

NEEDED = ("onnx", "onnxscript")  # torch's exporter is written in them
CHECKED = 8  # pictures: a graph that is wrong is wrong on the first
BATCHES = (1, 3)  # pictures at a time: a file may be right at one of them alone (pytorch#148886)
TOLERANCE = 1e-3  # of the largest feature: rounding in another order gives 1e-6
LARGEST = 2 * 10**9  # bytes of one file: what protobuf can hold is 2 GiB


@dataclass(frozen=True)
class Exported:
    """An ONNX file, and how near what it gives comes to what the encoder gives.

    - path: of the file
    - megabytes: of it
    - difference: the largest difference of a feature, as a share of the largest feature
    - cosine: the least cosine of a picture's features from the file and from the encoder, both less their mean
    - other_cosine: the mean of the same between different pictures, the control
    - checked_by: who ran the file
    """

    path: Path
    megabytes: float
    difference: float
    cosine: float
    other_cosine: float
    checked_by: str

    def __str__(self) -> str:
        """What was written and how near it comes, in a sentence."""
        return (
            f"{self.path}: {self.megabytes:.1f} MB; features differ by {self.difference:.1e} of the largest at most, cosine "
            f"{self.cosine:.4f} (other pictures {self.other_cosine:.2f}), as {self.checked_by} runs it."
        )


def export_onnx(checkpoint: Checkpoint, path: str | Path, *, images: Images | None = None) -> Exported:
    """Does the encoder give the same outside of Python?  Writes it as one ONNX file, after checking that it does.

    The file takes "pixels", float32 (batch, 3, s, s) from 0 to 1, of any number of pictures, and gives "features",
    float32 (batch, d).  It normalises itself; resizing is left to the caller, and how is said in the file's metadata.
    Before the file appears, its features of `images` (by default drawn ones) are compared with the encoder's, at one
    and at three pictures.  They are computed by onnxruntime where there is one, else by the reference of `onnx`.

    ValueError without the packages, for clips and fewer than three pictures, for networks that cannot be exported, for
    more than 2 GB of weights, and where features differ.  Nothing is written then.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("mine", 0, {"name": "conv_nano"}, path=None)
        >>> print(sslviz.export_onnx(checkpoint, "mine.onnx"))  # doctest: +SKIP
        mine.onnx: 1.1 MB; features differ by 6.0e-07 of the largest at most, cosine 1.0000 (other pictures 0.03), ...

    Caveat: Features that agree on a few pictures are no proof for all; probe the file's features before it is deployed.
    """
    path = Path(path)
    check_file(path)
    if lacking := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise ValueError(f"An export needs {', '.join(lacking)}; install them with `pip install sslviz[onnx]`.")
    encoder = checkpoint.encoder()
    if sum(t.numel() * t.element_size() for t in encoder.state_dict().values()) > LARGEST:
        raise ValueError(f"{checkpoint.run} has more than 2 GB of weights, which one ONNX file cannot hold.")
    images = shapes(n=8, size=max(16, encoder.image_size), seed=0) if images is None else images
    require_pictures(images, "An export needs pictures (n, h, w, 3) to be checked on")
    if len(images) < max(BATCHES):
        raise ValueError(f"An export needs at least {max(BATCHES)} pictures to be checked on; got {len(images)}.")
    content = _exported(checkpoint, encoder)
    difference, cosine, other, by = _compared(content, encoder, images.pixels)
    with atomic_write(path) as file:
        file.write(content)
    return Exported(path, len(content) / 1e6, difference, cosine, other, by)


class _FromPixels(nn.Module):
    """The encoder behind its own normalisation: pictures from 0 to 1 in, features out."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        for name, value in (("mean", encoder.mean), ("std", encoder.std)):
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(b, 3, s, s) -> (b, d)."""
        return self.encoder((pixels - self.mean) / self.std)


def _exported(checkpoint: Checkpoint, encoder: Encoder) -> bytes:
    """The ONNX file; ValueError for networks that torch cannot export."""
    pixels = torch.zeros(2, 3, encoder.image_size, encoder.image_size)  # a batch of one would be baked in
    batch = {0: torch.export.Dim("batch", min=1)}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about its own code; what it cannot export it raises
            program: Any = torch.onnx.export(
                _FromPixels(encoder).eval(),
                (pixels,),
                input_names=["pixels"],
                output_names=["features"],
                dynamic_shapes=(batch,),
                dynamo=True,
                verbose=False,
                external_data=False,
            )
    except Exception as error:  # torch's own and onnxscript's, of many kinds
        raise ValueError(f"{checkpoint.run} ({encoder.name}) cannot be exported: {first_line(error)}") from error
    proto = program.model_proto
    for key, value in _metadata(checkpoint, encoder).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return proto.SerializeToString()


def _metadata(checkpoint: Checkpoint, encoder: Encoder) -> dict[str, str]:
    """What somebody who meets the file alone needs to know."""
    fed = {"size": encoder.image_size, "range": [0, 1], "normalised": "within the file"}
    fed |= {name: getattr(encoder.preprocessing, name) for name in ("interpolation", "crop", "crop_mode")}
    return {
        "encoder": encoder.name,
        "run": f"{checkpoint.run}, step {checkpoint.step}, weights {checkpoint.digest}",
        "pixels": json.dumps(fed),
        "sslviz": version("sslviz"),
    }


@torch.inference_mode()
def _compared(content: bytes, encoder: Encoder, pixels: np.ndarray) -> tuple[float, float, float, str]:
    """Largest difference, least cosine, cosine of other pictures, and who ran the file; ValueError where they differ."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    count = min(len(pixels), CHECKED)
    x = preprocess(torch.from_numpy(np.array(pixels[:count])), encoder)
    run, by = _runner(content)
    expected = encoder(x).numpy()
    given = (x * std + mean).numpy()
    at_once = [run(given[start : start + size]) for size in BATCHES for start in range(0, count, size)]
    found = np.concatenate(at_once)
    expected = np.concatenate([expected] * len(BATCHES))
    difference = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    cosine, other = _cosines(found, expected, count)
    if not difference < TOLERANCE:
        raise ValueError(
            f"What {by} makes of the export differs from the encoder by {difference:.2g} of the largest feature; nothing "
            "was written. Try another version of torch or onnxscript."
        )
    return difference, cosine, other, by


def _cosines(found: np.ndarray, expected: np.ndarray, count: int) -> tuple[float, float]:
    """The least cosine of the same picture, and the mean one of different pictures."""
    x, y = (a - expected.mean(0) for a in (found, expected))
    x, y = (a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12) for a in (x, y))
    return float((x * y).sum(1).min()), float((x[:count] * np.roll(y[:count], 1, 0)).sum(1).mean())


def _runner(content: bytes) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """What computes features from pixels by the file, and its name."""
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return lambda x: session.run(["features"], {"pixels": x})[0], f"onnxruntime {onnxruntime.__version__}"
    import onnx
    from onnx.reference import ReferenceEvaluator

    reference: Any = ReferenceEvaluator(onnx.load_model_from_string(content))
    return lambda x: reference.run(["features"], {"pixels": x})[0], f"the reference of onnx {onnx.__version__}"
