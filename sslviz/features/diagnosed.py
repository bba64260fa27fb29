"""What a run folder says it was diagnosed on, and the evidence that `stored.gather` kept there: written down and read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sslviz.data import Images
from sslviz.data.duplicates import duplicates
from sslviz.data.sampling import sample_rows
from sslviz.features.evidence import HISTOGRAM, PIXELS, SEEDS, STIMULI, TRAINED, Evidence, Stimulus, find_stimulus
from sslviz.features.features import Features, is_of
from sslviz.runs import Checkpoint, Run


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
    return encoder_of(checkpoint, encoder).key


def encoder_of(checkpoint: Checkpoint, encoder: str) -> Checkpoint:
    """The checkpoint itself, or untrained, as an encoder of this name looks at pictures."""
    return checkpoint if encoder == TRAINED else checkpoint.untrained(SEEDS.get(encoder, 0))


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


def stored_source(run: Run, key: str, digest: str, layer: str = "pooled") -> dict[str, Any] | None:
    """The `source` of features that lie in the run folder, of layers their weights; None where none can be read."""
    stem = run.features_stem(key, digest, layer)
    try:
        kept = json.loads(stem.with_name(stem.name + ".json").read_text())
        return dict(kept if layer == "layers" else kept["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_features(run: Run, key: str, digest: str, layer: str, weights: str | None, precision: str) -> Features | None:
    """What lies in the run folder of these weights in this precision; None where nothing does, or it is damaged."""
    try:
        features = Features.load(run.features_stem(key, digest, layer))
    except ValueError:
        return None
    return features if is_of(features.source, weights, precision) else None


def _exists(run: Run, key: str, digest: str, layer: str = "pooled") -> bool:
    stem = run.features_stem(key, digest, layer)
    return stem.with_name(stem.name + ".json").exists()
