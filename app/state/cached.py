"""Caches: what need not be computed or read twice.  The only file with Streamlit's; every key is a path, a time or a digest.

Results, features and runs are frozen and only read, so they are cached as they are rather than copied out at every use.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from state import explanation_needs
from state.cache_keys import KEYS, file_time

from sslviz.catalog import find_entry
from sslviz.data import Images, load_images
from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.projection_strip import projection_strip
from sslviz.diagnostics.result import ResultKey
from sslviz.diagnostics.similarity.compare import Comparison, compare
from sslviz.diagnostics.similarity.similarity import Similarity, similarity
from sslviz.evaluation.answers import Columns, stored_result
from sslviz.evaluation.questions import scored_and_fit
from sslviz.evaluation.stored_scores import stored_scores
from sslviz.evaluation.training_steps import stored_journey
from sslviz.explanations.targets.question import TargetQuestion, target_of
from sslviz.features import Features
from sslviz.features.column_kinds import Column, describe_columns
from sslviz.features.diagnosed import diagnosed_steps, layers_of, stored_evidence
from sslviz.features.evidence import Evidence
from sslviz.runs import Checkpoint, Run, open_runs, run_folders
from sslviz.statistics import Score
from sslviz.transfer import budget


def runs(folder: Path, cache: Path | None = None) -> tuple[list[Run], list[str]]:
    """The readable runs of a folder, and a sentence for each that had to be left out; read again when a file changes."""
    paths = run_folders(folder)
    written = [paths, [cache / p.relative_to(folder) for p in paths] if cache else []]
    stamp = tuple((str(p), file_time(p / "run.json"), file_time(p / "history.csv")) for where in written for p in where)
    return _runs(str(folder.resolve()), None if cache is None else str(cache.resolve()), stamp)


@st.cache_resource(max_entries=4, show_spinner=False)
def _runs(folder: str, cache: str | None, stamp: tuple[Any, ...]) -> tuple[list[Run], list[str]]:
    return open_runs(folder, cache=cache)


def evidence(run: Run, digest: str, checkpoint: Checkpoint | None = None) -> Evidence:
    """The stored features of a checkpoint (the last) on these images, and of its controls; ValueError if there are none."""
    checkpoint = checkpoint or run.last
    places = (run.path, run.places.written)  # the time of features/ changes with each file that is written there
    times = tuple(file_time(place / name) for place in places for name in ("features", "run.json"))
    return _evidence(run, checkpoint, checkpoint.key, digest, times)


@st.cache_resource(max_entries=400, show_spinner=False, hash_funcs=KEYS)  # twenty runs of eighteen steps
def _evidence(run: Run, _checkpoint: Checkpoint, key: str, digest: str, times: tuple[int, ...]) -> Evidence:
    return stored_evidence(run, _checkpoint, digest)


def columns(evidence: Evidence) -> list[Column]:
    """Every column of the images' table, and what can be asked about it."""
    return _columns(evidence, tuple(map(str, evidence.features.table.columns)))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=KEYS)
def _columns(evidence: Evidence, names: tuple[str, ...]) -> list[Column]:
    of_fit = None if evidence.fit is None else evidence.fit.table
    return describe_columns(evidence.features.table, of_fit, evidence.group)


def steps(run: Run, digest: str) -> dict[int, Evidence]:
    """{step: evidence} of the checkpoints of a run that were embedded on these images, first step first."""
    return {c.step: evidence(run, digest, c) for c in diagnosed_steps(run, digest)}


@st.cache_resource(max_entries=4000, show_spinner="Computing what is not stored yet …", hash_funcs=KEYS)
def result(run: Run, name: str, evidence: Evidence, columns: Columns = ()) -> Any:
    """A catalog diagnostic of a checkpoint, read from the run folder, or else computed and stored there."""
    return stored_result(run, find_entry(name), evidence, columns)


Answers = dict[str, tuple[Any, dict[str, Score]]]  # {"linear_probe:shape": (Result, its scores)}


@st.cache_resource(max_entries=200, show_spinner="Reading what is stored …", hash_funcs=KEYS)
def answers(run: Run, evidence: Evidence, asked: tuple[tuple[str, Columns], ...]) -> Answers:
    """The answers to many questions at once, so that one key is made and not hundreds; without what cannot be asked here."""
    found: Answers = {}
    for name, columns in asked:
        with suppress(ValueError):  # told where it is asked
            one = result(run, name, evidence, columns)
            scores = stored_scores(run, find_entry(name), evidence, columns, one)
            found[str(ResultKey(name, columns))] = one, scores
    return found


@st.cache_resource(max_entries=1000, show_spinner="Comparing …", hash_funcs=KEYS)
def pair(run: Run, name: str, evidence: Evidence, other: Evidence) -> Any:
    """A catalog diagnostic of a pair: what became of `other` in `evidence`, which is the run's."""
    return stored_result(run, find_entry(name), evidence, other=other)


Differences = tuple[dict[str, Comparison], list[str]]


@st.cache_resource(max_entries=50, show_spinner="Comparing …", hash_funcs=KEYS)
def differences(evidences: dict[str, Evidence], names: list[str], _a: Answers, _b: Answers) -> Differences:
    """The paired differences of the answers both have, by name, and why there is none of the others.

    `evidences` {run: evidence} and `names` stand for the answers."""
    found, reasons = {}, []
    for name in names:
        try:
            found[name] = compare(_a[name][0], _b[name][0])
        except ValueError as error:
            reasons.append(f"{name}: {error}")
    return found, reasons


@st.cache_resource(max_entries=20, show_spinner="Comparing …", hash_funcs=KEYS)
def similarities(
    runs: dict[str, Run], evidences: dict[str, Evidence], pairs: tuple[tuple[str, str], ...]
) -> dict[tuple[str, str], Similarity]:
    """{(run, other run): Similarity} of many pairs at once, so that one key is made and not hundreds."""
    return {(a, b): pair(runs[b], "similarity", evidences[b], evidences[a]) for a, b in pairs}


@st.cache_resource(max_entries=50, show_spinner="Comparing layers …", hash_funcs=KEYS)
def layer_pairs(run: Run, a: dict[str, Features], b: dict[str, Features]) -> dict[tuple[str, str], Similarity]:
    """{(layer of a, layer of b): Similarity}, each kept in the run folder."""

    def one(x: Features, y: Features) -> Similarity:
        key = {"diagnostic": "similarity", "features": y.digest, "with": x.digest}
        return run.result(key, Similarity, lambda: similarity(x, y))

    return {(i, j): one(x, y) for i, x in a.items() for j, y in b.items()}


def layers(run: Run, digest: str) -> dict[str, Features]:
    """{layer: features of a sample of these images} of the run's last checkpoint; empty where they were not kept."""
    return layers_of(run, run.last, digest)


@st.cache_resource(max_entries=100, show_spinner="Laying out the map …", hash_funcs=KEYS)
def map_of(run: Run, evidence: Evidence, layout: str) -> Projection:
    """The map of the images by one of `projection`'s methods, read from the run folder, or computed and kept there."""
    return stored_result(run, find_entry("projection"), evidence, layout=layout)


@st.cache_resource(max_entries=20, show_spinner="Laying out each step …", hash_funcs=KEYS)
def journey(run: Run, evidences: dict[int, Evidence], layout: str) -> dict[int, Projection]:
    """{step: its map}, each laid over the one before it; kept in the run folder one by one."""
    return stored_journey(run, evidences, layout)


@st.cache_resource(max_entries=10, show_spinner="Laying out nine maps and their null maps …", hash_funcs=KEYS)
def strip(run: Run, evidence: Evidence) -> dict[tuple[int, float], Projection]:
    """{(n_neighbors, min_dist): map} of a sample of the images, under nine settings of UMAP."""
    return projection_strip(evidence.features)


@st.cache_data(max_entries=500, show_spinner=False, hash_funcs=KEYS)
def nearest(evidence: Evidence, id_: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids of the k images nearest to one, and their cosine similarities: one product of the features with a vector."""
    features = evidence.features
    k = min(k, len(features) - 1)
    found = neighbors(features.select([id_]), k + 1, among=features)
    others = np.flatnonzero(found.indices[0] != np.flatnonzero(features.ids == id_))[:k]
    return features.ids[found.indices[0, others]], found.similarities[0, others]


# --- maps: pixels and encoders come back ------------------------------------------------------------------------------


@st.cache_resource(max_entries=3, show_spinner="Loading the images …")
def images(spec: str, digest: str) -> Images:
    """All images that this text means; `digest` is that of those looked for, so that others are loaded anew."""
    return load_images(spec)


@st.cache_resource(max_entries=3, show_spinner="Loading the images of the other domain …")
def target_images(spec: str, size: int | None) -> Images:
    """The images of another domain that are scored: the test split of what this text means, or all of them."""
    return scored_and_fit(load_images(spec, size))[0]


@st.cache_resource(max_entries=200, show_spinner=False, hash_funcs=KEYS)
def kept(run: Run, name: str, _compute: Callable[..., Any], given: Any, parameters: dict[str, Any]) -> Any:
    """Maps that lie in the run folder, or that have to be made."""
    from sslviz.explanations.cache import cached_result

    return cached_result(run, _compute, *given, progress=False, **parameters)


@st.cache_resource(max_entries=100, show_spinner="Reading the features …", hash_funcs=KEYS)
def target(question: TargetQuestion, rows: np.ndarray, features: Features, fit: Features | None) -> Any:
    """The number that is explained of one encoder at the images in these rows."""
    return target_of(question, rows, features, fit)


# What an explanation or a training needs of an encoder.
seconds_per_answer = st.cache_data(
    budget.seconds_per_answer, max_entries=100, show_spinner="Loading the encoders …", hash_funcs=KEYS
)
answers_of_map = st.cache_data(explanation_needs.answers_of_map, max_entries=500, show_spinner=False, hash_funcs=KEYS)
answers_of_evidence = st.cache_data(
    explanation_needs.answers_of_evidence, max_entries=100, show_spinner=False, hash_funcs=KEYS
)
no_attention = st.cache_data(explanation_needs.no_attention, max_entries=100, show_spinner=False, hash_funcs=KEYS)
pace = st.cache_data(budget.training_pace, max_entries=100, show_spinner="Timing the encoders …", hash_funcs=KEYS)


@st.cache_resource(max_entries=100, show_spinner="Reading the last grid …", hash_funcs=KEYS)
def grid(checkpoint: Checkpoint, images: Images, name: str) -> np.ndarray:
    """`activation_energy`, `eigen_cam` or `effective_receptive_field` of these images."""
    from sslviz.explanations.attention import activation

    return getattr(activation, name)(checkpoint, images, progress=False)


@st.cache_resource(max_entries=50, show_spinner="Looking …", hash_funcs=KEYS)
def queries(checkpoint: Checkpoint, images: Images, layer: int) -> np.ndarray:
    """What each patch of these images looks at in one layer: (n, heads, patches, rows, columns)."""
    from sslviz.explanations.attention.layer_maps import query_maps

    return query_maps(checkpoint, images, layer=layer)


@st.cache_resource(max_entries=100, show_spinner="Looking …", hash_funcs=KEYS)
def of_heads(checkpoint: Checkpoint, images: Images, layer: int) -> np.ndarray:
    """What each head of one layer looks at: (n, heads, rows, columns)."""
    from sslviz.explanations.attention.layer_maps import attention_maps

    return attention_maps(checkpoint, images, layer=layer)


@st.cache_resource(show_spinner=False)
def demos() -> dict[str, subprocess.Popen[bytes]]:
    """The demos this server started, by folder: one each, whoever looks and however often the page is reloaded."""
    return {}
