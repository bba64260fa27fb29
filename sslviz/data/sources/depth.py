"""Pictures deeper than eight bits: one scale for all of a kind, from what the files say and from all their values."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sslviz.runtime.files import atomic_write
from sslviz.runtime.progress import progress_bar

Scales = Mapping[str, tuple[float, float]]  # {kind: the values that become black and white}

KINDS = {"I;16": "16-bit grey", "I": "32-bit grey", "F": "floating-point", "RGB;16": "16-bit colour"}
# Where a picture's kind is not known to be there (one behind the wrong suffix, a late one of a stream): as files declare it.
DECLARED: Scales = {"I;16": (0, 2**16 - 1), "I": (0, 2**16 - 1)}
DEPTHS = (8, 10, 12, 14, 16, 20, 24, 31)  # bits that integers are stored in
TOPS = (1, 255, 1023, 4095, 16383, 65535)  # white in floating-point pictures, by custom
OVERSHOOT = 1.02  # sharpening and rounding lead a little beyond white
MOST = 0.999  # of a floating-point picture's values lie below its white; a few hot pixels do not set the scale
FLAT = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".gif", ".webp", ".bmp"})  # formats that are never deep
BITS, LARGEST_TAGS = 258, (281, 341)  # TIFF: BitsPerSample, MaxSampleValue, SMaxSampleValue
CHUNK = 512  # pictures in flight at once
NOT_FINITE = "it holds NaN or infinite values"


@dataclass(frozen=True)
class Extremes:
    """What one deep picture holds.

    - kind: of `KINDS`
    - low, high: its smallest and largest value
    - most: the value that all but a thousandth stay below
    - declared: the largest value that its file allows, 0 where it does not say
    """

    kind: str
    low: float
    high: float
    most: float
    declared: float = 0


def kind_of(image: Image.Image) -> str | None:
    """The kind of a deep picture; None for one of eight bits."""
    if image.mode.startswith("I;16"):
        return "I;16"
    if image.mode in ("RGB", "RGBA", "LA") and ";16" in str(
        getattr(image, "tile", [])[:1]
    ):  # PIL gives the upper bytes only
        return "RGB;16"
    return image.mode if image.mode in ("I", "F") else None


def extremes(open_picture: Callable[[], tuple[Image.Image, object]]) -> Extremes | None:
    """What a deep picture holds; None for others, and for those that cannot be read."""
    try:
        image, _ = open_picture()
        if (kind := kind_of(image)) is None:
            return None
        values = np.asarray(image).astype(np.float64)
        if not np.isfinite(values).all():
            return None
        most = np.quantile(values, MOST, method="higher") if kind == "F" else values.max()
        return Extremes(kind, float(values.min()), float(values.max()), float(most), _declared(image))
    except Exception:  # PIL's readers raise nearly everything on broken files; decoding will say what is wrong
        return None


def _declared(image: Image.Image) -> float:
    """The largest value: of a PGM, which PIL has scaled, and by the tags of a TIFF (12 bits in 16).

    PNG's sBIT does not count: its values are scaled to the full depth whatever it says.
    """
    if image.format == "PPM":
        return 2**16 - 1
    tags = getattr(image, "tag_v2", {})
    largest = [float(np.max(tags[tag])) for tag in LARGEST_TAGS if tag in tags]
    bits = int(np.max(tags.get(BITS, 0)))
    return max([*largest, 2.0**bits - 1 if 8 < bits < 16 else 0])


def scales_of(found: Iterable[Extremes]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """One scale for each kind of deep pictures, and the sentences that say it."""
    kinds: dict[str, list[Extremes]] = defaultdict(list)
    for one in found:
        kinds[one.kind].append(one)
    scales: dict[str, tuple[float, float]] = {}
    notes = []
    for kind, ones in sorted(kinds.items()):
        scales[kind], said = _scale(kind, ones)
        notes.append(said)
        if black := sum(
            one.high > one.low and 255 * (one.most - scales[kind][0]) < 4 * np.ptp(scales[kind]) for one in ones
        ):
            notes.append(f"{black:,} of {len(ones):,} {KINDS[kind]} pictures come out nearly black at that scale.")
    return scales, notes


def _scale(kind: str, ones: list[Extremes]) -> tuple[tuple[float, float], str]:
    low, high = min(one.low for one in ones), max(one.high for one in ones)
    declared, name = max(one.declared for one in ones), KINDS[kind]
    if kind == "RGB;16":
        said = f"the largest value of {len(ones):,} pictures is {high:.0f} of 255"
        return (0, 255), f"{name} pictures are read by their upper eight bits: {said}."
    seen = f"the values of {len(ones):,} pictures lie from {_number(low)} to {_number(high)}"
    if low < 0:
        return (low, high), f"{name} pictures hold negative values: {seen}, and these become black and white."
    if kind == "F":
        white = _white(max(one.most for one in ones))
        said = f"{name} pictures are read with {_number(white)} as white: {seen}"
        return (0, white), f"{said}; what lies above is clipped." if high > white else f"{said}."
    top = max(high, declared)
    bits = next((bits for bits in DEPTHS if top < 2**bits), 32)
    by = f"; their files declare {_number(declared)}" if declared else ""
    return (0, 2**bits - 1), f"{name} pictures are read as {bits} bits deep: {seen}{by}."


def _white(most: float) -> float:
    """White by custom, if the values reach up to near one; else their own largest."""
    top = next((top for top in TOPS if most <= top * OVERSHOOT), 0)
    return float(top) if most > top / 16 and top else (most or 1.0)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e12 else f"{value:,.4g}"


def scan(files: Iterable[Path], read: Callable[[Path], tuple[Image.Image, object]], stem: Path) -> list[Extremes]:
    """What the deep pictures among files hold; cached as STEM.depth, for their headers are read one by one."""
    cached = stem.with_suffix(".depth")
    with suppress(OSError, ValueError, TypeError):
        return [Extremes(**one) for one in json.loads(cached.read_text())]
    maybe = [path for path in files if path.suffix.lower() not in FLAT]
    if not maybe:
        return []
    found = []
    with (
        ThreadPoolExecutor() as pool,
        progress_bar("looking for deep", len(maybe), "pictures", shown=len(maybe) > CHUNK) as advance,
    ):
        for start in range(0, len(maybe), CHUNK):
            for one in pool.map(lambda path: _of_file(path, read), maybe[start : start + CHUNK]):
                found += [one] if one else []
                advance()
    with atomic_write(cached) as file:
        file.write(json.dumps([asdict(one) for one in found]).encode())
    return found


def _of_file(path: Path, read: Callable[[Path], tuple[Image.Image, object]]) -> Extremes | None:
    """The header alone says of most that they are not deep."""
    try:
        with Image.open(path) as image:
            if kind_of(image) is None:
                return None
    except Exception:  # as in `extremes`
        return None
    return extremes(lambda: read(path))


def to_eight_bits(image: Image.Image, scales: Scales) -> Image.Image:
    """A deep grey picture in 0..255 by the scale of its kind (PIL itself would clip it).

    ValueError for NaN and infinite values, and for floating-point values whose scale nobody knows.
    """
    kind = kind_of(image) or ""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(NOT_FINITE)
    if kind not in scales and kind not in DECLARED:
        raise ValueError("which of its floating-point values is white is not known; save it with the suffix .tif")
    low, high = scales.get(kind) or DECLARED[kind]
    span = high - low or 1.0
    return Image.fromarray(np.rint(np.clip((values - low) / span, 0, 1) * 255).astype(np.uint8))
