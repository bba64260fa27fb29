"""Pictures of every kind as one array: upright 8-bit RGB squares in a memory map, decoded once and cached."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sslviz.data.sources.depth import Scales, kind_of, to_eight_bits
from sslviz.data.sources.formats import HEIF, NEEDS_HEIF, picture_suffixes, register_formats
from sslviz.runtime.files import atomic_write
from sslviz.runtime.progress import progress_bar

VERSION = 1  # of the decoding: part of every cache key, so that a change here decodes again
LARGEST = 224  # the default size is never above this
ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_CHUNK = 512  # pictures in flight at once

# Gives one picture, not yet decoded, and its label if it has one; it may raise anything.
Job = Callable[[], tuple[Image.Image, str | None]]


@dataclass(frozen=True, eq=False)
class Decoded:
    """The pictures that could be read, and why others could not.

    - pixels: uint8 (m, size, size, 3), a read-only memory map of the m readable ones
    - readable: their positions among the jobs, (m,)
    - labels: what the jobs gave as their labels
    - unreadable: {position: reason}
    """

    pixels: np.ndarray
    readable: np.ndarray
    labels: list[str | None]
    unreadable: dict[int, str]

    @property
    def total(self) -> int:
        """The number of pictures, readable or not."""
        return len(self.readable) + len(self.unreadable)


def cache_stem(cache: str | Path | None, *key: object) -> Path:
    """Where the pictures with this key are cached: below `cache`, else $SSLVIZ_CACHE, else ~/.cache/sslviz."""
    home = Path(cache or os.environ.get("SSLVIZ_CACHE") or Path.home() / ".cache" / "sslviz")
    return home / "images" / hashlib.blake2b(repr((VERSION, *key)).encode(), digest_size=12).hexdigest()


def default_size(sides: Sequence[int], image_size: int | None = None) -> int:
    """The size to which pictures are brought: the median shorter side, as a multiple of 32 from 32 to 224.

    An encoder that looks at more (`image_size`) raises the upper end to what it looks at.
    """
    largest = max(LARGEST, image_size or 0)
    return int(np.clip(round(float(np.median(sides)) / 32) * 32, 32, largest)) if len(sides) else 32


def shorter_side(path: Path) -> int | None:
    """The pixels of the shorter side, going by the file's header; None if that cannot be read."""
    try:
        with Image.open(path) as image:
            return min(image.size)
    except Exception:  # PIL's readers raise nearly everything on broken files; decoding will say what is wrong
        return None


def read(path: Path) -> tuple[Image.Image, None]:
    """Opens a picture file; its bytes are read at once, so that no file stays open."""
    if not (content := path.read_bytes()):
        raise ValueError("the file is empty")
    if path.suffix.lower() in HEIF and path.suffix.lower() not in picture_suffixes():
        raise ValueError(NEEDS_HEIF)
    return Image.open(BytesIO(content)), None


def to_rgb(image: Image.Image, scales: Scales) -> Image.Image:
    """The picture as on a white page: 8-bit RGB, upright by its EXIF; of an animation the first frame.

    - scales: what is black and white in deep pictures, by their kind
    """
    image = ImageOps.exif_transpose(image)
    if kind_of(image) in ("I;16", "I", "F"):
        image = to_eight_bits(image, scales)
    if image.mode in ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def square(image: Image.Image, size: int, scales: Scales) -> np.ndarray:
    """The picture's middle as uint8 (size, size, 3): the shorter side becomes `size`, the longer one is cropped."""
    if min(image.size) < 2:
        raise ValueError(f"{image.width}x{image.height} pixels is too small")
    image.draft("RGB", (2 * size, 2 * size))  # a large JPEG is decoded at 1/2, 1/4 or 1/8, never below twice the size
    image = to_rgb(image, scales)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def decode(
    jobs: Iterable[Job], total: int, size: int, stem: Path, title: str, scales: Scales = MappingProxyType({})
) -> Decoded:
    """The pictures, each as (size, size, 3): decoded in threads, or read from the cache.

    STEM.u8 holds the pixels and STEM.json, written last, the rest; both appear whole or not at all.  Processes that
    decode the same pictures at once write the same bytes, so whoever comes last changes nothing.
    """
    with suppress(OSError, ValueError, KeyError):
        return _open(stem)
    register_formats()
    labels: list[str | None] = []
    unreadable: dict[int, str] = {}
    with (
        atomic_write(stem.with_suffix(".u8")) as file,
        ThreadPoolExecutor() as pool,
        progress_bar(f"decoding {title}", total, "pictures") as advance,
    ):
        for position, (pixels, text) in enumerate(_in_order(pool, partial(_attempt, size=size, scales=scales), jobs)):
            if pixels is None:
                unreadable[position] = text or ""
            else:
                file.write(pixels.data)
                labels.append(text)
            advance()
    with atomic_write(stem.with_suffix(".json")) as file:
        file.write(json.dumps({"size": size, "labels": labels, "unreadable": unreadable}).encode())
    return _open(stem)


def _open(stem: Path) -> Decoded:
    """What `decode` cached; OSError or ValueError if it is not there whole."""
    meta = json.loads(stem.with_suffix(".json").read_text())
    unreadable = {int(position): reason for position, reason in meta["unreadable"].items()}
    shape = (len(meta["labels"]), meta["size"], meta["size"], 3)
    if stem.with_suffix(".u8").stat().st_size != np.prod(shape):
        raise ValueError(f"{stem}.u8 should hold {shape}")
    pixels = np.memmap(stem.with_suffix(".u8"), np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)
    readable = np.setdiff1d(np.arange(shape[0] + len(unreadable)), list(unreadable))
    return Decoded(pixels, readable, meta["labels"], unreadable)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Job], tuple[np.ndarray | None, str | None]], jobs: Iterable[Job]
) -> Iterator[tuple[np.ndarray | None, str | None]]:
    """Results in the order of the jobs, a chunk at a time: the pool's own `map` would queue a million jobs at once."""
    jobs = iter(jobs)
    while chunk := list(islice(jobs, _CHUNK)):
        yield from pool.map(work, chunk)


def _attempt(job: Job, size: int, scales: Scales) -> tuple[np.ndarray | None, str | None]:
    """(pixels, label), or (None, reason)."""
    try:
        image, label = job()
        return square(image, size, scales), label
    except UnidentifiedImageError:
        return None, "not a picture"
    except FileNotFoundError:
        return None, "the file went away"
    except PermissionError as error:
        return None, error.strerror or "Permission denied"
    except Exception as error:  # PIL's readers raise nearly everything on broken files; the reason is passed on
        return None, str(error) or type(error).__name__
