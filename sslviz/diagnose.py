"""What is to be said of these checkpoints?  Embeds, adds the controls, computes all that the catalog holds, stores it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.catalog import CATALOG, Entry, entry
from sslviz.diagnostics import Spectrum, probe_labels
from sslviz.features import Features
from sslviz.images import Images
from sslviz.runs import Checkpoint, Run

MAP_POINTS = 10_000  # points a map shows; more are sampled, the same ones for every checkpoint
UNTRAINED = "untrained"
PIXELS = "pixels"


@dataclass(frozen=True)
class Evidence:
    """All that diagnostics of one checkpoint need: its features, those to fit probes on, and those of its controls.

    `fit` is None where a stratified half of `features` is fitted on.  `controls` are {name: (features, fit)}.
    """

    features: Features
    fit: Features | None
    controls: dict[str, tuple[Features, Features | None]]


def scored_and_fit(images: Images) -> tuple[Images, Images | None]:
    """Which images are scored, and which are probes fitted on?  By the table's `split` column, if there is one.

    test (or validation) images are scored; probes are fitted on probe (or train) images.  Without such a column all are
    scored, and a probe is fitted on one half to be scored on the other.
    """
    splits = set(images.table["split"]) if "split" in images.table else set()
    score = next((s for s in ("test", "val", "validation") if s in splits), None)
    fit = next((s for s in ("probe", "train") if s in splits), None)
    if score is None:
        return images, None
    return images.split(score), images.split(fit) if fit else None


def diagnose(
    runs: Run | Sequence[Run],
    images: Images,
    *,
    fit: Images | None = None,
    only: Sequence[str] | None = None,
    label: str | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """What is to be said of these runs' last checkpoints on these images?

    Returns {run: {diagnostic: Result}}.  Probes are asked for `label`, or else for every column that can be probed;
    they are fitted on `fit`, or else on a stratified half of `images`.  A probe of another column than the table's
    `label` is called "linear_probe:column".  Features, thumbnails and results are stored in the run folders, and read
    from there the next time.  ValueError for an unknown diagnostic or column."""
    from sslviz.progress import progress_bar

    runs = [runs] if isinstance(runs, Run) else list(runs)
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f"Runs are told apart by name, but two are called the same: {', '.join(r.name for r in runs)}."
        )
    entries = [entry(name) for name in only] if only else list(CATALOG)
    labels = probe_labels(images.table) if label is None else [label]
    if label is not None and label not in images.table:
        have = ", ".join(map(str, images.table.columns)) or "none"
        raise ValueError(f"The table has no column {label!r}; its columns are: {have}.")
    asked = [(e, column) for e in entries for column in (labels if e.per_label else [None])]
    results: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    with progress_bar("diagnosing", len(runs) * (len(asked) + 1), "steps", shown=progress) as advance:
        for run in runs:
            advance(0, note=f"{run.name}: embedding")
            evidence = gather(run, run.last, images, fit)
            advance(1)
            results[run.name] = {}
            for one, column in asked:
                advance(0, note=f"{run.name}: {one.name} {column or ''}")
                try:
                    results[run.name][called(one, column)] = compute(run, one, evidence, column)
                except ValueError as error:  # one diagnostic that cannot be had must not cost the others
                    problems.append(f"{run.name}: no {called(one, column)}: {error}")
                advance(1)
    if problems and not any(results.values()):
        raise ValueError(problems[0])
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return results


def called(one: Entry, column: str | None) -> str:
    """How a diagnostic of a column is called in results and JSON."""
    return one.name if column in (None, "label") else f"{one.name}:{column}"


def gather(run: Run, checkpoint: Checkpoint, images: Images, fit: Images | None) -> Evidence:
    """Embeds (or reads) a checkpoint's features and its controls', and keeps what the app needs to find them again."""
    from sslviz.embed import raw_pixels, stored_embed

    def both(key: Checkpoint) -> tuple[Features, Features | None]:
        return (
            stored_embed(run, key, images, progress=False),
            stored_embed(run, key, fit, progress=False) if fit else None,
        )

    for part in [images, fit] if fit else [images]:
        stem = run.features_stem(PIXELS, part.digest)
        if not stem.with_name(stem.name + ".json").exists():
            raw_pixels(part).save(stem)
    run.save_thumbnails(images)
    both(checkpoint), both(checkpoint.untrained())
    said = {"spec": images.spec, "fit": fit.digest if fit else None, "fit_spec": fit.spec if fit else None}
    known = {**run.info.get("diagnosed", {}), images.digest: said}
    if known != run.info.get("diagnosed"):
        run.update(diagnosed=known)
    return stored_evidence(run, checkpoint, images.digest)


def stored_evidence(run: Run, checkpoint: Checkpoint, digest: str) -> Evidence:
    """What `gather` stored for the images with this digest; ValueError, saying how to make it, if it did not."""
    if digest not in run.info.get("diagnosed", {}):
        raise ValueError(
            f"{run.name} was not diagnosed on these images; run `sslviz diagnose {run.path} --images ...`."
        )
    fit_digest = run.info["diagnosed"][digest]["fit"]

    def both(key: str) -> tuple[Features, Features | None]:
        fit = Features.load(run.features_stem(key, fit_digest)) if fit_digest else None
        return Features.load(run.features_stem(key, digest)), fit

    features, fit = both(checkpoint.key)
    controls = {PIXELS: both(PIXELS), UNTRAINED: both(checkpoint.untrained().key)}
    return Evidence(features, fit, controls)


def compute(run: Run, one: Entry, evidence: Evidence, column: str | None = None) -> Any:
    """One diagnostic of one checkpoint: read from the run folder, or computed and stored there."""
    return run.result(result_key(one, evidence, column), one.kind, lambda: _compute(one, evidence, column))


def is_stored(run: Run, one: Entry, evidence: Evidence, column: str | None = None) -> bool:
    """Whether `compute` would only read."""
    return run.result_path(result_key(one, evidence, column)).exists()


def result_key(one: Entry, evidence: Evidence, column: str | None) -> dict[str, Any]:
    """What a stored result depends on."""
    key = {"diagnostic": one.name, "features": evidence.features.digest, "label": column}
    return key | ({"fit": evidence.fit.digest if evidence.fit else None} if one.per_label else {})


def _compute(one: Entry, evidence: Evidence, column: str | None) -> Any:
    if one.per_label:
        return one.compute(evidence.features, column, fit=evidence.fit, controls=evidence.controls)
    features = evidence.features
    if one.name == "projection" and len(features) > MAP_POINTS:
        features = features.rows(map_rows(len(features)))
    return one.compute(features)


def map_rows(n: int) -> np.ndarray:
    """Which of `n` images a map shows: at most `MAP_POINTS`, the same ones for every checkpoint."""
    return np.sort(np.random.default_rng(0).permutation(n)[:MAP_POINTS])


def statements(results: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What would one say of this checkpoint?  (diagnostic, what it says, whether that is good news), one for each statement."""
    said = []
    if isinstance(geometry := results.get("spectrum"), Spectrum):
        used = f"{geometry.directions} of {geometry.d} directions in use"
        gone = "hardly anything differs between images"  # of which the directions in use say nothing
        text = f"{geometry.verdict}, {gone if geometry.verdict == 'complete collapse' else used}"
        said.append(("spectrum", text, geometry.verdict == "healthy"))
    for key, probe in results.items():
        if key.partition(":")[0] == "linear_probe":
            score = probe.scores()["accuracy"]
            control = max(score.controls, key=lambda k: score.controls[k])
            beside, good = f"{control} {score.controls[control]:.2f}", bool(score.beats_control)
            text = (
                f"decodable at {score.value:.2f} ({beside})" if good else f"{score.value:.2f}, no better than {beside}"
            )
            said.append((key, f"{probe.label} {text}", good))
    return said


def sentence(name: str, results: dict[str, Any]) -> str:
    """What would one say of this checkpoint in one sentence?

    "simclr: healthy, 41 of 128 directions in use, shape decodable at 0.83 (untrained 0.40)".
    """
    return f"{name}: " + ", ".join(text for _, text, _ in statements(results))
