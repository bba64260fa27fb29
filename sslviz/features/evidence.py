"""What do the diagnostics of a checkpoint look at?  Its features, those to fit probes on, and those of its controls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.features import Features
from sslviz.runs import Checkpoint, Run

UNTRAINED = "untrained"
PIXELS = "pixels"
HISTOGRAM = "color histogram"
SEEDS = (1, 2)  # of re-initialised encoders beside the one with seed 0, where an attribute is asked about
CHANGED_IMAGES = 200  # of the images, each is drawn again with one factor changed, for every factor
LAYER_IMAGES = 2000  # of the images, the layers of an encoder are compared on: enough for a similarity, little to keep


@dataclass(frozen=True, eq=False)
class Evidence:
    """What do the diagnostics of a checkpoint look at?

    `fit` is None where a stratified half of `features` is fitted on.  `controls` are {name: (features, fit)}, `more` those
    that only stand beside what is asked about an attribute.  `projector` is what the head that training throws away makes
    of the same images, `views` the features of several views of some of them (columns `object` and `view`), `changed`
    those of some with one factor changed at a time (columns `object` and `changed`, "" for none), beside
    `changed_controls` {name: features}, `altered` those of some with one step of a view taken at a time (and `amount`),
    beside `altered_controls`, and `corrupted` those of some under corruptions, beside `corrupted_controls`; each is None
    where there are none.  `partners` {"label~attribute": {class: value}} are what the classes were said to go
    with elsewhere.
    """

    features: Features
    fit: Features | None
    controls: dict[str, tuple[Features, Features | None]]
    projector: Features | None = None
    views: Features | None = None
    more: dict[str, tuple[Features, Features | None]] = field(default_factory=dict)
    changed: Features | None = None
    changed_controls: dict[str, Features] = field(default_factory=dict)
    altered: Features | None = None
    altered_controls: dict[str, Features] = field(default_factory=dict)
    corrupted: Features | None = None
    corrupted_controls: dict[str, Features] = field(default_factory=dict)
    partners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def all_controls(self) -> dict[str, tuple[Features, Features | None]]:
        """What stands beside an answer about an attribute: colours alone and three re-initialised encoders too."""
        return {**self.controls, **self.more}

    @property
    def view(self) -> Features | None:
        """The first view of each object, called by the object's id."""
        return self._view(0)

    @property
    def other_view(self) -> Features | None:
        """The second view of each object."""
        return self._view(1)

    def _view(self, number: int) -> Features | None:
        if self.views is None:
            return None
        rows = self.views.rows(self.views.column("view") == number)
        return Features(rows.x, rows.column("object"), rows.table.drop(columns=["object", "view"]), rows.source)


def gather(
    run: Run,
    checkpoint: Checkpoint,
    images: Images,
    fit: Images | None,
    *,
    wanted: Collection[str] = (),
    attributes: bool = False,
    partners: Mapping[str, Mapping[str, str]] | None = None,
) -> Evidence:
    """Embeds, or reads, what is to be known of a checkpoint, and keeps in the run folder what the app needs of it.

    Always its features and those of its projector and controls.  Views, altered and corrupted pictures and layers take
    an encoder longer: each where `wanted` names it.  With `attributes`, also what stands beside answers about those.
    """
    from sslviz.features.pixel_controls import raw_pixels
    from sslviz.features.stored import stored_altered, stored_corrupted, stored_embed, stored_layers, stored_views

    for part in [images, fit] if fit else [images]:
        stem = run.features_stem(PIXELS, part.digest)
        if not stem.with_name(stem.name + ".json").exists():
            raw_pixels(part).save(stem)
        stored_embed(run, checkpoint, part, progress=False)
        stored_embed(run, checkpoint.untrained(), part, progress=False)
    run.save_thumbnails(images)
    if checkpoint.head:
        stored_embed(run, checkpoint, images, layer="projector", progress=False)
    both = [checkpoint, checkpoint.untrained()]
    if "views" in wanted:
        stored_views(run, checkpoint, images)
    if "altered" in wanted:
        for encoder in both:
            stored_altered(run, encoder, images)
    if "corrupted" in wanted:
        stored_corrupted(run, both, images)
    if "layers" in wanted:
        stored_layers(run, checkpoint, images.rows(sample_rows(len(images), LAYER_IMAGES)))
    changed = _gather_more(run, checkpoint, images, fit) if attributes else None
    return _read(run, checkpoint, images.digest, fit.digest if fit else None, changed, partners or {})


def _gather_more(run: Run, checkpoint: Checkpoint, images: Images, fit: Images | None) -> str | None:
    """The further controls; and images with one factor changed, where a world drew them: the digest of these."""
    from sslviz.features.pixel_controls import color_histogram, raw_pixels
    from sslviz.features.stored import stored_embed

    for part in [images, fit] if fit else [images]:
        color_histogram(part).save(run.features_stem(HISTOGRAM, part.digest))
        for seed in SEEDS:
            stored_embed(run, checkpoint.untrained(seed), part, progress=False)
    changed = changed_images(images)
    if changed is not None:
        raw_pixels(changed).save(run.features_stem(PIXELS, changed.digest))
        for encoder in (checkpoint, checkpoint.untrained()):
            stored_embed(run, encoder, changed, progress=False)
    digest = changed.digest if changed is not None else None
    run.update(changed={**run.info.get("changed", {}), images.digest: digest})  # the app reads again what was updated
    return digest


def changed_images(images: Images) -> Images | None:
    """Some of the images, and each again with one factor changed, for every factor; None where no world here drew them."""
    from sslviz.data import counterfactual
    from sslviz.data.worlds import factors_of

    some = images.rows(sample_rows(len(images), CHANGED_IMAGES))
    try:
        parts = {"": some} | {factor: counterfactual(some, factor) for factor in factors_of(some)}
    except ValueError:
        return None
    table = pd.DataFrame({"object": np.tile(some.ids, len(parts)), "changed": np.repeat([*parts], len(some))})
    ids = np.array([f"{name} {factor}".strip() for name, factor in zip(table["object"], table["changed"], strict=True)])
    return Images(np.concatenate([part.pixels for part in parts.values()]), ids, table)


def note(run: Run, images: Images, fit: Images | None, partners: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Writes down in the run folder that it was diagnosed on these images, so that the app finds what was kept.

    Partners that were named once stay known.
    """
    sample = images.rows(sample_rows(len(images), LAYER_IMAGES))
    before = run.info.get("diagnosed", {}).get(images.digest, {})
    said = {
        "spec": images.spec, "fit": fit.digest if fit else None, "fit_spec": fit.spec if fit else None,
        "sample": sample.digest, "partners": {**before.get("partners", {}), **(partners or {})},
    }  # fmt: skip
    known = {**run.info.get("diagnosed", {}), images.digest: said}
    if known != run.info.get("diagnosed"):
        run.update(diagnosed=known)


def name_partners(run: Run, digest: str, of: str, pairs: Mapping[str, str] | None) -> None:
    """Writes down what the classes were met with elsewhere, `of` a "label~attribute" of the images with this digest.

    None: what was written down is forgotten.
    """
    noted = run.info["diagnosed"]
    partners = {key: known for key, known in noted[digest].get("partners", {}).items() if key != of}
    if pairs is not None:
        partners[of] = dict(pairs)
    run.update(diagnosed={**noted, digest: {**noted[digest], "partners": partners}})


def stored_evidence(run: Run, checkpoint: Checkpoint, digest: str) -> Evidence:
    """What `gather` stored for the images with this digest; ValueError, saying how to make it, if it did not."""
    if digest not in run.info.get("diagnosed", {}):
        raise ValueError(
            f"{run.name} was not diagnosed on these images; run `sslviz diagnose {run.path} --images ...`."
        )
    changed, noted = run.info.get("changed", {}).get(digest), run.info["diagnosed"][digest]
    return _read(run, checkpoint, digest, noted["fit"], changed, noted.get("partners", {}))


def diagnosed_steps(run: Run, digest: str) -> list[Checkpoint]:
    """Which checkpoints of a run were embedded on the images with this digest?  First step first."""
    return [c for c in run.checkpoints if _exists(run, c.key, digest)]


def layers_of(run: Run, checkpoint: Checkpoint, digest: str) -> dict[str, Features]:
    """{layer: its features of a sample of the images with this digest}, from the first layer to the last; may be empty."""
    sample = run.info.get("diagnosed", {}).get(digest, {}).get("sample", "")
    index = run.features_stem(checkpoint.key, sample, "layers").with_suffix(".json")
    if not index.exists():
        return {}
    import json

    kept = json.loads(index.read_text())
    weights = Features.load(run.features_stem(checkpoint.key, digest)).source.get("weights", kept["weights"])
    if kept["weights"] != weights:  # of a checkpoint that lay there before
        return {}
    return {name: Features.load(run.features_stem(checkpoint.key, sample, name)) for name in kept["layers"]}


def _read(
    run: Run,
    checkpoint: Checkpoint,
    digest: str,
    fit_digest: str | None,
    changed_digest: str | None,
    partners: Mapping[str, Mapping[str, str]],
) -> Evidence:
    def both(key: str) -> tuple[Features, Features | None]:
        fit = Features.load(run.features_stem(key, fit_digest)) if fit_digest else None
        return Features.load(run.features_stem(key, digest)), fit

    def extra(layer: str, key: str = checkpoint.key, of: str | None = digest) -> Features | None:
        """None where there is none, or only one of weights that lay there before."""
        if of is None or not _exists(run, key, of, layer):
            return None
        found = Features.load(run.features_stem(key, of, layer))
        return found if found.source.get("weights") == pooled[key].source.get("weights") else None

    features, fit = both(checkpoint.key)
    controls = {PIXELS: both(PIXELS), UNTRAINED: both(checkpoint.untrained().key)}
    pooled = {checkpoint.key: features, PIXELS: controls[PIXELS][0], checkpoint.untrained().key: controls[UNTRAINED][0]}
    further = {HISTOGRAM: HISTOGRAM} | {f"{UNTRAINED} (seed {s})": checkpoint.untrained(s).key for s in SEEDS}
    wanted = [part for part in (digest, fit_digest) if part]
    more = {name: both(key) for name, key in further.items() if all(_exists(run, key, part) for part in wanted)}
    plain = {PIXELS: PIXELS, UNTRAINED: checkpoint.untrained().key}
    beside = {name: extra("pooled", key, changed_digest) for name, key in plain.items()}
    return Evidence(
        features, fit, controls, extra("projector"), extra("views"), more,
        extra("pooled", checkpoint.key, changed_digest), _there(beside),
        extra("altered"), _there({UNTRAINED: extra("altered", checkpoint.untrained().key)}),
        extra("corrupted"), _there({UNTRAINED: extra("corrupted", checkpoint.untrained().key)}), partners,
    )  # fmt: skip


def _there(features: dict[str, Features | None]) -> dict[str, Features]:
    return {name: found for name, found in features.items() if found is not None}


def _exists(run: Run, key: str, digest: str, *layer: Any) -> bool:
    stem = run.features_stem(key, digest, *layer)
    return stem.with_name(stem.name + ".json").exists()
