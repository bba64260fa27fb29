"""What a file of weights, or a file beside it, states about how its pictures were fed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open

from sslviz.encoders.pickled_tensors import Inert
from sslviz.encoders.published import Hinted, hint_of
from sslviz.encoders.stems import input_kernel
from sslviz.encoders.torch_files import read_tree

RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # Pillow's numbers
POSITIONS = {
    "pos_embed",
    "position_embeddings",
    "positional_embedding",
    "pos_embedding",
}  # as libraries call them
EXTRA_TOKENS = (1, 0, 2, 5, 4)  # beside the patches: class token, none, distilled, class and four registers, registers
HYPER_PARAMETERS = ("pretrained_cfg", "hyper_parameters", "hparams", "args", "config", "cfg", "opt")


@dataclass(frozen=True)
class Stated:
    """What was found.

    - values: mean, std, image_size, interpolation, crop, crop_mode, stem, as far as they are stated
    - origin: by what
    - passed_over: files beside it that were not understood, a sentence each
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    passed_over: tuple[str, ...] = ()


class WeightsFile:
    """A file of weights without its numbers: names, shapes, and what it or its folder states."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{name: shape} of all tensors; ValueError if the file is missing or cannot be read."""
        from sslviz.encoders.weight_files import read_weights

        if self.path.suffix == ".safetensors" and self.path.is_file():
            try:
                with safe_open(self.path, "pt") as file:
                    return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
            except Exception:  # whatever the bytes lead to; the reader of weights says what is wrong
                pass
        return {name: tuple(tensor.shape) for name, tensor in read_weights(self.path).tensors.items()}

    @property
    def hint(self) -> Hinted | None:
        """Who trained it, as far as its names say."""
        return hint_of(self.shapes)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The shape of the convolution that pictures enter; () where that cannot be told."""
        return input_kernel(self.shapes.items())

    @property
    def grid(self) -> int | None:
        """How many patches a side its position embeddings are for; None where they tell no square."""
        tokens = {
            shape[-2] for name, shape in self.shapes.items() if name.split(".")[-1] in POSITIONS and len(shape) > 1
        }
        grids = {grid for n in tokens if (grid := _square_root(n))}
        return grids.pop() if len(grids) == 1 else None

    def stated(self, architecture: str) -> Stated:
        """What the file itself states, else a file beside it that is of the same architecture, as far as it says."""
        own = _own_metadata(self.path)
        if own.values:
            return own
        passed_over = []
        for path, read in _beside(self.path):
            try:
                values = read(json.loads(path.read_text()), architecture)
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                passed_over.append(f"{path.name} beside it was not understood and passed over ({error})")
                continue
            if values:
                return Stated(values, f"{path.name} beside it", tuple(passed_over))
        return Stated({}, "", tuple(passed_over))


def _square_root(n: int) -> int | None:
    return next((g for k in EXTRA_TOKENS if (g := round(max(n - k, 0) ** 0.5)) > 1 and g * g == n - k), None)


# --- the file itself -----------------------------------------------------------------------------------------------------


def _own_metadata(path: Path) -> Stated:
    """What the header of a .safetensors file, or the hyper-parameters in a .pt file, state; nothing if it cannot be read."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                found = {key: _json(text) for key, text in (file.metadata() or {}).items()}
            return Stated(timm_values(found.get("pretrained_cfg") or found), "the file's metadata")
        tree = read_tree(path)
    except Exception:  # a reader fails in whatever way the bytes lead it to; the reader of weights says what is wrong
        return Stated()
    parts = (tree[key] for key in HYPER_PARAMETERS if isinstance(tree, Mapping) and key in tree)
    values = next((values for part in parts for one in _mappings(part) if (values := timm_values(one))), {})
    return Stated(values, "the file's hyper-parameters")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _mappings(tree: Any) -> Iterator[Mapping[str, Any]]:
    """All dictionaries in it, also those inside objects that are not loaded, as a Namespace is; each once."""
    ahead, seen = [tree], set[int]()
    while ahead:
        one = ahead.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Inert):
            ahead += [one.__dict__["items"], one.__dict__["state"]]
        elif isinstance(one, dict):
            yield one
            ahead += dict.values(one)


# --- files beside it -----------------------------------------------------------------------------------------------------


def _beside(path: Path) -> Iterable[tuple[Path, Callable[[Any, str], dict[str, Any]]]]:
    """Files that publishers put beside weights, and what reads each."""
    folder = path if path.is_dir() else path.parent
    readers = {
        folder / "config.json": _timm_hub,
        folder / "preprocessor_config.json": lambda config, _: transformers_values(config),
        folder / "open_clip_config.json": lambda config, _: timm_values(config["preprocess_cfg"]),
        folder.parent / "run.json": _our_run,  # of runs/mine/checkpoints/000400.safetensors
    }
    return [(file, read) for file, read in readers.items() if file.is_file()]


def _timm_hub(config: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """config.json of timm's models on a hub; others (transformers' own) say nothing of pixels."""
    theirs = config.get("architecture", architecture)
    if "pretrained_cfg" not in config:
        return {}
    if theirs != architecture:
        raise ValueError(f"it is of {theirs}, not of {architecture}")
    return timm_values(config["pretrained_cfg"])


def timm_values(config: Any) -> dict[str, Any]:
    """The settings as timm calls them, nothing unless mean and std are among them."""
    mean, std = (config.get(key) for key in ("mean", "std")) if isinstance(config, Mapping) else (None, None)
    if not all(isinstance(triple, list | tuple) and len(triple) == 3 for triple in (mean, std)):
        return {}
    size = config.get("input_size") or config.get("image_size") or config.get("img_size") or config.get("size")
    size = size[-1] if isinstance(size, list | tuple) else size
    values = {"mean": mean, "std": std, "image_size": size, "crop": config.get("crop_pct")}
    values |= {"interpolation": config.get("interpolation"), "crop_mode": config.get("crop_mode")}
    return {key: value for key, value in values.items() if value not in (None, "", 0)}


def transformers_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """preprocessor_config.json of transformers: resize, then crop, then rescale, then normalise."""
    if config.get("do_normalize", True):
        mean, std = config["image_mean"], config["image_std"]
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if config.get("do_rescale", True) and abs(config.get("rescale_factor", 1 / 255) * 255 - 1) > 0.01:
        raise ValueError(f"it multiplies pixels by {config['rescale_factor']}, where 1/255 was expected")
    mean, std = ([float(v)] * 3 if isinstance(v, int | float) else v for v in (mean, std))
    resized, cropped = (_side(config.get(key)) for key in ("size", "crop_size"))
    crop = config.get("crop_pct")  # ConvNeXt's
    if config.get("do_center_crop", cropped is not None) and cropped:
        crop, resized = (min(1.0, cropped / resized) if resized else None), cropped
    keeps = isinstance(config.get("size"), int) or "shortest_edge" in (config.get("size") or {})
    values = {"mean": mean, "std": std, "image_size": resized, "crop": crop}
    values |= {
        "interpolation": RESAMPLING.get(config.get("resample", -1)),
        "crop_mode": "center" if keeps else "squash",
    }
    return {key: value for key, value in values.items() if value is not None}


def _side(size: Any) -> int | None:
    if isinstance(size, Mapping):
        return size.get("shortest_edge") or (size["height"] if size.get("height") == size.get("width") else None)
    return size if isinstance(size, int) else None


def _our_run(config: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """run.json of a run made here: its encoder's settings, and those of the views it was trained on."""
    encoder = config.get("encoder") or {"name": ""}
    views = config.get("views") or encoder
    if encoder["name"].split(".")[0] != architecture or "mean" not in views:
        return {}
    keys = ("image_size", "stem", "interpolation", "crop", "crop_mode")
    return {"mean": views["mean"], "std": views["std"], **{key: encoder[key] for key in keys if key in encoder}}
