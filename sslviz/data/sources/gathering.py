"""From decoded pictures to Images: what was asked for is checked, and what could not be read is named."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sslviz.data.images import Images
from sslviz.data.reading import Reading
from sslviz.data.sources.decoding import Decoded
from sslviz.data.sources.listing import printable
from sslviz.runtime.files import atomic_write


def check_size(size: int | None, on_error: str) -> int | None:
    """The size as it was asked for; ValueError for one below 8 pixels, and for an `on_error` that nobody knows."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip'; got {on_error!r}.")
    if size is not None and size < 8:
        raise ValueError(f"Pictures need a size of at least 8 pixels; got {size}.")
    return size


def gather_images(
    decoded: Decoded, names: np.ndarray, table: pd.DataFrame, spec: str, on_error: str, stem: Path, reading: Reading
) -> Images:
    """The readable pictures as Images; the others are named by a ValueError, or a warning if they may be skipped.

    Hashing a large folder takes a while, so its digest is cached beside its pixels: the same key determines both.
    """
    if not len(names):
        raise ValueError(f"{spec} holds no pictures.")
    if decoded.unreadable:
        bad = [f"{printable(names[position])} ({reason})" for position, reason in decoded.unreadable.items()]
        what = f"{len(bad)} of {len(names)} pictures in {spec} cannot be read: {', '.join(bad[:10])}"
        what += ", ..." * (len(bad) > 10)
        if on_error == "raise" or not len(decoded.readable):
            way_out = "leave them out with on_error='skip', on the command line SPEC,on_error=skip"
            raise ValueError(f"{what}. Repair or remove them, or {way_out}.")
        warnings.warn(f"{what}. They are left out.", stacklevel=3)
        spec += ",on_error=skip" * (not spec.endswith(",on_error=skip"))
    reading = with_unreadable(reading, decoded, names)
    images = Images(decoded.pixels, names[decoded.readable], table, spec=spec, reading=reading)
    digest = stem.with_suffix(".digest")
    if digest.exists():
        images.__dict__["digest"] = digest.read_text()
    else:
        with atomic_write(digest) as file:
            file.write(images.digest.encode())
    return images


def with_unreadable(reading: Reading, decoded: Decoded, names: np.ndarray) -> Reading:
    """The reading with the pictures that could not be read, by reason."""
    passed_over = {reason: list(of) for reason, of in reading.passed_over.items()}
    for position, reason in decoded.unreadable.items():
        kind = re.sub(r"\s*\(.*\)$", "", reason)  # "image file is truncated (12 bytes not processed)"
        passed_over.setdefault(f"cannot be read ({kind})", []).append(printable(names[position]))
    return replace(reading, passed_over=passed_over)


def about_size(size: int, asked: int | None, image_size: int | None, sides: Sequence[int]) -> list[str]:
    """What is to be said of the size of pictures whose shorter sides are these, and of the encoder that looks at them."""
    if not sides:
        return []
    median, smaller = float(np.median(sides)), sum(side < size for side in sides)
    chosen = "as asked" if asked else "size=PIXELS chooses another"
    notes = [
        f"Read at {size} x {size} px, the middle square of each; their median shorter side is {median:,.0f} ({chosen})."
    ]
    if size > median:
        notes.append(f"{smaller:,} of {len(sides):,} looked at are smaller than that, and are enlarged.")
    if image_size and size < image_size:
        why = "as asked" if asked else f"their median shorter side is {median:,.0f}"
        notes.append(f"The encoder looks at {image_size} px: pictures of {size} px ({why}) are enlarged for it.")
    return notes
