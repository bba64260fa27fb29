"""The datasets that timm knows, read picture by picture: torchvision, Hugging Face, TFDS and WebDataset."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from PIL import Image

from sslviz.data.images import Images
from sslviz.data.reading import Reading
from sslviz.data.sampling import spread_rows
from sslviz.data.sources.decoding import Job, cache_stem, decode, default_size, read
from sslviz.data.sources.depth import extremes, kind_of, scales_of
from sslviz.data.sources.gathering import about_size, check_size, gather_images

# What a name may start with, and the package that reads it.
PACKAGES = {
    "torch": "torchvision",
    "hfds": "datasets",
    "hfids": "datasets",
    "tfds": "tensorflow_datasets",
    "wds": "webdataset",
}


def open_dataset(name: str, root: str | Path | None, split: str, download: bool) -> tuple[Any, str | None]:
    """timm's dataset of this name, not yet decoded, and its root as an absolute path or URL.

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
    place = None if root is None else str(root)
    try:
        dataset = create_dataset(name, root=place, split=split, download=download, input_img_mode="RGB")
    except Exception as error:  # timm asserts, torchvision raises RuntimeError, the others kinds of their own
        raise ValueError(f"{name} (root {place}, split {split}) could not be opened: {error}.") from error
    if hasattr(dataset, "load_bytes"):
        dataset.load_bytes = True  # so that we decode: timm replaces what it cannot read by the next picture
    if callable(getattr(dataset, "loader", None)):
        dataset.loader = partial(_load_deep_too, dataset.loader)
    return dataset, place


def _load_deep_too(load: Callable[[str], Any], path: str) -> Any:
    """What torchvision's loader gives, but for deep greys, which it would clip to 255."""
    image, _ = read(Path(path))
    return image if kind_of(image) in ("I;16", "I", "F") else load(path)


def is_stream(dataset: Any) -> bool:
    """Whether it can only be read from its beginning."""
    from torch.utils.data import IterableDataset

    return isinstance(dataset, IterableDataset)


def pictures(dataset: Any, rows: np.ndarray) -> Iterator[Job]:
    """Jobs that give the pictures at these positions; of a stream, as many from its beginning (0 rows: all)."""
    classes = _class_names(dataset)
    if is_stream(dataset):
        return (partial(_picture, item, classes) for item in islice(dataset, len(rows) or None))
    return (partial(_picture_at, dataset, int(row), classes) for row in rows)


def fingerprint(jobs: Iterator[Job]) -> tuple[str, list[int]]:
    """A hash that tells these pictures from others, and their shorter sides."""
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


def named(
    name: str,
    *,
    root: str | Path | None = None,
    split: str = "train",
    size: int | None = None,
    image_size: int | None = None,
    limit: int | None = None,
    download: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | Path | None = None,
) -> Images:
    """How do I look at a public dataset?  Anything `timm.data.create_dataset` reads, by its timm name.

    - name: torch/cifar10, torch/mnist, torch/image_folder ... (torchvision); hfds/NAME, tfds/NAME, wds/NAME with the
      package each needs installed
    - root: where it lies (torchvision: default ./data)
    - split: of the dataset's own
    - size, image_size, on_error, cache: as for `folder`
    - limit: that many pictures, evenly spread (of a stream: the first ones)
    - download: torchvision may fetch what is not there

    Pictures are decoded once, as in `folder`; the cache knows them by their number and by 16 of them.  `label` is the class
    name where the dataset has one; ids are numbers.  ValueError for unknown names, a missing package, data that is not
    there, and unreadable pictures unless `on_error="skip"`.
    """
    asked = check_size(size, on_error)
    dataset, place = open_dataset(name, root, split, download)
    stream = is_stream(dataset)
    taken = np.arange(limit or 0) if stream else spread_rows(len(dataset), limit or len(dataset))
    sample = np.arange(16) if stream else taken[spread_rows(len(taken), 16)]
    mark, sides = fingerprint(pictures(dataset, sample))
    size = asked or default_size(sides, image_size)
    scales, said = _scales(dataset, sample, taken)
    stem = cache_stem(cache, name, place, split, size, len(taken), taken[-1:].tolist(), mark, *sorted(scales.items()))
    decoded = decode(pictures(dataset, taken), len(taken), size, stem, name, scales)
    ids = (np.arange(decoded.total) if stream else taken).astype(str)
    labels = {"label": decoded.labels} if any(label is not None for label in decoded.labels) else {}
    table = pd.DataFrame(labels, index=range(len(decoded.readable)))
    settings = (f"root={place}," if place else "") + f"split={split},size={size}" + (f",limit={limit}" if limit else "")
    number = _number_taken(decoded.total, None if stream else len(dataset), limit)
    notes = [number, *([] if labels else ["The dataset gives no labels."])]
    notes += [*about_size(size, asked, image_size, sides), *said]
    reading = Reading(f"the dataset {name}, split {split}", notes=notes)
    return gather_images(decoded, ids, table, f"{name}:{settings}", on_error, stem, reading)


def _scales(dataset: Any, sample: np.ndarray, taken: np.ndarray) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """The scales of deep pictures; all of them are looked through where one of the sample is deep."""
    if not any(map(extremes, pictures(dataset, sample))):
        return {}, []
    return scales_of(one for job in pictures(dataset, taken) if (one := extremes(job)))


def _number_taken(taken: int, total: int | None, limit: int | None) -> str:
    """How many pictures were taken of how many."""
    if total is None:
        return f"The first {taken:,} pictures of a stream." if limit else f"All {taken:,} pictures of a stream."
    if taken < total:
        return f"{taken:,} of {total:,} pictures, evenly spread (limit={limit})."
    return f"All {total:,} pictures."
