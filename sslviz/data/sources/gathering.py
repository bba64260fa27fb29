"""From decoded pictures to Images: what was asked for is checked, and what could not be read is named."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from sslviz.data.images import Images
from sslviz.data.sources.decoding import Decoded
from sslviz.runtime.files import atomic_write


def check_size(size: int | None, on_error: str) -> int | None:
    """The size as it was asked for; ValueError for one below 8 pixels, and for an `on_error` that nobody knows."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip'; got {on_error!r}.")
    if size is not None and size < 8:
        raise ValueError(f"Pictures need a size of at least 8 pixels; got {size}.")
    return size


def gather_images(
    decoded: Decoded, names: np.ndarray, table: pd.DataFrame, spec: str, on_error: str, stem: Path
) -> Images:
    """The readable pictures as Images; the others are named by a ValueError, or a warning if they may be skipped.

    Hashing a large folder takes a while, so its digest is cached beside its pixels: the same key determines both.
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
    digest = stem.with_suffix(".digest")
    if digest.exists():
        images.__dict__["digest"] = digest.read_text()
    else:
        with atomic_write(digest) as file:
            file.write(images.digest.encode())
    return images
