"""Run folders whose right answers are known, written without training: what each encoder keeps of an image is planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sslviz.catalog import entry
from sslviz.diagnose import result_key, scored_and_fit, stored_evidence
from sslviz.diagnostics import Probe, Projection, probe_labels
from sslviz.embed import raw_pixels
from sslviz.features import Features
from sslviz.images import Images
from sslviz.runs import Run, save_result
from sslviz.worlds import shapes

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
) -> Run:
    """A finished run at `path` whose encoder keeps `factor`, with the history given, ready for the app."""
    scored, fit = scored_and_fit(images)
    arguments = {"method": "simclr", "encoder": "conv_nano", "epochs": len(losses), "images": images.spec, "seed": seed}
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
    checkpoint = run.path / "checkpoints" / "000400.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    for part in (scored, fit):
        for key, kept, spread in ((run.last.key, factor, noise), (run.last.untrained().key, None, 1.0)):
            x = keeping(part, kept, noise=spread, seed=seed + len(part))
            source = {"run": run.name, "step": 400, "images": part.digest, "spec": part.spec}
            Features(x, part.ids, part.table, source).save(run.features_stem(key, part.digest))
        raw_pixels(part).save(run.features_stem("pixels", part.digest))
    run.save_thumbnails(scored)
    run.update(diagnosed={scored.digest: {"spec": scored.spec, "fit": fit.digest, "fit_spec": fit.spec}})
    return run


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


def plant_results(run: Run) -> None:
    """Stores probes that read what the encoder keeps, and a UMAP that is only the first two features, in no time."""
    evidence = stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))
    features, rng = evidence.features, np.random.default_rng(0)
    for column in probe_labels(features.table):
        classes, truth = np.unique(features.column(column).astype(str), return_inverse=True)
        guessed = rng.integers(len(classes), size=len(truth))
        predicted = np.where(rng.random(len(truth)) < 0.6, truth, guessed)
        controls = {name: guessed == truth for name in evidence.controls}
        for name in ("knn_probe", "linear_probe"):
            probe = Probe(
                name[:-6], column, classes, truth, predicted, features.ids, len(evidence.fit), {}, controls, 0
            )
            save_result(run.result_path(result_key(entry(name), evidence, column)), probe)
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
    save_result(run.result_path(result_key(entry("projection"), evidence, None)), umap)
