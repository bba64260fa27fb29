"""What is being looked at?  `Images`: pixels, ids and a table that describes them; and where to get some."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image

from sslviz.data.sources.decoding import Decoded, cache_stem, decode, default_size, read, shorter_side
from sslviz.data.sources.folder import list_pictures
from sslviz.data.sources.timm_datasets import fingerprint, is_stream, open_dataset, pictures
from sslviz.runtime.files import atomic_write


@dataclass(frozen=True, eq=False)
class Images:
    """What is being looked at?

    `pixels` uint8 (n, h, w, 3), may be a memory map; `ids` (n,) strings, unique; `table` n rows, `label` and one
    column per attribute; `masks` {name: bool (n, h, w)}, optional; `spec` is the text that makes the same images
    again ("shapes:n=8000,bias=0.95"), empty where there is none.  A slice, a split and an augmented view of Images
    are Images.
    """

    pixels: np.ndarray
    ids: np.ndarray
    table: pd.DataFrame
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    spec: str = ""

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim < 4 or self.pixels.shape[-1] != 3:
            raise ValueError(
                f"Images need uint8 pixels of shape (n, height, width, 3); got {self.pixels.dtype} {self.pixels.shape}."
            )
        lengths = {"pixels": len(self.pixels), "ids": len(self.ids), "table": len(self.table)}
        lengths |= {f"mask {name}": len(mask) for name, mask in self.masks.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Images need one id, table row and mask per picture; got {lengths}.")
        ids = np.asarray(self.ids, dtype=str)
        if len(np.unique(ids)) != len(ids):
            raise ValueError("Images need unique ids, but some are repeated.")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[-3], self.pixels.shape[-2]

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change when any pixel, id or table entry does."""
        state = hashlib.blake2b(digest_size=8)
        state.update(repr((self.pixels.shape, list(self.table.columns))).encode())
        state.update(np.ascontiguousarray(self.pixels).data)
        state.update("\0".join(self.ids).encode())
        state.update(pd.util.hash_pandas_object(self.table, index=False).to_numpy().data)
        return state.hexdigest()

    def rows(self, keep: np.ndarray, spec: str = "") -> Images:
        """Some of the images: `keep` is a boolean mask or row numbers.  Consecutive rows share memory with these."""
        rows = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep)
        where = _as_slice(rows, len(self))  # the split of a large folder stays a memory map
        masks = {name: mask[where] for name, mask in self.masks.items()}
        return replace(
            self, pixels=self.pixels[where], ids=self.ids[where], table=self.table.iloc[where], masks=masks, spec=spec
        )

    def split(self, name: str) -> Images:
        """The images of one split: by the table's `split` column, or else by the hash of the id.

        The hash gives 60/20/20 % train/probe/test and makes an image's split its own: it stays where it is when
        images are added or removed.
        ValueError for a split that holds no image.
        """
        known = "split" in self.table
        splits = np.array([str(s) for s in self.table["split"]]) if known else _split_by_hash(self.ids)
        keep = splits == name
        if not keep.any():
            raise ValueError(f"There is no split {name!r} here; the splits are: {', '.join(sorted(set(splits)))}.")
        return self.rows(keep, f"{self.spec}{',' if ':' in self.spec else ':'}split={name}" if self.spec else "")


def _as_slice(rows: np.ndarray, n: int) -> np.ndarray | slice:
    """Row numbers that follow one another as a slice, which copies nothing."""
    if len(rows) and 0 <= rows[0] and rows[-1] < n and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _split_by_hash(ids: np.ndarray) -> np.ndarray:
    """train / probe / test for 60 / 20 / 20 % of the ids."""
    fifths = np.array([hashlib.blake2b(i.encode(), digest_size=4).digest()[0] * 5 // 256 for i in ids], dtype=int)
    return np.array(["train", "train", "train", "probe", "test"])[fifths]


def digits(*, size: int = 32) -> Images:
    """What does handwriting look like to an encoder?  The 1,797 digits that come with scikit-learn; no download.

    8x8 pictures of 16 greys (UCI, Alpaydin & Kaynak 1998), enlarged bilinearly to `size`; `label` is the digit as a
    word.  There are no splits in the table: `split` goes by the id.  Caveat: 64 numbers a picture; raw pixels
    already do very well.
    """
    from sklearn.datasets import load_digits

    if size < 8:
        raise ValueError(f"digits needs size >= 8, the pictures' own; got {size}.")
    data = load_digits()
    grey = [Image.fromarray(np.rint(picture * (255 / 16)).astype(np.uint8)) for picture in data.images]
    pixels = np.stack([np.asarray(one.resize((size, size), Image.Resampling.BILINEAR)) for one in grey])
    pixels = np.repeat(pixels[..., None], 3, axis=3)
    ids, table = np.arange(len(pixels)).astype(str), pd.DataFrame({"label": data.target.astype(str)})
    return Images(pixels, ids, table, spec=f"digits:size={size}")


def folder(
    path: str | Path,
    *,
    size: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | Path | None = None,
) -> Images:
    """How do I look at my own pictures?  A folder of them, with class folders, split folders or a `metadata.csv`.

    What is taken as label, split and attribute is said in `folders.list_pictures`; ids are the relative paths.  The
    shorter side becomes `size` (default: the median shorter side of 100 pictures, as a multiple of 32 from 32 to
    224), the middle is kept.  Every picture is decoded once, in parallel, into a memory map below `cache` (default:
    $SSLVIZ_CACHE or ~/.cache/sslviz) and decoded again when a name, a size or a time of change differs.  Upright by
    EXIF, on white where transparent, the first frame where animated, deep grey scaled.  ValueError for an empty
    folder and for unreadable pictures, by name; `on_error="skip"` leaves those out, with a warning.
    """
    root = Path(path).expanduser().resolve()
    table = list_pictures(root)
    names = table.pop("file_name").to_numpy(dtype=str)
    files = [root / name for name in names]
    sides = [side for i in _spread(len(files), 100) if (side := shorter_side(files[i]))]
    size = _checked(size, on_error) or default_size(sides)
    stamps = [(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in (file.stat() for file in files)]
    stem = cache_stem(cache, "folder", size, list(names), stamps, table.to_csv(index=False))
    decoded = decode((partial(read, file) for file in files), len(files), size, stem, root.name)
    return _gather(decoded, names, table.iloc[decoded.readable], f"folder:{root},size={size}", on_error, stem)


def named(
    name: str,
    *,
    root: str | Path | None = None,
    split: str = "train",
    size: int | None = None,
    limit: int | None = None,
    download: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    cache: str | Path | None = None,
) -> Images:
    """How do I look at a public dataset?  Anything `timm.data.create_dataset` reads, by its timm name.

    `name`: torch/cifar10, torch/mnist, torch/image_folder ... (torchvision); hfds/NAME, tfds/NAME, wds/NAME with
    the package each needs installed.  `root` is where it lies (torchvision: default ./data); nothing is fetched by
    torchvision unless `download`.  `limit` takes that many, evenly spread (a stream: the first ones).  Decoded once
    and kept, as in `folder`; what was kept is known by its number of pictures and 16 of them.  `label` is the class
    name where the dataset has one; ids count.  ValueError for unknown names, a missing package, data that is not
    there and unreadable pictures, unless `on_error="skip"`.
    """
    dataset, where = open_dataset(name, root, split, download)
    stream = is_stream(dataset)
    taken = np.arange(limit or 0) if stream else _spread(len(dataset), limit or len(dataset))
    sample = np.arange(16) if stream else taken[_spread(len(taken), 16)]
    mark, sides = fingerprint(pictures(dataset, sample))
    size = _checked(size, on_error) or default_size(sides)
    stem = cache_stem(cache, name, where, split, size, len(taken), taken[-1:].tolist(), mark)
    decoded = decode(pictures(dataset, taken), len(taken), size, stem, name)
    ids = (np.arange(decoded.total) if stream else taken).astype(str)
    labels = {"label": decoded.labels} if any(label is not None for label in decoded.labels) else {}
    table = pd.DataFrame(labels, index=range(len(decoded.readable)))
    at = (f"root={where}," if where else "") + f"split={split},size={size}" + (f",limit={limit}" if limit else "")
    return _gather(decoded, ids, table, f"{name}:{at}", on_error, stem)


def _checked(size: int | None, on_error: str) -> int | None:
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip'; got {on_error!r}.")
    if size is not None and size < 8:
        raise ValueError(f"Pictures need a size of at least 8 pixels; got {size}.")
    return size


def _spread(n: int, count: int) -> np.ndarray:
    """At most `count` of the positions below n, evenly spread from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(count, n)).astype(int))


def _gather(decoded: Decoded, names: np.ndarray, table: pd.DataFrame, spec: str, on_error: str, stem: Path) -> Images:
    """The readable pictures as Images; the others are named by a ValueError, or a warning if they may be skipped.

    Hashing a large folder takes a while, so its digest is kept beside its pixels: the same key determines both.
    """
    if not len(names):
        raise ValueError(f"{spec} holds no pictures.")
    if decoded.unreadable:
        bad = [f"{names[position]} ({reason})" for position, reason in decoded.unreadable.items()]
        what = f"{len(bad)} of {len(names)} pictures in {spec} cannot be read: {', '.join(bad[:10])}"
        what += ", ..." * (len(bad) > 10)
        if on_error == "raise" or not len(decoded.readable):
            raise ValueError(f"{what}. Repair or remove them, or leave them out with on_error='skip'.")
        warnings.warn(f"{what}. They are left out.", stacklevel=3)
        spec += ",on_error=skip"
    images = Images(decoded.pixels, names[decoded.readable], table, spec=spec)
    kept = stem.with_suffix(".digest")
    if kept.exists():
        images.__dict__["digest"] = kept.read_text()
    else:
        with atomic_write(kept) as file:
            file.write(images.digest.encode())
    return images
