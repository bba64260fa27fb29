"""Features in the run folder: read where they lie, else embedded and stored.

`gather` shows a checkpoint and its controls the stimuli that are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import Any

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.embed import NoProjectorError, embed
from sslviz.features.evidence import (
    HISTOGRAM,
    PIXELS,
    SEEDS,
    STIMULI,
    TRAINED,
    Evidence,
    Stimulus,
    encoder_key,
    read_evidence,
    recorded_pairs,
)
from sslviz.features.features import Features
from sslviz.features.pixel_controls import color_histogram, raw_pixels
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write

WITHOUT_AN_ENCODER: dict[str, Callable[[Images], Features]] = {PIXELS: raw_pixels, HISTOGRAM: color_histogram}


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one stimulus, drawn once for all encoders, and not at all where nothing is to be embedded."""

    stimulus: Stimulus
    images: Images

    @cached_property
    def sample(self) -> Images:
        """As many of the images as the stimulus shows."""
        few = self.stimulus.max_images
        return self.images if few is None else self.images.rows(sample_rows(len(self.images), few))

    @cached_property
    def drawn(self) -> Images | None:
        """What is shown; None where it cannot be drawn of these images."""
        return _function(self.stimulus.pictures)(self.sample) if self.stimulus.pictures else self.sample

    @property
    def digest(self) -> str | None:
        """Of which images the features are kept: those of the run, unless the pictures are kept under their own name."""
        if self.stimulus.layer == "layers":
            return self.sample.digest
        if self.stimulus.pictures and self.stimulus.layer == "pooled":
            return self.drawn.digest if self.drawn is not None else None
        return self.images.digest


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
) -> Evidence:
    """Embeds, or reads, what is to be known of a checkpoint, and keeps in the run folder what the app needs of it.

    Expected pairs that were named before count where none are given now.
    Of the stimuli that are shown on request, those that `requested` names.  With `attributes`, also what stands beside
    answers about those.
    """
    run.save_thumbnails(images)
    given = {"fit": fit, "target": target}  # all others are made from the images
    for stimulus in STIMULI:
        pictures = given[stimulus.name] if stimulus.name in given else images
        asked = stimulus.shown != "on request" or stimulus.name in requested
        encoders = (*stimulus.encoders, *(stimulus.further if attributes else ()))
        if pictures is not None and asked and encoders:
            drawn = Pictures(stimulus, pictures)
            show(run, checkpoint, drawn, encoders)
            if stimulus.shown == "with an attribute":
                _record_pictures(run, images, drawn)
    pairs = {**recorded_pairs(run, images.digest), **(expected_pairs or {})}
    digests = {name: None if pictures is None else pictures.digest for name, pictures in given.items()}
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
            _store_layers(run, encoder, pictures.sample, _function(stimulus.embed))
        else:
            with suppress(NoProjectorError):  # methods that make pictures have none
                _stored(run, key, digest, stimulus.layer, encoder.digest, partial(_embedded, encoder, pictures))


def _pixel_control(name: str, pictures: Pictures) -> Features:
    assert pictures.drawn is not None
    return WITHOUT_AN_ENCODER[name](pictures.drawn)


def stored_embed(
    run: Run, checkpoint: Checkpoint, images: Images, *, layer: str = "pooled", progress: bool = True
) -> Features:
    """The features of a run's checkpoint, read from the run folder if they lie there, else embedded and stored."""
    return _stored(
        run,
        checkpoint.key,
        images.digest,
        layer,
        checkpoint.digest,
        lambda: embed(checkpoint, images, layer=layer, progress=progress),
    )


def _embedded(checkpoint: Checkpoint, pictures: Pictures) -> Features:
    stimulus = pictures.stimulus
    embedding = _function(stimulus.embed)
    if stimulus.pictures or stimulus.max_images is None:
        return embedding(checkpoint, pictures.drawn, progress=False)
    return embedding(checkpoint, pictures.images, objects=stimulus.max_images)


def _store_layers(run: Run, checkpoint: Checkpoint, images: Images, embedding: Callable[..., Any]) -> None:
    """Keeps the features of each layer, then the list of them, unless they lie there."""
    index = run.features_stem(checkpoint.key, images.digest, "layers").with_suffix(".json")
    try:
        if json.loads(index.read_text())["weights"] == checkpoint.digest:
            return
    except (OSError, ValueError, KeyError):
        pass  # never embedded, or damaged
    run.check_writable("features")
    layers = embedding(checkpoint, images, progress=False)
    for name, features in layers.items():
        features.save(run.features_stem(checkpoint.key, images.digest, name, writing=True))
    index = run.features_stem(checkpoint.key, images.digest, "layers", writing=True).with_suffix(".json")
    with atomic_write(index) as file:
        file.write(json.dumps({"layers": list(layers), "weights": checkpoint.digest}).encode())


def _stored(run: Run, key: str, digest: str, layer: str, weights: str | None, make: Callable[[], Features]) -> Features:
    """The features that lie there, if they are of these weights; else they are made, stored and read."""
    stem = run.features_stem(key, digest, layer)
    try:
        features = Features.load(stem)
        if features.source.get("weights") == weights:
            return features
    except ValueError:
        pass  # never embedded, or damaged
    run.check_writable("features")
    stem = run.features_stem(key, digest, layer, writing=True)
    make().save(stem)
    return Features.load(stem)


def _function(home: str) -> Callable[..., Any]:
    module, _, name = home.partition(":")
    return getattr(import_module(f"sslviz.{module}"), name)
