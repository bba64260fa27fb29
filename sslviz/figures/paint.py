"""How are the points of a map coloured?  All alike, by class, or along a scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from sslviz.figures import theme


@dataclass(frozen=True)
class Paint:
    """How the points are coloured: one `kind` ("one", "classes" or "numbers") of `values` (n,), called `name`."""

    kind: str
    values: np.ndarray
    name: str

    @classmethod
    def of(cls, color: Any, ids: np.ndarray) -> Paint:
        """From values in the order of `ids`; numbers of more than a dozen values are a scale, all else is classes."""
        if color is None:
            return cls("one", np.zeros(len(ids)), "")
        if len(color) != len(ids):
            raise ValueError(
                f"A map of {len(ids)} images needs one colour value for each, in their order; got {len(color)}."
            )
        values = np.asarray(color)
        if values.dtype.kind not in "fiub":
            values = values.astype(str)
        is_scale = values.dtype.kind in "fiu" and len(np.unique(values)) > 12
        return cls("numbers" if is_scale else "classes", values, str(getattr(color, "name", None) or ""))

    def classes(self) -> tuple[list[str], np.ndarray]:
        """The names of the classes, numbers by size and texts by the alphabet, and each point's place among them."""
        names, codes = np.unique(self.values, return_inverse=True)
        return [str(name) for name in names], codes

    def groups(self, rows: np.ndarray, color: str) -> Iterator[tuple[str, np.ndarray, dict[str, Any], str]]:
        """For each trace: its name in the legend (if any), its rows, its marker, what its hover text adds to the id."""
        say = f"<br>{escape(self.name)}: " if self.name else "<br>"
        if self.kind == "one":
            yield "", rows, {"color": color}, ""
        elif self.kind == "numbers":
            yield "", rows, {"color": self.values[rows], "coloraxis": "coloraxis"}, f"{say}%{{marker.color:.4g}}"
        else:
            classes, codes = self.classes()
            palette = theme.class_colors(classes)
            for i, label in enumerate(classes):
                symbol = theme.CLASS_SYMBOLS[i // len(theme.CLASS_COLORS) % len(theme.CLASS_SYMBOLS)]
                yield label, rows[codes[rows] == i], {"color": palette[label], "symbol": symbol}, say + escape(label)
