"""Features in the run folder: read where they lie, else embedded and stored.

`gather` shows a checkpoint and its controls the stimuli that are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from sslviz.data import Images
from sslviz.features.diagnosed import encoder_key, read_evidence, recorded_pairs
from sslviz.features.embed import NoProjectorError, embed
from sslviz.features.evidence import (
    HISTOGRAM,
    PIXELS,
    SEEDS,
    TRAINED,
    Evidence,
    asked_stimuli,
    find_function,
)
from sslviz.features.features import Features, is_of
from sslviz.features.pictures import Pictures
from sslviz.features.pixel_controls import color_histogram, raw_pixels
from sslviz.features.rounds import show_in_rounds
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write

WITHOUT_AN_ENCODER: dict[str, Callable[[Images], Features]] = {PIXELS: raw_pixels, HISTOGRAM: color_histogram}


def gather(
    run: Run,
    checkpoint: Checkpoint,
    images: Images,
    fit: Images | None,
    *,
    requested: Collection[str] = (),
    attributes: bool = False,
    expected_pairs: Mapping[str, Mapping[str, str]] | None = None,
    target: Images | None = None,
    precision: str = "auto",
) -> Evidence:
    """Embeds, or reads, what is to be known of a checkpoint, and keeps in the run folder what the app needs of it.

    Expected pairs that were named before count where none are given now.
    Of the stimuli that are shown on request, those that `requested` names.  With `attributes`, also what stands beside
    answers about those.
    - precision: as of `embed`; "auto" takes what lies there, a precision that is named only what was embedded in it
    """
    run.save_thumbnails(images)
    for stimulus, pictures, encoders in asked_stimuli(images, fit, target, requested, attributes):
        drawn = Pictures(stimulus, pictures, precision)
        if stimulus.round_size:
            show_in_rounds(run, checkpoint, drawn, encoders, None if fit is None else fit.digest)
        else:
            show(run, checkpoint, drawn, encoders)
        if stimulus.shown == "with an attribute":
            _record_pictures(run, images, drawn)
    pairs = {**recorded_pairs(run, images.digest), **(expected_pairs or {})}
    digests = {
        name: None if pictures is None else pictures.digest for name, pictures in (("fit", fit), ("target", target))
    }
    recorded = {**digests, "expected_pairs": pairs, "attributes": attributes}
    return read_evidence(run, checkpoint, images.digest, recorded).grouped_by(images.group)


def _record_pictures(run: Run, images: Images, drawn: Pictures) -> None:
    """Keeps the digest of pictures that were drawn from these images, None where no world here drew them."""
    name, known = drawn.stimulus.name, {images.digest: drawn.digest}
    if not known.items() <= run.info.get(name, {}).items():
        run.update(**{name: known})


def show(run: Run, checkpoint: Checkpoint, pictures: Pictures, encoders: Collection[str]) -> None:
    """Keeps in the run folder what each of these encoders makes of the pictures, unless it lies there."""
    stimulus, digest = pictures.stimulus, pictures.digest
    if digest is None or (stimulus.layer == "projector" and not checkpoint.head):
        return
    for name in encoders:
        key = encoder_key(checkpoint, name)
        encoder = checkpoint if name == TRAINED else checkpoint.untrained(SEEDS.get(name, 0))
        if name in WITHOUT_AN_ENCODER:
            _stored(run, key, digest, stimulus.layer, None, partial(_pixel_control, name, pictures))
        elif stimulus.layer == "layers":
            _store_layers(run, encoder, pictures, find_function(stimulus.embed))
        elif stimulus.project:
            make = partial(_projected, run, encoder, pictures)
            with suppress(NoProjectorError):  # methods that make pictures have none
                _stored(run, key, digest, stimulus.layer, encoder.digest, make, pictures.precision)
        else:
            make = partial(_embedded, encoder, pictures)
            _stored(run, key, digest, stimulus.layer, encoder.digest, make, pictures.precision)


def _pixel_control(name: str, pictures: Pictures) -> Features:
    assert pictures.drawn is not None
    return WITHOUT_AN_ENCODER[name](pictures.drawn)


def stored_embed(
    run: Run,
    checkpoint: Checkpoint,
    images: Images,
    *,
    layer: str = "pooled",
    precision: str = "auto",
    progress: bool = True,
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored.

    - precision: as of `embed`; "auto" takes what lies there, a precision that is named only what was embedded in it
    """
    return _stored(
        run,
        checkpoint.key,
        images.digest,
        layer,
        checkpoint.digest,
        lambda: embed(checkpoint, images, layer=layer, precision=precision, progress=progress),
        precision,
    )


def _embedded(checkpoint: Checkpoint, pictures: Pictures) -> Features:
    stimulus = pictures.stimulus
    embedding = find_function(stimulus.embed)
    if stimulus.pictures or stimulus.max_images is None:
        return embedding(checkpoint, pictures.drawn, precision=pictures.precision, progress=False)
    return embedding(checkpoint, pictures.images, objects=stimulus.max_images, precision=pictures.precision)


def _projected(run: Run, checkpoint: Checkpoint, pictures: Pictures) -> Features:
    features = Features.load(run.features_stem(checkpoint.key, pictures.images.digest))  # shown just before
    return find_function(pictures.stimulus.project)(checkpoint, features)


def _store_layers(run: Run, checkpoint: Checkpoint, pictures: Pictures, embedding: Callable[..., Any]) -> None:
    """Keeps the features of each layer, then the list of them, unless they lie there."""
    images, precision = pictures.sample, pictures.precision
    index = run.features_stem(checkpoint.key, images.digest, "layers").with_suffix(".json")
    try:
        if is_of(json.loads(index.read_text()), checkpoint.digest, precision):
            return
    except (OSError, ValueError):
        pass  # never embedded, or damaged
    run.check_writable("features")
    layers = embedding(checkpoint, images, precision=precision, progress=False)
    for name, features in layers.items():
        features.save(run.features_stem(checkpoint.key, images.digest, name, writing=True))
    index = run.features_stem(checkpoint.key, images.digest, "layers", writing=True).with_suffix(".json")
    with atomic_write(index) as file:
        said = {"weights": checkpoint.digest, "precision": layers["pooled"].source["precision"]}
        file.write(json.dumps({"layers": list(layers), **said}).encode())


def _stored(
    run: Run,
    key: str,
    digest: str,
    layer: str,
    weights: str | None,
    make: Callable[[], Features],
    precision: str = "auto",
) -> Features:
    """The features that lie there, if they are of these weights and in this precision; else they are made and stored."""
    stem = run.features_stem(key, digest, layer)
    try:
        features = Features.load(stem)
        if is_of(features.source, weights, precision):
            return features
    except ValueError:
        pass  # never embedded, or damaged
    run.check_writable("features")
    stem = run.features_stem(key, digest, layer, writing=True)
    make().save(stem)
    return Features.load(stem)
