"""Features in the run folder: read where they lie, else embedded and stored.

`gather` shows a checkpoint and its controls the stimuli that are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sslviz.data import Images
from sslviz.features.diagnosed import encoder_of, load_features, read_evidence, recorded_pairs
from sslviz.features.embed import embed, embed_many
from sslviz.features.evidence import (
    HISTOGRAM,
    PIXELS,
    Evidence,
    asked_stimuli,
    find_function,
)
from sslviz.features.features import Features, is_of
from sslviz.features.pictures import Pictures
from sslviz.features.pixel_controls import color_histogram, raw_pixels
from sslviz.features.projector import NoProjectorError, has_projector
from sslviz.features.rounds import show_in_rounds
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write
from sslviz.runtime.memory_cache import MemoryCache

# Bytes of weights that lie in memory side by side: of three ViT-B.  A larger encoder takes so long for a picture that
# making it ready once for several of them saves nothing.
MOST_WEIGHTS = 1 << 30
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
    drawn: MemoryCache | None = None,
) -> Evidence:
    """Embeds, or reads, what is to be known of a checkpoint, and keeps in the run folder what the app needs of it.

    Expected pairs that were named before count where none are given now.
    Of the stimuli that are shown on request, those that `requested` names.  With `attributes`, also what stands beside
    answers about those.
    - precision: as of `embed`; "auto" takes what lies there, a precision that is named only what was embedded in it
    - drawn: rounds of pictures that were drawn for other checkpoints, which is added to
    """
    run.save_thumbnails(images)
    drawn = MemoryCache(0) if drawn is None else drawn
    for stimulus, of_images, encoders in asked_stimuli(images, fit, target, requested, attributes):
        pictures = Pictures(stimulus, of_images, precision, drawn)
        if stimulus.round_size:
            show_in_rounds(run, checkpoint, pictures, encoders, None if fit is None else fit.digest)
        else:
            show(run, checkpoint, pictures, encoders)
        if stimulus.shown == "with an attribute":
            _record_pictures(run, images, pictures)
    pairs = {**recorded_pairs(run, images.digest), **(expected_pairs or {})}
    digests = {
        name: None if of_images is None else of_images.digest for name, of_images in (("fit", fit), ("target", target))
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
    if digest is None:
        return
    for name in filter(WITHOUT_AN_ENCODER.__contains__, encoders):
        _stored(run, name, digest, stimulus.layer, None, partial(_pixel_control, name, pictures))
    shown = [encoder_of(checkpoint, name) for name in encoders if name not in WITHOUT_AN_ENCODER]
    if stimulus.layer == "layers":
        for encoder in shown:
            _store_layers(run, encoder, pictures, find_function(stimulus.embed))
    elif stimulus.project:
        for encoder in filter(has_projector, shown):
            make = partial(_projected, run, encoder, pictures)
            with suppress(NoProjectorError):  # fresh weights, of a method that has none
                _stored(run, encoder.key, digest, stimulus.layer, encoder.digest, make, pictures.precision)
    else:
        missing = [x for x in shown if not _lies_there(run, x, pictures, digest)]
        size = _side_by_side(checkpoint)
        for start in range(0, len(missing), size):
            _store_together(run, missing[start : start + size], pictures, digest)


def _lies_there(run: Run, encoder: Checkpoint, pictures: Pictures, digest: str) -> bool:
    layer, precision = pictures.stimulus.layer, pictures.precision
    return load_features(run, encoder.key, digest, layer, encoder.digest, precision) is not None


def _side_by_side(checkpoint: Checkpoint) -> int:
    """How many encoders such as this one see the same batch."""
    weights = 0 if checkpoint.path is None else checkpoint.path.stat().st_size
    return max(1, MOST_WEIGHTS // max(1, weights))


def _store_together(run: Run, encoders: Sequence[Checkpoint], pictures: Pictures, digest: str) -> None:
    """Keeps what these encoders make of the pictures: one reading of the pictures for all."""
    run.check_writable("features")
    for encoder, features in zip(encoders, _embedded(encoders, pictures), strict=True):
        features.save(run.features_stem(encoder.key, digest, pictures.stimulus.layer, writing=True))


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
    devices: int | str = 1,
    progress: bool = True,
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored.

    - precision: as of `embed`; "auto" takes what lies there, a precision that is named only what was embedded in it
    - devices: as of `embed`
    """
    return _stored(
        run,
        checkpoint.key,
        images.digest,
        layer,
        checkpoint.digest,
        lambda: embed(checkpoint, images, layer=layer, precision=precision, devices=devices, progress=progress),
        precision,
    )


def _embedded(encoders: Sequence[Checkpoint], pictures: Pictures) -> list[Features]:
    """What each encoder makes of the pictures."""
    stimulus, precision = pictures.stimulus, pictures.precision
    if stimulus.embed:
        embed_each = find_function(stimulus.embed)
        return embed_each(encoders, pictures.images, objects=stimulus.max_images, precision=precision)
    assert pictures.drawn is not None
    return embed_many(encoders, pictures.drawn, precision=precision, progress=False)


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
    features = load_features(run, key, digest, layer, weights, precision)
    if features is not None:
        return features
    run.check_writable("features")
    stem = run.features_stem(key, digest, layer, writing=True)
    make().save(stem)
    return Features.load(stem)
