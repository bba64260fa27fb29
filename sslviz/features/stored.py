"""Features in the run folder: read where they lie, else embedded and stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from sslviz.data import Images
from sslviz.features.embed import embed, embed_layers
from sslviz.features.embed_views import embed_altered, embed_views
from sslviz.features.features import Features
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write


def stored_embed(
    run: Run, checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, layer, lambda: embed(checkpoint, images, layer=layer, progress=progress))


def stored_views(run: Run, checkpoint: Checkpoint, images: Images) -> Features:
    """`embed_views`, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, "views", lambda: embed_views(checkpoint, images))


def stored_altered(run: Run, checkpoint: Checkpoint, images: Images) -> Features:
    """`embed_altered`, read from the run folder if they lie there, else embedded and stored."""
    return _stored(run, checkpoint, images, "altered", lambda: embed_altered(checkpoint, images))


def stored_corrupted(run: Run, checkpoints: Sequence[Checkpoint], images: Images, *, objects: int = 100) -> None:
    """Keeps in the run folder what these make of `objects` of the images, each under every corruption, unless it lies there.

    The pictures are drawn once for all of them, and not at all if nothing is wanting.
    """
    from sslviz.data.corruptions import corrupted

    @cache
    def drawn() -> Images:
        chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:objects])
        return corrupted(images.rows(chosen), progress=False)

    for checkpoint in checkpoints:
        _stored(run, checkpoint, images, "corrupted", partial(_embed_drawn, checkpoint, drawn))


def _embed_drawn(checkpoint: Checkpoint, drawn: Callable[[], Images]) -> Features:
    return embed(checkpoint, drawn(), progress=False)


def stored_layers(run: Run, checkpoint: Checkpoint, images: Images) -> None:
    """Keeps `embed_layers` in the run folder, unless they lie there: the features of each, then the list of them."""
    index = run.features_stem(checkpoint.key, images.digest, "layers").with_suffix(".json")
    try:
        if json.loads(index.read_text())["weights"] == checkpoint.digest:
            return
    except (OSError, ValueError, KeyError):
        pass  # never embedded, or damaged
    layers = embed_layers(checkpoint, images, progress=False)
    for name, features in layers.items():
        features.save(run.features_stem(checkpoint.key, images.digest, name))
    with atomic_write(index) as file:
        file.write(json.dumps({"layers": list(layers), "weights": checkpoint.digest}).encode())


def _stored(run: Run, checkpoint: Checkpoint, images: Images, layer: str, make: Callable[[], Features]) -> Features:
    stem = run.features_stem(checkpoint.key, images.digest, layer)
    try:
        features = Features.load(stem)
        if features.source.get("weights") == checkpoint.digest:
            return features
    except ValueError:
        pass  # never embedded, or damaged
    make().save(stem)
    return Features.load(stem)
