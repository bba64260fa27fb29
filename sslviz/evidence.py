"""What do the diagnostics of a checkpoint look at?  Its features, those to fit probes on, and those of its controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.features import Features
from sslviz.images import Images
from sslviz.runs import Checkpoint, Run

UNTRAINED = "untrained"
PIXELS = "pixels"
LAYER_IMAGES = 2000  # of the images, the layers of an encoder are compared on: enough for a similarity, little to keep


@dataclass(frozen=True, eq=False)
class Evidence:
    """What do the diagnostics of a checkpoint look at?

    `fit` is None where a stratified half of `features` is fitted on.  `controls` are {name: (features, fit)}.
    `projector` is what the head that training throws away makes of the same images, `views` the features of several
    views of some of them (columns `object` and `view`); both are None where there are none.
    """

    features: Features
    fit: Features | None
    controls: dict[str, tuple[Features, Features | None]]
    projector: Features | None = None
    views: Features | None = None

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


def gather(run: Run, checkpoint: Checkpoint, images: Images, fit: Images | None) -> Evidence:
    """Embeds, or reads, all that can be known of a checkpoint, and keeps in the run folder what the app needs of it."""
    from sslviz.embed import raw_pixels, stored_embed, stored_layers, stored_views

    for part in [images, fit] if fit else [images]:
        stem = run.features_stem(PIXELS, part.digest)
        if not stem.with_name(stem.name + ".json").exists():
            raw_pixels(part).save(stem)
        stored_embed(run, checkpoint, part, progress=False)
        stored_embed(run, checkpoint.untrained(), part, progress=False)
    run.save_thumbnails(images)
    if checkpoint.head:
        stored_embed(run, checkpoint, images, layer="projector", progress=False)
    stored_views(run, checkpoint, images)
    stored_layers(run, checkpoint, images.rows(sample_rows(len(images), LAYER_IMAGES)))
    return _read(run, checkpoint, images.digest, fit.digest if fit else None)


def note(run: Run, images: Images, fit: Images | None) -> None:
    """Writes down in the run folder that it was diagnosed on these images, so that the app finds what was kept."""
    sample = images.rows(sample_rows(len(images), LAYER_IMAGES))
    said = {
        "spec": images.spec, "fit": fit.digest if fit else None, "fit_spec": fit.spec if fit else None,
        "sample": sample.digest,
    }  # fmt: skip
    known = {**run.info.get("diagnosed", {}), images.digest: said}
    if known != run.info.get("diagnosed"):
        run.update(diagnosed=known)


def stored_evidence(run: Run, checkpoint: Checkpoint, digest: str) -> Evidence:
    """What `gather` stored for the images with this digest; ValueError, saying how to make it, if it did not."""
    if digest not in run.info.get("diagnosed", {}):
        raise ValueError(
            f"{run.name} was not diagnosed on these images; run `sslviz diagnose {run.path} --images ...`."
        )
    return _read(run, checkpoint, digest, run.info["diagnosed"][digest]["fit"])


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

    names = json.loads(index.read_text())["layers"]
    return {name: Features.load(run.features_stem(checkpoint.key, sample, name)) for name in names}


def sample_rows(n: int, most: int) -> np.ndarray:
    """Which of `n` images stand for all?  At most `most`, in their order, the same ones for every checkpoint."""
    return np.sort(np.random.default_rng(0).permutation(n)[:most])


def _read(run: Run, checkpoint: Checkpoint, digest: str, fit_digest: str | None) -> Evidence:
    def both(key: str) -> tuple[Features, Features | None]:
        fit = Features.load(run.features_stem(key, fit_digest)) if fit_digest else None
        return Features.load(run.features_stem(key, digest)), fit

    def extra(layer: str) -> Features | None:
        known = _exists(run, checkpoint.key, digest, layer)
        return Features.load(run.features_stem(checkpoint.key, digest, layer)) if known else None

    features, fit = both(checkpoint.key)
    controls = {PIXELS: both(PIXELS), UNTRAINED: both(checkpoint.untrained().key)}
    return Evidence(features, fit, controls, extra("projector"), extra("views"))


def _exists(run: Run, key: str, digest: str, *layer: Any) -> bool:
    stem = run.features_stem(key, digest, *layer)
    return stem.with_name(stem.name + ".json").exists()
