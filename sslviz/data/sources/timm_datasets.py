"""How are the datasets that timm knows read, picture by picture?  torchvision, Hugging Face, TFDS and WebDataset."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sslviz.data.sources.decoding import Job

# What a name may start with, and the package that reads it.
PACKAGES = {
    "torch": "torchvision",
    "hfds": "datasets",
    "hfids": "datasets",
    "tfds": "tensorflow_datasets",
    "wds": "webdataset",
}


def open_dataset(name: str, root: str | Path | None, split: str, download: bool) -> tuple[Any, str | None]:
    """What does timm make of this name?  The dataset, not yet decoded, and its root as an absolute path or URL.

    ValueError for an unknown kind, a missing package, and whatever timm or the package finds wrong.
    """
    kind = name.partition("/")[0].lower()
    if kind not in PACKAGES or "/" not in name:
        raise ValueError(f"A timm dataset name starts with {', '.join(f'{k}/' for k in PACKAGES)}; got {name!r}.")
    if importlib.util.find_spec(PACKAGES[kind]) is None:
        raise ValueError(f"{name} needs a package that is not installed: pip install {PACKAGES[kind]}.")
    from timm.data import create_dataset

    if root is None and kind == "torch":
        root = "data"
    if root is not None and "://" not in str(root):
        root = Path(root).expanduser().resolve()
    where = None if root is None else str(root)
    try:
        dataset = create_dataset(name, root=where, split=split, download=download, input_img_mode="RGB")
    except Exception as error:  # timm asserts, torchvision raises RuntimeError, the others kinds of their own
        raise ValueError(f"{name} (root {where}, split {split}) could not be opened: {error}.") from error
    if hasattr(dataset, "load_bytes"):
        dataset.load_bytes = True  # so that we decode: timm replaces what it cannot read by the next picture
    return dataset, where


def is_stream(dataset: Any) -> bool:
    """Can it only be read from its beginning?"""
    from torch.utils.data import IterableDataset

    return isinstance(dataset, IterableDataset)


def pictures(dataset: Any, rows: np.ndarray) -> Iterator[Job]:
    """Jobs that give the pictures at these positions; of a stream, as many from its beginning (0 rows: all)."""
    classes = _class_names(dataset)
    if is_stream(dataset):
        return (partial(_picture, item, classes) for item in islice(dataset, len(rows) or None))
    return (partial(_picture_at, dataset, int(row), classes) for row in rows)


def fingerprint(jobs: Iterator[Job]) -> tuple[str, list[int]]:
    """What tells these pictures from others, and how large are they?  A hash, and the shorter sides."""
    state, sides = hashlib.blake2b(digest_size=8), []
    for job in jobs:
        try:
            image, label = job()
            state.update(repr((image.mode, image.size, label)).encode() + image.tobytes())
            sides.append(min(image.size))
        except Exception as error:  # decoding will name it
            state.update(str(error).encode())
    return state.hexdigest(), sides


def _picture_at(dataset: Any, row: int, classes: Mapping[int, str]) -> tuple[Image.Image, str | None]:
    return _picture(dataset[row], classes)


def _picture(item: tuple[Any, ...], classes: Mapping[int, str]) -> tuple[Image.Image, str | None]:
    image, target = item[0], item[1]
    image = Image.open(BytesIO(image)) if isinstance(image, bytes) else image
    target = target.item() if hasattr(target, "item") else target
    if target is None or target == -1:  # timm's way to say that there is none
        return image, None
    return image, classes.get(target, str(target)) if isinstance(target, int) else str(target)


def _class_names(dataset: Any) -> dict[int, str]:
    """{class number: name}, empty where the dataset does not say."""
    if names := getattr(dataset, "classes", None):  # torchvision; ImageNet's are tuples of synonyms
        return {i: name if isinstance(name, str) else ", ".join(name) for i, name in enumerate(names)}
    known = getattr(getattr(dataset, "reader", None), "class_to_idx", None) or {}
    return {int(number): str(name) for name, number in known.items()}
