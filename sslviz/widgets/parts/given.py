"""What an explorer is given, in the forms that a notebook has at hand: as Images, Features and Checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.features import Features
from sslviz.features.diagnosed import load_features
from sslviz.runs import Checkpoint, Run


def as_images(images: Images | np.ndarray) -> Images:
    """Images as they are, or uint8 pixels (n, h, w, 3) numbered from 0; ValueError for anything else."""
    if isinstance(images, Images):
        return images
    pixels = np.asarray(images)
    return Images(pixels, np.arange(len(pixels)).astype(str), pd.DataFrame(index=range(len(pixels))))


def as_checkpoint(source: Run | Checkpoint) -> Checkpoint:
    """A checkpoint as it is, or the last one of a run; ValueError for anything else."""
    if isinstance(source, Run):
        return source.last
    if not isinstance(source, Checkpoint):
        raise ValueError(f"Here a Run or a Checkpoint is needed, but got {type(source).__name__}.")
    return source


def named_checkpoints(sources: Any) -> dict[str, Checkpoint]:
    """{name: checkpoint} of a run, a checkpoint or {name: either}; a single one is called by its run."""
    if isinstance(sources, Mapping):
        return {str(name): as_checkpoint(source) for name, source in _not_empty(sources).items()}
    checkpoint = as_checkpoint(sources)
    return {checkpoint.run: checkpoint}


def named_features(sources: Any, images: Images | None) -> dict[str, Features]:
    """{name: features} of Features, an array (n, d), a run, a checkpoint or {name: any of these}, all of the same pictures.

    Checkpoints are shown the images; features that a run's folder holds are read from there.  Rows of an array are the
    images in their order.  ValueError for checkpoints without images, and for other pictures than those of the first.
    """
    if not isinstance(sources, Mapping):
        features = _features(sources, images)
        return {features.name: features}
    found = {str(name): _features(source, images) for name, source in _not_empty(sources).items()}
    first = next(iter(found.values()))
    return {name: _of_the_same(features, first, name) for name, features in found.items()}


def _not_empty(sources: Mapping[Any, Any]) -> Mapping[Any, Any]:
    if not sources:
        raise ValueError("There is nothing to explore, because the dict is empty; give {name: what is to be explored}.")
    return sources


def _features(source: Any, images: Images | None) -> Features:
    if isinstance(source, Features):
        return source
    if isinstance(source, Run | Checkpoint):
        if images is None:
            raise ValueError("A checkpoint has no features without pictures; give `images` too.")
        from sslviz.features.embed import embed  # brings torch, which plain arrays do not need

        return _stored(source, images) or embed(as_checkpoint(source), images, progress=False)
    if images is None:
        return Features.from_array(source)
    if len(source) != len(images):
        raise ValueError(
            f"An array holds a row for each picture, but has {len(source)} rows for {len(images)} pictures."
        )
    return Features.from_array(source, table=images.table, ids=list(images.ids), group=images.group)


def _stored(source: Run | Checkpoint, images: Images) -> Features | None:
    """What the folder of a run holds of its last checkpoint on these images."""
    if not isinstance(source, Run):
        return None
    last = source.last
    return load_features(source, last.key, images.digest, "pooled", last.digest, "auto")


def _of_the_same(features: Features, first: Features, name: str) -> Features:
    """The features in the order of the first ones."""
    if set(features.ids) != set(first.ids):
        raise ValueError(
            f"All are to show the same pictures, but those of {name!r} are others than those of the first; embed the "
            "same images, or `select` the ids that all have."
        )
    return features.select(list(first.ids))
