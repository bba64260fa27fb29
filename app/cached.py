"""What need not be computed or read twice?  The only file with Streamlit's caches; every key is a path, a time or a digest.

Results, features and runs are frozen and only read, so they are cached as they are rather than copied out at every use.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from sslviz.catalog import entry
from sslviz.diagnose import Evidence, compute, map_rows, stored_evidence
from sslviz.diagnostics import Projection, neighbors, projection
from sslviz.runs import Run, open_runs

KEYS: dict[Any, Any] = {
    Run: lambda run: str(run.path.resolve()),
    Evidence: lambda evidence: (evidence.features.digest, evidence.fit.digest if evidence.fit else None),
}


def runs(folder: Path) -> tuple[list[Run], list[str]]:
    """The readable runs of a folder, and a sentence for each that had to be left out; read again when a file changes."""
    paths = [p for p in sorted(folder.glob("*/")) if not p.name.startswith(".")]
    return _runs(str(folder.resolve()), tuple((p.name, _time(p / "run.json"), _time(p / "history.csv")) for p in paths))


@st.cache_resource(max_entries=4, show_spinner=False)
def _runs(folder: str, stamp: tuple[Any, ...]) -> tuple[list[Run], list[str]]:
    return open_runs(folder)


def evidence(run: Run, digest: str) -> Evidence:
    """The stored features of a run's last checkpoint on these images, and of its controls; ValueError if there are none."""
    stem = run.features_stem(run.last.key, digest)
    return _evidence(
        run, run.last.key, digest, _time(stem.with_name(stem.name + ".json")), _time(run.path / "run.json")
    )


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=KEYS)
def _evidence(run: Run, key: str, digest: str, written: int, known: int) -> Evidence:
    return stored_evidence(run, run.last, digest)


@st.cache_resource(max_entries=500, show_spinner="Computing what is not stored yet …", hash_funcs=KEYS)
def result(run: Run, name: str, evidence: Evidence, column: str | None = None) -> Any:
    """A catalog diagnostic of a checkpoint, read from the run folder, or else computed and stored there."""
    return _scored_once(compute(run, entry(name), evidence, column))


@st.cache_resource(max_entries=50, show_spinner="Computing the PCA map …", hash_funcs=KEYS)
def pca(run: Run, evidence: Evidence) -> Projection:
    """The PCA map of the images that a UMAP would show, likewise kept in the run folder."""
    key = {"diagnostic": "projection", "method": "pca", "features": evidence.features.digest}
    features = evidence.features.rows(map_rows(len(evidence.features)))
    return _scored_once(run.result(key, Projection, lambda: projection(features, "pca")))


@st.cache_data(max_entries=500, show_spinner=False, hash_funcs=KEYS)
def nearest(evidence: Evidence, id_: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids of the k images nearest to one, and their cosine similarities: one product of the features with a vector."""
    features = evidence.features
    k = min(k, len(features) - 1)
    found = neighbors(features.select([id_]), k + 1, among=features)
    others = np.flatnonzero(found.indices[0] != np.flatnonzero(features.ids == id_))[:k]
    return features.ids[found.indices[0, others]], found.similarities[0, others]


@st.cache_resource(show_spinner=False)
def demos() -> dict[str, subprocess.Popen[bytes]]:
    """The demos this server started, by folder: one each, whoever looks and however often the page is reloaded."""
    return {}


def _scored_once(result: Any) -> Any:
    """The same result, whose scores draw their bootstrap once rather than each time they are shown."""
    scores = result.scores()
    object.__setattr__(result, "scores", lambda: scores)
    return result


def _time(path: Path) -> int:
    """When a file was last written; 0 if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0
