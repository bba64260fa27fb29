"""What an audit looked at: checkpoints, images, versions; and what is said of a checkpoint in a sentence and in numbers."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sslviz.data import Images
from sslviz.evaluation.summary import sentence
from sslviz.features.class_names import class_counts
from sslviz.reports.audit.plan import AuditPlan
from sslviz.runs import Checkpoint, Run
from sslviz.runs.preprocessing import run_preprocessing


def describe(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    """Which weights were looked at, and where do they come from?"""
    assert checkpoint.path is not None
    with open(checkpoint.path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    arguments = {key: value for key, value in run.info.get("arguments", {}).items() if value not in (None, "", {})}
    return {
        "run": run.name,
        "step": checkpoint.step,
        "sha256": sha256,
        "encoder": dict(checkpoint.config),
        "preprocessing": run_preprocessing(run),
        "kind": run.info.get("kind", ""),
        "arguments": arguments,
        "versions": run.info.get("versions", {}),
        "device": run.info.get("device", ""),
        "seconds": run.info.get("seconds"),
    }


def made() -> dict[str, Any]:
    """By what, on what and when is this made?"""
    packages = ("sslviz", "torch", "timm", "numpy", "scikit-learn", "plotly")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}",
        "seeds": "every random choice has a fixed seed, 0 unless said otherwise",
    }


def describe_images(images: Images, fit: Images | None, target: Images | None, plan: AuditPlan) -> dict[str, Any]:
    """Which images were looked at, and how many of each value?"""
    counts = {
        column: {str(value): int(n) for value, n in class_counts(images.table[column]).items()}
        for column in (plan.label, *plan.attributes)
    }
    return {
        "spec": images.spec,
        "digest": images.digest,
        "n": len(images),
        "size": list(images.size),
        "counts": counts,
        "fit": _named(fit),
        "target": _named(target),
    }


def _named(images: Images | None) -> dict[str, Any] | None:
    return None if images is None else {"spec": images.spec, "digest": images.digest, "n": len(images)}


def said_of(name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Verdict, sentence and scores of a checkpoint, from its results."""
    collapse = results.get("collapse")
    return {
        "verdict": collapse.verdict if collapse else "",
        "reasons": collapse.reasons if collapse else [],
        "said": sentence(name, results),
        "scores": {key: {n: s.to_dict() for n, s in r.scores().items()} for key, r in results.items()},
    }
