"""Run folders whose right answers are known, written without training: what each encoder keeps of an image is planted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from sslviz.catalog import diagnostics, find_entry
from sslviz.data import Images, shapes
from sslviz.diagnostics.probes.probe import Probe
from sslviz.diagnostics.projection.projection import Projection
from sslviz.evaluation.answers import storage_key, stored_result
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features import Features
from sslviz.features.column_kinds import asked_columns, describe_columns
from sslviz.features.diagnosed import record_diagnosis, stored_evidence
from sslviz.features.pixel_controls import raw_pixels
from sslviz.runs import Run, save_result

DIMENSIONS = 32


def keeping(images: Images, factor: str | None, *, noise: float, seed: int) -> np.ndarray:
    """Features (n, 32): a direction of its own for each value of `factor`, plus noise; without one, noise about a point."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((len(images), DIMENSIONS)) * noise
    if factor is None:
        return x + 1
    values, codes = np.unique(images.table[factor], return_inverse=True)
    return x + 3 * np.eye(len(values), DIMENSIONS)[codes]


def plant(
    path: Path,
    images: Images,
    factor: str | None,
    *,
    losses: list[float],
    knn: list[float],
    noise: float = 1.0,
    seed: int = 0,
    extras: bool = True,
    like: Run | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """A finished run at `path` whose encoder keeps `factor`, with the history given, ready for the app.

    Without `extras` it has nothing but the features of its last checkpoint, as an old or a foreign one.  Pixels and
    thumbnails are those of the run `like`, if given: one file, however many runs.  More `arguments` go into run.json."""
    scored, fit = scored_and_fit(images)
    parts = [part for part in (scored, fit) if part is not None]
    usual = {"method": "simclr", "encoder": "conv_nano", "epochs": len(losses), "images": images.spec, "seed": seed}
    arguments = {**usual, **arguments}
    run = Run.create(
        path, {"kind": "pretrain", "arguments": arguments, "encoder": {"name": "conv_nano"}, "finished": True}
    )
    rows = [{"step": 0, "epoch": 0, "knn": 0.3, "rankme": 9.0, "std": 0.1}]
    rows += [
        {
            "step": 10 * e,
            "epoch": e,
            "loss": loss,
            "knn": k,
            "rankme": 9.0 + e,
            "std": 0.1 + 0.01 * e,
            "std_isotropic": 0.18,
        }
        for e, (loss, k) in enumerate(zip(losses, knn, strict=True), 1)
    ]
    run.write_history(rows)
    (run.path / "checkpoints").mkdir()
    for step in (0, 400):
        (run.path / "checkpoints" / f"{step:06d}.safetensors").write_bytes(b"")
    for part in parts:
        for key, kept, spread in ((run.last.key, factor, noise), (run.last.untrained().key, None, 1.0)):
            x = keeping(part, kept, noise=spread, seed=seed + len(part))
            source = {"run": run.name, "step": 400, "images": part.digest, "spec": part.spec}
            Features(x, part.ids, part.table, source).save(run.features_stem(key, part.digest))
        if like is None:
            raw_pixels(part).save(run.features_stem("pixels", part.digest))
    if like is not None:
        for file in (*like.path.glob("features/pixels-*"), *like.path.glob("thumbnails/*")):
            there = run.path / file.relative_to(like.path)
            there.parent.mkdir(exist_ok=True)
            os.link(file, there)
    if extras:
        plant_extras(run, parts, factor, noise=noise, seed=seed)
    run.save_thumbnails(scored)
    record_diagnosis(run, scored, fit)
    return run


def plant_extras(run: Run, parts: list[Images], factor: str | None, *, noise: float, seed: int) -> None:
    """An earlier step that keeps nothing, layers that keep more and more, a projector, and four views of 30 images."""
    scored = parts[0]
    x = keeping(scored, factor, noise=noise, seed=seed + len(scored))
    rng = np.random.default_rng(seed)

    def save(rows: np.ndarray, key: str, layer: str, part: Images = scored) -> None:
        source = {"run": run.name, "images": part.digest, "spec": part.spec, "layer": layer}
        Features(rows, part.ids, part.table, source).save(run.features_stem(key, part.digest, layer))

    for part in parts:
        save(keeping(part, factor, noise=3 + noise, seed=seed + 7 + len(part)), run.checkpoints[0].key, "pooled", part)
    layers = {"stages.0": x + 9 * rng.standard_normal(x.shape), "stages.1": x + rng.standard_normal(x.shape)}
    for layer, rows in layers.items():
        save(rows, run.last.key, layer)
    index = run.features_stem(run.last.key, scored.digest, "layers").with_suffix(".json")
    index.write_text(json.dumps({"layers": [*layers, "pooled"], "weights": run.last.digest}))
    save(x[:, :8], run.last.key, "projector")
    table = pd.DataFrame({"object": np.repeat(scored.ids[:30], 4), "view": np.tile(np.arange(4), 30)})
    rows = np.repeat(x[:30], 4, axis=0) + 0.3 * noise * rng.standard_normal((120, DIMENSIONS))
    views = Features(rows, np.arange(120).astype(str), table, {"run": run.name})
    views.save(run.features_stem(run.last.key, scored.digest, "views"))


def plant_three(folder: Path, n: int = 1000) -> list[Run]:
    """The demo's story in no time: one keeps shape, one colour, and the one with the lowest loss collapsed."""
    images, epochs, runs = shapes(n), np.arange(1, 7), []
    for name, factor, noise, losses, knn in (
        ("keeps-shape", "shape", 1.0, 5 - epochs / 3, 0.3 + epochs / 10),
        ("keeps-color", "color", 1.0, 4.5 - epochs / 3, 0.3 + epochs / 50),
        ("collapsed", None, 0.01, -1 + 0.5**epochs, 0.25 + 0 * epochs),
    ):
        runs.append(plant(folder / name, images, factor, losses=list(losses), knn=list(knn), noise=noise))
    return runs


RECIPES = {  # of twenty runs: what the encoder keeps, how noisily, and the arguments in which the recipes differ
    "byol-slow": ("shape", 1.2, {"method": "byol", "learning_rate": 0.001}),
    "byol-fast": ("shape", 0.9, {"method": "byol", "learning_rate": 0.004}),
    "simclr-slow": ("shape", 1.0, {"method": "simclr", "learning_rate": 0.001}),
    "simclr-fast": ("color", 1.0, {"method": "simclr", "learning_rate": 0.004}),
    "mae": (None, 0.01, {"method": "mae", "learning_rate": 0.001}),
}
SEEDS = 4


def right_share(recipe: str, seed: int) -> float:
    """Which share of the images the planted probes of this run read rightly, beside those guessed: recipes lie apart."""
    return 0.3 + 0.1 * list(RECIPES).index(recipe) + 0.02 * (seed - (SEEDS - 1) / 2)


def plant_twenty(folder: Path, n: int = 400, *, epochs: int = 6, extras: bool = False) -> list[Run]:
    """Five recipes in a subfolder each, each with four seeds; probes and maps are planted (`right_share`)."""
    images, done, runs = shapes(n), np.arange(1, epochs + 1), []
    for place, (recipe, (factor, noise, arguments)) in enumerate(RECIPES.items()):
        for seed in range(SEEDS):
            run = plant(
                folder / recipe / f"seed-{seed}",
                images,
                factor,
                noise=noise * (1 + 0.02 * seed),
                seed=seed + 10 * place,
                losses=list(5 - done / 3 + place),
                knn=list(0.3 + done / 20),
                extras=extras,
                like=runs[0] if runs else None,
                arguments={**arguments, "seed": seed},
            )
            plant_results(run, right_share(recipe, seed), seed=seed)
            runs.append(run)
    return runs


def plant_answers(runs: list[Run], alike: int = SEEDS) -> None:
    """Stores what is asked by default, and of pairs, without computing it of each: so many in a row get one's answers.

    What is stored already (planted probes and maps) stays.  Pairs all get the answer of the first, moved a little."""
    runs = sorted(runs, key=lambda run: str(run.path))  # as the app does: of a pair the second is set beside the first
    evidences = [stored_evidence(run, run.last, next(iter(run.info["diagnosed"]))) for run in runs]
    labels = asked_columns(describe_columns(evidences[0].features.table))
    for entry in (entry for entry in diagnostics() if entry.by_default):
        for columns in [(label,) for label in labels] if entry.scope == "label" else [()]:
            for place, (run, evidence) in enumerate(zip(runs, evidences, strict=True)):
                path = run.result_path(storage_key(entry, evidence, columns))
                if place % alike == 0:
                    answer = None
                    with suppress(ValueError):  # what cannot be asked of these images
                        answer = stored_result(run, entry, evidence, columns)
                elif answer is not None and not path.exists():
                    save_result(path, answer)
    pair, rng = find_entry("similarity"), np.random.default_rng(0)
    first_pair = stored_result(runs[1], pair, evidences[1], other=evidences[0])
    for (_, first), (run, second) in combinations(zip(runs, evidences, strict=True), 2):
        moved = {name: float(value * rng.uniform(0.6, 1)) for name, value in first_pair.values.items()}
        save_result(run.result_path(storage_key(pair, second, other=first)), replace(first_pair, values=moved))


def plant_foreign(folder: Path, n: int = 240) -> list[Run]:
    """Two encoders of timm, a vision transformer and a ResNet, imported from files of weights as anyone's are.

    Their weights are random; their features of the same images, and nothing else, are computed."""
    import timm
    from safetensors.torch import save_file

    from sslviz.features.stored import stored_embed
    from sslviz.runs.import_checkpoint import import_checkpoint
    from sslviz.runtime.random_state import seeded

    folder.mkdir(parents=True, exist_ok=True)
    scored, fit = scored_and_fit(shapes(n))
    runs = []
    for name, encoder, size, options, stem in (
        ("their-vit", "test_vit", 64, {"img_size": 64}, None),
        (
            "their-resnet",
            "test_resnet",
            32,
            {},
            "low-resolution",
        ),  # the other leaves one place of a picture of this size
    ):
        with seeded(7):
            weights = timm.create_model(encoder, num_classes=0, **options).state_dict()
        save_file(weights, folder / f"{name}.safetensors")
        weights_file = folder / f"{name}.safetensors"
        run, _ = import_checkpoint(encoder, weights=weights_file, image_size=size, stem=stem, out=folder / name)
        for part in (scored, fit):
            for checkpoint in (run.last, run.last.untrained()):
                stored_embed(run, checkpoint, part, progress=False)
            raw_pixels(part).save(run.features_stem("pixels", part.digest))
        run.save_thumbnails(scored)
        record_diagnosis(run, scored, fit)
        runs.append(run)
    return runs


def plant_results(run: Run, right: float = 0.6, *, seed: int = 0) -> None:
    """Stores probes that read this share rightly beside guesses, and a UMAP that is only two features, in no time."""
    evidence = stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))
    features, rng = evidence.features, np.random.default_rng(seed)
    for column in asked_columns(describe_columns(features.table)):
        classes, truth = np.unique(features.column(column).astype(str), return_inverse=True)
        guessed = rng.integers(len(classes), size=len(truth))
        predicted = np.where(rng.random(len(truth)) < right, truth, guessed)
        controls = {name: guessed == truth for name in evidence.control_features()}
        for name in ("knn_probe", "linear_probe"):
            fitted_on = len(features) // 2 if evidence.fit is None else len(evidence.fit)
            probe = Probe(name[:-6], column, classes, truth, predicted, features.ids, fitted_on, {}, controls, 0)
            save_result(run.result_path(storage_key(find_entry(name), evidence, (column,))), probe)
    half = np.full(len(features), 0.5)
    null = rng.standard_normal((len(features), 2)).astype(np.float32)
    controls = {
        s: {"chance": 0.1, "null map": 0.4, "PCA": 0.3} for s in ("trustworthiness", "continuity", "knn_preservation")
    }
    controls["seed_stability"] = {"chance": 0.1, "null map": 0.4}
    umap = Projection(
        features.x[:, :2].copy(),
        features.ids,
        "umap",
        15,
        {"seed": 0},
        {},
        half,
        half,
        half,
        half,
        half,
        null,
        controls,
    )
    save_result(run.result_path(storage_key(find_entry("projection"), evidence)), umap)
