"""Results on disk: dataclasses of numbers, text and arrays as npz."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sslviz.runtime.files import atomic_write

T = TypeVar("T")

# Fields that had another name when a result was stored: {class of the result: {former name: name}}.
FORMER_FIELDS: dict[str, dict[str, str]] = {
    "Alignment": {"control": "unrelated_mean"},
    "Association": {
        "as_is": "effect_uncentered",
        "caps": "effect_max",
        "p_papers": "p_labels",
        "settled": "confounded",
    },
    "Collapse": {"controls": "control_values", "projector_controls": "projector_control_values"},
    "Counterfactual": {"controls": "control_moved"},
    "DescriptionLength": {"controls": "control_bits"},
    "Drift": {"controls": "control_values"},
    "Groups": {"controls": "control_correct"},
    "Invariance": {"controls": "control_values"},
    "Probe": {"controls": "control_correct"},
    "Projection": {"controls": "control_values"},
    "Reliance": {"partner": "expected_pairs", "paired": "pairs_known", "controls": "control_answers"},
    "Selectivity": {
        "control_correct": "control_task_correct",
        "beside": "control_values",
        "cells": "n_kinds",
        "by": "kind_columns",
    },
    "Slices": {"n_found": "n_discovery"},
}


def save_result(path: Path, result: Any) -> None:
    """Writes a result dataclass as one .npz: its arrays, and the rest as JSON.  No pickles."""
    arrays: dict[str, np.ndarray] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"a{len(arrays)}"] = value
            return {"__array__": f"a{len(arrays) - 1}"}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Mapping):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return value

    fields = {f.name: plain(getattr(result, f.name)) for f in dataclasses.fields(result)}
    text = np.frombuffer(json.dumps({"type": type(result).__name__, "fields": fields}).encode(), np.uint8)
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, json=text, **arrays)


def load_result(path: Path, kind: type[T]) -> T:
    """Reads what `save_result` wrote as the dataclass `kind`, also by an older sslviz that called its fields otherwise.

    ValueError if another kind was stored there.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        data = json.loads(stored["json"].tobytes())

        def rich(value: Any) -> Any:
            if isinstance(value, dict):
                return stored[value["__array__"]] if "__array__" in value else {k: rich(v) for k, v in value.items()}
            return [rich(v) for v in value] if isinstance(value, list) else value

        if data["type"] != kind.__name__:
            raise ValueError(f"{path} holds a {data['type']}, not a {kind.__name__}.")
        former = FORMER_FIELDS.get(kind.__name__, {})
        return kind(**{former.get(name, name): rich(value) for name, value in data["fields"].items()})
