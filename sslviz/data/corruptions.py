"""Pictures in bad weather, noise and poor cameras: fifteen corruptions, each in five severities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sslviz.data.images import Images
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.random_state import global_state_kept

SEVERITIES = (1, 2, 3, 4, 5)
FEWEST_PIXELS = 32  # along the shorter side, which the library asks for
# Seconds of one processor for one corruption, on average over all 75, and for each of its pixels.  Measured on an EPYC: 0.95 ms
# at 32 px, 1.4 at 64, 3.2 at 128, 7.5 at 224, 22 at 384; these say 0.94, 1.4, 3.1, 7.8 and 21.
EACH, EACH_PIXEL = 8e-4, 1.4e-7
SEEDED = ("glass_blur", "impulse_noise")  # do not go by numpy's global state, but take a seed


def corrupted(
    images: Images,
    *,
    names: Sequence[str] | None = None,
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
    numbers: Sequence[int] | np.ndarray | None = None,
    progress: bool = True,
) -> Images:
    """What would an encoder see in bad weather, noise and poor cameras?  The pictures, and each again for every corruption.

    `names` are some of the 15 common corruptions of ImageNet-C (arXiv 1903.12261; default: all).  The package
    imagecorruptions-imaug draws them: `pip install "sslviz[audit]"`.  About 1 ms a picture and severity at 32 px, 8 ms at
    224 px.

    What is drawn goes by `seed` and by the `numbers` of the pictures (default: 0, 1, ...), so that some of many pictures
    are drawn as with all the others.

    Returns Images with the columns
    - object: the picture's id
    - changed: "fog 3"; "" for the picture itself
    - corruption, severity: "fog" and 3; "" and 0 for the picture itself

    ValueError for unknown names and severities, for pictures with fewer than 32 px a side, and without the package.

    Example:
        >>> import sslviz
        >>> images = sslviz.corrupted(sslviz.shapes(n=2), names=["contrast"], severities=[3], progress=False)
        >>> images.ids.tolist()
        ['0', '1', '0 contrast 3', '1 contrast 3']

    Caveat: Severities were made for photographs of 224 px: in smaller ones a blur of the same pixels is a stronger one.
    """
    library = _library()
    known = known_corruptions(images)
    names = list(known if names is None else names)
    unknown = [*(set(names) - set(known)), *(str(s) for s in severities if s not in SEVERITIES)]
    if unknown:
        raise ValueError(
            f"There is no corruption or severity {unknown[0]!r}; there are: {', '.join(known)}, and 1 to 5."
        )
    places = list(range(len(images))) if numbers is None else [int(number) for number in numbers]
    if len(places) != len(images):
        raise ValueError(f"Corruptions need a number for each picture; there are {len(places)} for {len(images)}.")
    kinds = [("", 0), *((name, severity) for name in names for severity in severities)]
    pixels = np.empty((len(kinds), *images.pixels.shape), np.uint8)
    pixels[0] = images.pixels
    with progress_bar("corrupting", len(kinds) - 1, "kinds", shown=progress) as advance:
        for i, (name, severity) in enumerate(kinds[1:], 1):
            pixels[i] = list(
                _drawn(library, images.pixels, name, severity, [seed, known.index(name), severity], places)
            )
            advance(1)
    changes = [f"{name} {severity}" if name else "" for name, severity in kinds]
    n = len(images)
    table = pd.DataFrame({"object": np.tile(images.ids, len(kinds)), "changed": np.repeat(changes, n)})
    table["corruption"], table["severity"] = (np.repeat([kind[at] for kind in kinds], n) for at in (0, 1))
    ids = [f"{name} {change}".strip() for name, change in zip(table["object"], table["changed"], strict=True)]
    return Images(pixels.reshape(-1, *images.pixels.shape[1:]), np.array(ids), table)


def known_corruptions(images: Images) -> list[str]:
    """The names of the corruptions that these images can be shown under; ValueError, as for `corrupted`, where it is none."""
    names = list(_library().get_corruption_names())
    if min(images.size) < FEWEST_PIXELS:
        raise ValueError(f"Corruptions need pictures of {FEWEST_PIXELS} px a side at least; these have {images.size}.")
    return names


def drawing_seconds(images: Images) -> float:
    """About how long one processor draws one corruption of one of these images, on average over all of them."""
    height, width = images.size
    return EACH + EACH_PIXEL * height * width


def _drawn(
    library: Any, pixels: np.ndarray, name: str, severity: int, seed: list[int], numbers: list[int]
) -> Iterator[np.ndarray]:
    for i, picture in zip(numbers, pixels, strict=True):
        own = int(np.random.SeedSequence([*seed, i]).generate_state(1)[0])
        with global_state_kept():
            np.random.seed(own)  # noqa: NPY002  # the library draws from numpy's global state, which is put back
            extra = {"seed": own} if name in SEEDED else {}
            yield library.corrupt(np.array(picture), severity=severity, corruption_name=name, **extra)


def _library() -> Any:
    try:
        import imagecorruptions
    except ImportError as error:  # the package, or a library of the system that OpenCV needs
        raise ValueError(
            f'Corruptions need the package imagecorruptions-imaug ({error}): pip install "sslviz[audit]"; where libGL is '
            "wanting, install libgl1."
        ) from error
    return imagecorruptions
