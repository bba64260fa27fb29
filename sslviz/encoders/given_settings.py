"""Settings of preprocessing as they are given: words turned into numbers, and what makes no sense refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from sslviz.encoders.published import NORMALIZATIONS

INTERPOLATIONS = ("bilinear", "bicubic", "nearest")  # those that torch has with anti-aliasing, and none at all
CROP_MODES = ("squash", "center")


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, their words turned into numbers; ValueError for those that make no sense."""
    settings = {key: value for key, value in given.items() if value is not None}
    settings |= _normalization(settings.pop("mean", None), settings.pop("std", None))
    if settings.get("interpolation", "bilinear") not in INTERPOLATIONS:
        raise ValueError(f"Interpolation is {', '.join(INTERPOLATIONS)}; got {settings['interpolation']!r}.")
    if settings.get("crop_mode", "squash") not in CROP_MODES:
        raise ValueError(f"A crop's mode is {' or '.join(CROP_MODES)}; got {settings['crop_mode']!r}.")
    crop = settings.get("crop", 1.0)
    if not isinstance(crop, int | float) or not 0.1 <= crop <= 1:
        raise ValueError(
            f"The crop is the share of the side that is seen, from 0.1 to 1 (the whole picture); got {crop!r}."
        )
    size = settings.get("image_size", 1)
    if not isinstance(size, Integral) or size < 1:
        raise ValueError(f"The image size is a whole number of pixels; got {size!r}.")
    return settings | ({"image_size": int(size)} if "image_size" in settings else {})


def _normalization(mean: Any, std: Any) -> dict[str, tuple[float, ...]]:
    if mean is None and std is None:
        return {}
    words = [value for value in (mean, std) if isinstance(value, str)]
    if words and (mean is None or std is None):  # one word says both
        mean = std = words[0]
    if mean is None or std is None:
        raise ValueError(f"Mean and std belong together; got {'std' if mean is None else 'mean'} alone.")
    return {"mean": _triple("mean", 0, mean), "std": _triple("std", 1, std)}


def _triple(what: str, index: int, value: str | Sequence[Any]) -> tuple[float, ...]:
    if isinstance(value, str):
        if value not in NORMALIZATIONS:
            raise ValueError(f"The {what} {value!r} is unknown; three numbers, or one of {', '.join(NORMALIZATIONS)}.")
        return tuple(NORMALIZATIONS[value][index])
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(number) and 0 <= number <= 1 for number in numbers):
        hint = "; divide those of pixels up to 255 by 255" if any(number > 1 for number in numbers) else ""
        raise ValueError(
            f"The {what} is three numbers from 0 to 1 (red, green, blue), or one of {', '.join(NORMALIZATIONS)}; "
            f"got {value!r}{hint}."
        )
    if what == "std" and not all(numbers):
        raise ValueError(f"The std divides pixels, so that none of its three numbers is 0; got {value!r}.")
    return numbers


def normalization_text(mean: Sequence[float], std: Sequence[float]) -> str:
    """ "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"."""
    return f"mean {' '.join(map(_text, mean))}, std {' '.join(map(_text, std))}"


def _text(number: float) -> str:
    return f"{number:g}"
