"""Images by a short text, as runs write it down: `load_images("shapes:n=8000,bias=0.95")`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslviz.data.images import Images
from sslviz.data.sampling import sampled
from sslviz.data.sources.digits import digits
from sslviz.data.sources.folder import folder
from sslviz.data.sources.timm_datasets import PACKAGES, named
from sslviz.data.worlds import STYLES, randbit, restyled, scenes, shapes, tagged_shapes, textured
from sslviz.data.worlds.restyled import find_style

# Sources without a place of their own; what may be set, and of which type, is read from their signatures.
DRAWN: dict[str, Callable[..., Images]] = {
    "shapes": shapes,
    "tagged_shapes": tagged_shapes,
    "textured": textured,
    "scenes": scenes,
    "randbit": randbit,
    "digits": digits,
}
STYLED = ("shapes", "tagged_shapes", "textured", "randbit")  # sources that take a style
FOLDER_SETTINGS = {"size": int, "on_error": str}
NAMED_SETTINGS = {"root": str, "size": int, "limit": int, "on_error": str}
CHOICES = ("split", "sample")  # of the images that there are; they go with every source

SOURCES = {
    "shapes": "one object whose colour betrays its shape, every factor known; shapes:n=8000,size=32,bias=0.95,seed=0",
    "tagged_shapes": "a grey object and a tag whose colour betrays its shape, beside one that does not; "
    "tagged_shapes:n=8000,size=32,bias=0.95,seed=0",
    "textured": "a grey object on a background that betrays its shape; textured:n=8000,size=32,bias=0.95,seed=0",
    "scenes": "none to four coloured shapes with their boxes and masks; scenes:n=8000,size=64,bias=0.95,seed=0",
    "randbit": "shapes above a strip of random bits; randbit:n=8000,bits=4,size=32,bias=0.95,seed=0",
    "digits": "scikit-learn's 1,797 handwritten digits; digits:size=32",
    "folder:PATH": "your own pictures, in class or split folders or with a metadata.csv; folder:PATH,size=64,on_error=skip",
    "torch/NAME": "a torchvision dataset by its timm name; torch/cifar10:root=data,split=test,size=32,limit=1000",
    "hfds/NAME": "a Hugging Face dataset (needs the package datasets); hfids/NAME streams it",
    "tfds/NAME": "a TensorFlow dataset (needs the package tensorflow_datasets)",
    "wds/NAME": "WebDataset shards below root= (needs the package webdataset)",
    "...,style=STYLE": f"one of the drawn worlds in another style ({', '.join(STYLES)}): the same table, other pictures",
    "...,split=SPLIT": "one split of any of these: of its own, or else train, probe, test by the image's id",
    "...,sample=N/COLUMN": "about N of any of these, the classes of a column in proportion; N/COLUMN/GROUP keeps groups whole",
}


def load_images(spec: str, image_size: int | None = None) -> Images:
    """Which images does this text mean?  `SOURCES` lists what there is; the result's `spec` means the same again.

    - spec: SOURCE or SOURCE:KEY=VALUE,...  `split=NAME` goes with every source, and may follow another; of a timm dataset
      the first is the dataset's own.  `sample=N/COLUMN` goes with every source too
    - image_size: what the largest encoder looks at; where the text sets no size, pictures are read that large, and no
      larger than they are

    ValueError for unknown sources, keys and splits and for values of a wrong type.

    Example:
        >>> import sslviz
        >>> images = sslviz.load_images("shapes:n=40,bias=0.9,split=test")
        >>> len(images), images.spec
        (6, 'shapes:n=40,size=32,bias=0.9,seed=0,split=test')
    """
    source, _, rest = spec.strip().partition(":")
    if source == "folder":
        path, pairs = _path_and_pairs(rest)
        settings, chosen = _typed(source, pairs, FOLDER_SETTINGS)
        images = folder(path, image_size=image_size, **settings)
    elif source in DRAWN:
        kinds = {name: type(p.default) for name, p in inspect.signature(DRAWN[source]).parameters.items()}
        settings, chosen = _typed(source, _pairs(rest), kinds | ({"style": str} if source in STYLED else {}))
        style = settings.pop("style", None)
        if style:
            find_style(style)  # before thousands of pictures are drawn
        images = DRAWN[source](**settings)
        images = restyled(images, style) if style else images
    elif source.partition("/")[0].lower() in PACKAGES and "/" in source:
        settings, chosen = _typed(source, _pairs(rest), NAMED_SETTINGS)
        if chosen and chosen[0][0] == "split":
            settings["split"] = chosen.pop(0)[1]
        images = named(source, image_size=image_size, **settings)
    else:
        known = ", ".join([*DRAWN, "folder:PATH", *(f"{kind}/NAME" for kind in PACKAGES)])
        hint = f" Did you mean folder:{spec}?" if Path(spec).is_dir() else ""
        raise ValueError(f"There are no images called {spec!r}; possible are: {known}.{hint}")
    for key, value in chosen:
        images = images.split(value) if key == "split" else _sample(images, value)
    return images


def _sample(images: Images, text: str) -> Images:
    """The images that "500/shape/author" means."""
    number, column, group = (text.split("/") + ["", ""])[:3]
    if not number.isdecimal():
        raise ValueError(f"sample takes a whole number, as in sample=500 or sample=500/shape; got {text!r}.")
    return sampled(images, int(number), column, group)


def _pairs(text: str) -> list[tuple[str, str]]:
    """ "a=1,b=2" -> [("a", "1"), ("b", "2")]; a part without "=" becomes a key without value, to be refused by name."""
    return [(key.strip(), value.strip()) for key, _, value in (part.partition("=") for part in text.split(",") if part)]


def _path_and_pairs(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The path and its settings; these are taken from the end, for a path may hold commas and colons itself."""
    pairs: list[tuple[str, str]] = []
    while not Path(text).expanduser().is_dir():
        path, comma, last = text.rpartition(",")
        if not comma or last.partition("=")[0] not in {*FOLDER_SETTINGS, *CHOICES}:
            break
        text, pairs = path, _pairs(last) + pairs
    return text, pairs


def _typed(
    source: str, pairs: list[tuple[str, str]], kinds: dict[str, type]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Settings with the types they need, and the splits and samples in their order."""
    settings: dict[str, Any] = {}
    for key, value in pairs:
        if key in CHOICES:
            continue
        if key not in kinds:
            known = ", ".join(dict.fromkeys([*kinds, *CHOICES]))
            raise ValueError(f"{source} has no setting {key!r}; it takes: {known}.")
        try:
            settings[key] = kinds[key](value)
        except ValueError as error:
            kind = {int: "a whole number", float: "a number"}[kinds[key]]
            raise ValueError(f"{source} takes {kind} for {key}; got {value!r}.") from error
    return settings, [(key, value) for key, value in pairs if key in CHOICES]
