"""How are the points of a map coloured?  All alike, by class, along a scale, or by how far each can be believed."""

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
MOST_CLASSES = 20  # in a legend, and drawn in turns; more are told by hover


@dataclass(frozen=True)
class Paint:
    """How the points are coloured: one `kind` of `values` (n,), called `name`.

    The kinds are "one", "classes", "numbers", and "reliability": numbers of which only the `sure` (n,) are shown in full.
    """

    kind: str
    values: np.ndarray
    name: str
    sure: np.ndarray | None = None

    @classmethod
    def over(cls, color: Any, result: Projection) -> Paint:
        """As `of`; or, where `color` is "reliability", by the share of its neighbours that each image keeps on the map."""
        if isinstance(color, str) and color == RELIABILITY:
            return cls(RELIABILITY, result.preservation, "neighbours kept (share)", result.reliable)
        return cls.of(color, result.ids)

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

    def groups(self, rows: np.ndarray, color: str) -> Iterator[tuple[str, np.ndarray, dict[str, Any], str]]:
        """For each trace: its name in the legend (if any), its rows, its marker, what its hover text adds to the id.

        Up to four traces for each class.
        """
        say = f"<br>{escape(self.name)}: " if self.name else "<br>"
        if self.kind == "one":
            yield "", rows, {"color": color}, ""
        elif self.kind == "classes":
            yield from self._in_turns(rows, say)
        else:
            sure = np.ones(len(rows), bool) if self.sure is None else self.sure[rows]
            for name, mine, faded in ((BY_CHANCE, rows[~sure], {"opacity": 0.2}), ("", rows[sure], {})):
                if len(mine) or not name:
                    marker = {"color": self.values[mine], "coloraxis": "coloraxis", **faded}
                    yield name, mine, marker, f"{say}%{{marker.color:.4g}}"

    def _in_turns(self, rows: np.ndarray, say: str) -> Iterator[tuple[str, np.ndarray, dict[str, Any], str]]:
        """A few traces for each class: a random part of every class, then another, ...  Always the same parts.

        Every other time in reverse, and fewer from time to time: so that on top of few points as of many each class is
        seen about as often as it should be.
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
                mine = rows[(layer == turn) & (codes[rows] == i)]
                symbol = theme.CLASS_SYMBOLS[i // len(theme.CLASS_COLORS) % len(theme.CLASS_SYMBOLS)]
                if len(mine):
                    yield label, mine, {"color": palette[label], "symbol": symbol}, say + escape(label)
