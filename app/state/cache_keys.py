"""Cache keys: what stands for an object in a key, which is a path, a time or a digest, never the arrays themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sslviz.data import Images
from sslviz.explanations.targets.question import TargetQuestion
from sslviz.features import Features
from sslviz.features.evidence import Evidence
from sslviz.runs import Checkpoint, Run


def file_time(path: Path) -> int:
    """When a file was last written; 0 if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0


KEYS: dict[Any, Any] = {
    Run: lambda run: (str(run.path.resolve()), str(run.places.cache)),
    Features: lambda features: (features.digest, features.group),
    Evidence: lambda evidence: [
        *((stimulus, name, x.digest) for stimulus, seen in evidence.shown.items() for name, x in seen.items()),
        json.dumps(evidence.expected_pairs, sort_keys=True),
        evidence.group,
    ],
    TargetQuestion: repr,
    Images: lambda images: (images.digest, sorted(images.masks), images.group),
    Checkpoint: lambda one: (
        one.run,
        one.key,
        str(one.path),
        one.path and file_time(one.path),
        json.dumps(dict(one.config)),
    ),
    # By name, because torch is loaded where maps are made and nowhere else.
    "sslviz.explanations.targets.targets.Target": lambda one: (
        one.key,
        one.words,
        [r.numpy().tobytes() for r in one.references],
    ),
    "sslviz.explanations.attribution.attribution.Attribution": lambda one: (
        one.name,
        one.method,
        one.target,
        one.maps.tobytes(),
    ),
}
