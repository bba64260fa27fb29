"""What encoders are shown, and what is known of a checkpoint from it.

`STIMULI` is the one table of what an encoder is shown: the images, several views of some, single alterations, pictures
with one factor changed, corruptions, layers.  `stored.gather` shows them to a checkpoint and its controls and keeps
the features in the run folder; `Evidence` is what was kept, in the order of the table.  A new stimulus is a new row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.data.duplicates import duplicates
from sslviz.data.sampling import sample_rows
from sslviz.features.complete_rows import kept
from sslviz.features.features import Features
from sslviz.runs import Checkpoint, Run

TRAINED = "trained"
UNTRAINED = "untrained"
PIXELS = "pixels"
HISTOGRAM = "color histogram"
SEEDS = {f"{UNTRAINED} (seed {seed})": seed for seed in (1, 2)}  # of re-initialised encoders beside the one with seed 0
PLAIN = (TRAINED, PIXELS, UNTRAINED)
FURTHER = (HISTOGRAM, *SEEDS)  # colours alone and more re-initialised encoders, where an attribute is asked about


@dataclass(frozen=True)
class Stimulus:
    """One thing that encoders are shown.

    - name: under which `Evidence` holds it and the catalog asks for it
    - shown: always, only where a diagnostic asks for it, or only where an attribute is asked about
    - encoders: who sees it; names of this file
    - embed: the function (checkpoint, images) -> Features, as "module:function" below sslviz; pixels and histograms
      have functions of their own
    - pictures: the function images -> Images that draws what is shown; empty: the images themselves, or a sample
    - further: encoders that see it too where an attribute is asked about
    - max_images: of how many images, the same ones for every encoder; None: of all
    - layer: under which name the features lie in the run folder
    - words: what it is called in a sentence
    - missing: what a diagnostic says that asks for it where it is not there
    """

    name: str
    shown: Literal["always", "on request", "with an attribute"]
    encoders: tuple[str, ...]
    embed: str = "features.embed:embed"
    pictures: str = ""
    further: tuple[str, ...] = ()
    max_images: int | None = None
    layer: str = "pooled"
    words: str = ""
    missing: str = ""


AGAIN = "diagnose it again, with all diagnostics or with this one."
STIMULI = (
    Stimulus("images", "always", PLAIN, further=FURTHER),
    Stimulus("fit", "always", PLAIN, further=FURTHER),  # the images that probes are fitted on
    Stimulus(  # images of another domain, which somebody names
        "target", "on request", PLAIN, words="images of another domain",
        missing="No images of another domain were named: give some with the same labels as target (--target).",
    ),
    Stimulus("projector", "always", (TRAINED,), "features.embed:embed_projector", layer="projector"),
    Stimulus(
        "views", "on request", (TRAINED,), "features.embed_views:embed_views", max_images=200, layer="views",
        words="views", missing=f"Its views were not embedded; {AGAIN}",
    ),
    Stimulus(
        "altered", "on request", (TRAINED, UNTRAINED), "features.embed_views:embed_altered", max_images=100,
        layer="altered", words="altered pictures", missing=f"Its altered pictures were not embedded; {AGAIN}",
    ),
    Stimulus(
        "changed", "with an attribute", (), pictures="features.evidence:changed_images", further=PLAIN, max_images=200,
        missing="One factor alone can only be changed in images that a world here drew, diagnosed with an attribute named.",
    ),
    Stimulus(
        "corrupted", "on request", (TRAINED, UNTRAINED), pictures="features.evidence:corrupted_images", max_images=100,
        layer="corrupted", words="corrupted pictures",
        missing="No corrupted pictures were embedded; diagnose it again, naming drift.",
    ),
    # Enough images for a similarity of layers, few enough to keep all layers of.
    Stimulus(
        "layers", "on request", (TRAINED,), "features.embed:embed_layers", max_images=2000, layer="layers", words="layers",
    ),
)  # fmt: skip


def find_stimulus(name: str) -> Stimulus:
    """The row of this name; the two views of `alignment` and the controls of a stimulus belong to its row."""
    name = {"features": "images", "control_features": "images", "view": "views", "other_view": "views"}.get(name, name)
    return next(stimulus for stimulus in STIMULI if stimulus.name == name.removesuffix("_controls"))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What do the diagnostics of a checkpoint look at?

    - shown: {stimulus: {encoder: Features}}; what was not embedded is not in it.  "fit" is missing where probes are
      fitted on a stratified half of the images, "target" where no images of another domain were named.
    - expected_pairs: {"label~attribute": {class: value}}, what the classes were said to go with elsewhere
    """

    shown: Mapping[str, Mapping[str, Features]]
    expected_pairs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, stimulus: str, encoder: str = TRAINED) -> Features | None:
        """What this encoder makes of this stimulus; None where it was not embedded."""
        return self.shown.get(stimulus, {}).get(encoder)

    @property
    def features(self) -> Features:
        """Those of the images, by the checkpoint itself."""
        return self.shown["images"][TRAINED]

    @property
    def group(self) -> str:
        """The column whose images belong together, empty where each stands for itself."""
        return self.features.group

    def grouped_by(self, column: str) -> Evidence:
        """The same evidence, images that share a value of this column kept together; none where it is empty."""
        if column == self.group:
            return self
        shown = {
            name: {encoder: x.grouped_by(column) for encoder, x in seen.items()} if name in ("images", "fit") else seen
            for name, seen in self.shown.items()
        }
        return replace(self, shown=shown)

    @property
    def fit(self) -> Features | None:
        """Those that probes are fitted on."""
        return self.of("fit")

    @property
    def further(self) -> list[str]:
        """The further controls that were embedded, which stand beside answers about an attribute."""
        return [name for name in FURTHER if name in self.shown["images"]]

    def control_features(self, *, further: bool = False) -> dict[str, tuple[Features, Features | None]]:
        """{control: (features, those to fit on)} of raw pixels and of the encoder untrained, or of all controls."""
        names = [PIXELS, UNTRAINED, *(self.further if further else [])]
        return {
            name: (self.shown["images"][name], self.of("fit", name)) for name in names if name in self.shown["images"]
        }

    def given(self, name: str, *, further: bool = False) -> Any:
        """What a diagnostic is given that asks for this: a stimulus, one of two views, or what controls make of it."""
        if name == "control_features":
            return self.control_features(further=further)
        if name in ("view", "other_view"):
            return self._view(0 if name == "view" else 1)
        stimulus = find_stimulus(name).name
        if name.endswith("_controls"):
            return {encoder: x for encoder, x in self.shown.get(stimulus, {}).items() if encoder != TRAINED}
        return self.of(stimulus)

    def of_images(self, ids: Mapping[str, np.ndarray]) -> Evidence:
        """The same evidence on some of the images, {"images" or "fit": their ids}; of corrupted pictures, on those of them."""
        shown = {name: dict(of_encoders) for name, of_encoders in self.shown.items()}
        for name, keep in ids.items():
            shown[name] = {encoder: kept(x, keep) for encoder, x in self.shown[name].items()}
        if "corrupted" in shown:
            objects = ids["images"]
            shown["corrupted"] = {
                encoder: x.rows(np.isin(x.column("object").astype(str), objects))
                for encoder, x in self.shown["corrupted"].items()
            }
        return replace(self, shown=shown)

    def _view(self, number: int) -> Features | None:
        """The first or second view of each object, called by the object's id."""
        views = self.of("views")
        if views is None:
            return None
        rows = views.rows(views.column("view") == number)
        return Features(rows.x, rows.column("object"), rows.table.drop(columns=["object", "view"]), rows.source)


def changed_images(images: Images) -> Images | None:
    """Some of the images, and each again with one factor changed, for every factor; None where no world here drew them."""
    from sslviz.data import counterfactual
    from sslviz.data.worlds import factors_of

    some = images.rows(sample_rows(len(images), find_stimulus("changed").max_images))
    try:
        parts = {"": some} | {factor: counterfactual(some, factor) for factor in factors_of(some)}
    except ValueError:
        return None
    table = pd.DataFrame({"object": np.tile(some.ids, len(parts)), "changed": np.repeat([*parts], len(some))})
    ids = np.array([f"{name} {factor}".strip() for name, factor in zip(table["object"], table["changed"], strict=True)])
    return Images(np.concatenate([part.pixels for part in parts.values()]), ids, table)


def corrupted_images(images: Images) -> Images:
    """The images under every corruption and severity; ValueError without the package that draws them."""
    from sslviz.data.corruptions import corrupted

    return corrupted(images, progress=False)


def record_diagnosis(
    run: Run,
    images: Images,
    fit: Images | None,
    expected_pairs: Mapping[str, Mapping[str, str]] | None = None,
    target: Images | None = None,
) -> None:
    """Writes down in the run folder that it was diagnosed on these images, so that the app finds what was kept.

    Expected pairs that were named once stay known, and so does the last target.
    """
    sample = images.rows(sample_rows(len(images), find_stimulus("layers").max_images))
    diagnosis = {
        "spec": images.spec,
        "fit": fit.digest if fit else None,
        "fit_spec": fit.spec if fit else None,
        "sample": sample.digest,
        "understood": [
            *(images.reading.lines if images.reading else []),
            *filter(None, [duplicates(images, fit).line]),
        ],
        "partners": {**recorded_pairs(run, images.digest), **(expected_pairs or {})},
    }
    before = run.info.get("diagnosed", {}).get(images.digest, {})
    if target is not None:
        diagnosis |= {"target": target.digest, "target_spec": target.spec}
    elif before.get("target"):
        diagnosis |= {name: before[name] for name in ("target", "target_spec")}
    if images.group or "group" in before:
        diagnosis["group"] = images.group
    if diagnosis != {
        **before,
        "understood": diagnosis["understood"],
    }:  # what an older sslviz wrote need not be written again
        run.update(diagnosed={images.digest: diagnosis})


def check_recordable(runs: Sequence[Run], images: Images) -> None:
    """Asks before the work whether what becomes known of these images can be kept; ValueError if not.

    A run that was diagnosed on them is asked only once something is missing, so that one may go on reading.
    """
    for run in runs:
        if images.digest not in run.info.get("diagnosed", {}):
            run.check_writable()


def recorded_pairs(run: Run, digest: str) -> dict[str, Mapping[str, str]]:
    """{"label~attribute": {class: value}}, the pairs that were named before, in the app or by an option."""
    return run.info.get("diagnosed", {}).get(digest, {}).get("partners", {})


def record_expected_pairs(run: Run, digest: str, columns: str, pairs: Mapping[str, str] | None) -> None:
    """Writes down what the classes were met with elsewhere, `columns` a "label~attribute" of the images with this digest.

    None: what was written down is forgotten.
    """
    diagnosed = run.info["diagnosed"]
    known = {key: given for key, given in diagnosed[digest].get("partners", {}).items() if key != columns}
    if pairs is not None:
        known[columns] = dict(pairs)
    run.update(diagnosed={digest: {**diagnosed[digest], "partners": known}})


def stored_evidence(run: Run, checkpoint: Checkpoint, digest: str) -> Evidence:
    """What `gather` stored for the images with this digest; ValueError, saying how to make it, if it did not."""
    if digest not in run.info.get("diagnosed", {}):
        raise ValueError(
            f"{run.name} was not diagnosed on these images; run `sslviz diagnose {run.path} --images ...`."
        )
    diagnosis = run.info["diagnosed"][digest]
    recorded = {"fit": diagnosis["fit"], "expected_pairs": diagnosis.get("partners", {}), "attributes": True}
    evidence = read_evidence(run, checkpoint, digest, recorded | {"target": diagnosis.get("target")})
    return evidence.grouped_by(recorded_group(run, digest))


def recorded_group(run: Run, digest: str) -> str:
    """The column whose images belonged together when the run was last diagnosed on the images with this digest."""
    return run.info.get("diagnosed", {}).get(digest, {}).get("group", "")


def diagnosed_steps(run: Run, digest: str) -> list[Checkpoint]:
    """The checkpoints of a run that were embedded on the images with this digest, first step first."""
    return [checkpoint for checkpoint in run.checkpoints if _exists(run, checkpoint.key, digest)]


def layers_of(run: Run, checkpoint: Checkpoint, digest: str) -> dict[str, Features]:
    """{layer: its features of a sample of the images with this digest}, from the first layer to the last; may be empty."""
    import json

    sample = run.info.get("diagnosed", {}).get(digest, {}).get("sample", "")
    index = run.features_stem(checkpoint.key, sample, "layers").with_suffix(".json")
    if not index.exists():
        return {}
    kept = json.loads(index.read_text())
    weights = Features.load(run.features_stem(checkpoint.key, digest)).source.get("weights", kept["weights"])
    if kept["weights"] != weights:  # of a checkpoint that lay there before
        return {}
    return {name: Features.load(run.features_stem(checkpoint.key, sample, name)) for name in kept["layers"]}


def encoder_key(checkpoint: Checkpoint, encoder: str) -> str:
    """Under which key the features by an encoder of this file lie beside those of a checkpoint."""
    if encoder in (PIXELS, HISTOGRAM):
        return encoder
    return checkpoint.key if encoder == TRAINED else checkpoint.untrained(SEEDS.get(encoder, 0)).key


def read_evidence(run: Run, checkpoint: Checkpoint, digest: str, recorded: Mapping[str, Any]) -> Evidence:
    """The evidence on the images with this digest, stimulus by stimulus."""
    shown: dict[str, dict[str, Features]] = {}
    for stimulus, stem_digest in _digests(run, digest, recorded):
        found = shown.setdefault(stimulus.name, {})
        required = stimulus.encoders if stimulus.name in ("images", "fit") else ()
        for encoder in (*stimulus.encoders, *stimulus.further):
            key = encoder_key(checkpoint, encoder)
            if encoder not in required and not _exists(run, key, stem_digest, stimulus.layer):
                continue
            features = Features.load(run.features_stem(key, stem_digest, stimulus.layer))
            pooled = shown["images"].get(encoder, features)
            if encoder in required or features.source.get("weights") == pooled.source.get("weights"):
                found[encoder] = features  # not one of weights that lay there before
    if recorded["fit"]:  # a control stands beside probes only where it can be fitted too
        shown["images"] = {name: x for name, x in shown["images"].items() if name in shown["fit"]}
    return Evidence({name: found for name, found in shown.items() if found}, recorded["expected_pairs"])


def _digests(run: Run, digest: str, recorded: Mapping[str, Any]) -> Iterator[tuple[Stimulus, str]]:
    """(stimulus, digest of the pictures under which its features lie) of all that may be there; layers are read apart."""
    for stimulus in STIMULI:
        if stimulus.name in ("fit", "target"):
            if given := recorded.get(stimulus.name):
                yield stimulus, given
        elif stimulus.shown == "with an attribute":
            drawn = run.info.get(stimulus.name, {}).get(digest)
            if drawn and recorded["attributes"]:
                yield stimulus, drawn
        elif stimulus.name != "layers":
            yield stimulus, digest


def _exists(run: Run, key: str, digest: str, layer: str = "pooled") -> bool:
    stem = run.features_stem(key, digest, layer)
    return stem.with_name(stem.name + ".json").exists()
