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

# What fields were called in results that an older sslviz stored: {class: {former name: name}}.
FORMER_FIELDS = {
    "Alignment": {"control": "unrelated_mean"},
    "Collapse": {"controls": "control_values", "projector_controls": "projector_control_values"},
    "Projection": {"controls": "control_values"},
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
