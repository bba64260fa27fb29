"""The colours of the points of a map: all alike, by class, along a scale, or by how far each can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from sslviz.diagnostics.projection.projection import Projection
from sslviz.figures.parts import theme

RELIABILITY = "reliability"
BY_CHANCE = "keeps no more than chance"
LAYERS = 4  # in which the classes are drawn in turns, so that the last does not cover the others
MOST_CLASSES = 20  # in a legend, and drawn in turns; of more, hovering shows the class
PointGroup = tuple[str, np.ndarray, dict[str, Any], str]  # name, rows, marker, and what the hover text adds to the id


@dataclass(frozen=True)
class PointColors:
    """How the points of a map are coloured.

    - kind: "one" colour for all, "classes", "numbers", or "reliability", numbers of which only some are shown in full
    - values: of the points (n,)
    - name: what the values are called
    - reliable: which points are shown in full, bool (n,); None: all
    """

    kind: str
    values: np.ndarray
    name: str
    reliable: np.ndarray | None = None

    @classmethod
    def of_map(cls, color: Any, result: Projection) -> PointColors:
        """As `of`; or, where `color` is "reliability", by the share of its neighbours that each image keeps on the map."""
        if isinstance(color, str) and color == RELIABILITY:
            return cls(RELIABILITY, result.preservation, "neighbours kept (share)", result.reliable)
        return cls.of(color, result.ids)

    @classmethod
    def of(cls, color: Any, ids: np.ndarray) -> PointColors:
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

    @property
    def scale(self) -> tuple[float, float] | None:
        """The ends of the colour scale; None where there is none."""
        if self.kind not in ("numbers", RELIABILITY):
            return None
        finite = self.values[np.isfinite(self.values)]
        return (0.0, 1.0) if self.kind == RELIABILITY else (float(finite.min()), float(finite.max()))

    @property
    def legend(self) -> list[str]:
        """What stands in the legend."""
        return self.classes()[0] if self.kind == "classes" else [BY_CHANCE] if self.kind == RELIABILITY else []

    def groups(self, rows: np.ndarray, color: str) -> Iterator[PointGroup]:
        """For each trace: its name in the legend (if any), its rows, its marker, and what its hover text adds to the id.

        Up to four traces for each class.
        """
        hover = f"<br>{escape(self.name)}: " if self.name else "<br>"
        if self.kind == "one":
            yield "", rows, {"color": color}, ""
        elif self.kind == "classes":
            yield from self._in_turns(rows, hover)
        else:
            reliable = np.ones(len(rows), bool) if self.reliable is None else self.reliable[rows]
            for name, members, faded in ((BY_CHANCE, rows[~reliable], {"opacity": 0.2}), ("", rows[reliable], {})):
                if len(members) or not name:
                    marker = {"color": self.values[members], "coloraxis": "coloraxis", **faded}
                    yield name, members, marker, f"{hover}%{{marker.color:.4g}}"

    def _in_turns(self, rows: np.ndarray, hover: str) -> Iterator[PointGroup]:
        """A few traces for each class: a random part of every class, then another, and so on; always the same parts.

        Every other layer is in reverse order, and layers become smaller.  So each class is seen on top about as often as
        its share, in dense and sparse regions alike.
        """
        classes, codes = self.classes()
        palette = theme.class_colors(classes)
        most = LAYERS if len(classes) <= MOST_CLASSES else 1  # a trace costs a browser more than its points do
        layers = max(1, min(most, len(rows) // (8 * len(classes))))
        ends = np.arange(layers, 0, -1).cumsum()
        layer = np.searchsorted(
            ends / ends[-1] * len(rows), np.random.default_rng(0).permutation(len(rows)), side="right"
        )
        for turn in range(layers):
            for i, label in list(enumerate(classes))[:: -1 if turn % 2 else 1]:
                members = rows[(layer == turn) & (codes[rows] == i)]
                symbol = theme.CLASS_SYMBOLS[i // len(theme.CLASS_COLORS) % len(theme.CLASS_SYMBOLS)]
                if len(members):
                    yield label, members, {"color": palette[label], "symbol": symbol}, hover + escape(label)
