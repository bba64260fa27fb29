"""What is near what?  Linked maps to draw in, the pictures that were drawn around, and their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from sslviz.catalog import find_entry
from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.diagnostics.projection.layout_methods import LayoutMethod
from sslviz.diagnostics.projection.projection import aligned_projections
from sslviz.features import Features
from sslviz.figures import theme
from sslviz.figures.projection.point_colors import RELIABILITY
from sslviz.figures.projection.projection import projection as maps_figure
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.explorer import Explorer
from sslviz.widgets.parts.given import as_images, named_features
from sslviz.widgets.parts.html import dot, note, table
from sslviz.widgets.parts.live_figure import WIDTH
from sslviz.widgets.parts.thumbnails import Thumbnails
from sslviz.widgets.shared_neighbors import SharedNeighbors

SHOWN = 60  # pictures in the gallery, and to choose one from: a few rows of a notebook
FIRST = 20  # pictures shown while nothing is drawn around
CLASSES = 12  # of which the counts are said in words
NEAREST = "Nearest first, by cosine similarity over all dimensions. Nearest is not near."
IN_ALL = " A dot marks neighbours that all of them have."
NOT_YET = "Draw around points in any map to choose pictures. Until then all {:,} count."


def explore_map(
    features: Any,
    images: Images | np.ndarray | None = None,
    *,
    color: Any = None,
    method: LayoutMethod = "pca",
    seed: int = 0,
) -> MapExplorer:
    """What is near what, in the map and in all dimensions?

    An explorer for notebooks: a map for each checkpoint, and under it in grey the map of noise.  What is drawn around in one
    map stands out in all of them.  Below come its pictures, how many neighbours they share, and the neighbours of any one.

    - features: Features, an array (n, d), a Run, a Checkpoint, or {name: any of these} of the same pictures
    - images: Images or uint8 pixels (n, h, w, 3); needed for checkpoints, and to see pictures
    - color: a column of the table, one value per picture, or "reliability"; by default the column `label`, if there is one
    - method, seed: of the maps, as for `projection`

    Above each map stand its scores beside those of a PCA and of the null map.  `selected` holds the chosen ids, and can be
    set.  Of more than 20,000 pictures a random sample is shown.  ValueError for checkpoints without images, for features of
    other pictures than the first, and whatever `projection` refuses.

    Example:
        >>> import numpy as np, sslviz
        >>> x = np.random.default_rng(0).normal(size=(60, 8))
        >>> explorer = sslviz.explore_map({"plain": x, "turned": x[:, ::-1]})
        >>> explorer.selected = ["0", "1", "2"]

    Caveat: What is drawn together may lie apart, and the other way round; the counts are taken in all dimensions.
    """
    pictures = None if images is None else as_images(images)
    found = named_features(features, pictures)
    return MapExplorer(found, pictures, color=color, method=method, seed=seed)


class MapExplorer(Explorer):
    """What `explore_map` returns; `selected` are the ids of the chosen pictures, in the order of the features."""

    selected = traitlets.Tuple()

    def __init__(
        self, features: Mapping[str, Features], images: Images | None, *, color: Any, method: LayoutMethod, seed: int
    ) -> None:
        first = next(iter(features.values()))
        rows = sample_rows(len(first), find_entry("projection").max_images)
        self.features = {name: x.rows(rows) for name, x in features.items()}
        self.ids, self.table = first.ids[rows], first.table.iloc[rows]
        self.color = self._values(color, rows, len(first))
        maps = aligned_projections(self.features, method, seed=seed)
        self.shared = SharedNeighbors.of(self.features)
        self.palette = theme.colors(self.features)
        self.pictures = Thumbnails(images)
        drawn = maps_figure(maps, color=self.color, colors=self.palette).update_layout(dragmode="lasso", width=WIDTH)
        super().__init__(lambda: go.Figure(self.figure))
        self.figure = go.FigureWidget(drawn)
        self._build(drawn.layout.meta["caption"], len(first))

    @traitlets.validate("selected")
    def _known(self, proposal: traitlets.Bunch) -> tuple[str, ...]:
        """These ids in the order of the features; ValueError for one that no map shows."""
        asked = np.array([str(one) for one in proposal["value"]])
        unknown = asked[~np.isin(asked, self.ids)]
        if len(unknown):
            raise ValueError(f"There is no picture {str(unknown[0])!r} on these maps; their ids are strings.")
        return tuple(self.ids[np.isin(self.ids, asked)].tolist())

    def _values(self, color: Any, rows: np.ndarray, n: int) -> pd.Series | str | None:
        """The colours as figures take them, of the pictures that are shown."""
        if color is None:
            return self.table["label"] if "label" in self.table else None
        if isinstance(color, str):
            if color != RELIABILITY and color not in self.table:
                have = ", ".join([*map(str, self.table.columns), RELIABILITY])
                raise ValueError(f"The pictures have no column {color!r} to colour by; there are: {have}.")
            return color if color == RELIABILITY else self.table[color]
        if len(color) != n:
            raise ValueError(f"Colours are one value for each of the {n} pictures; got {len(color)}.")
        return pd.Series(color).iloc[rows]

    def _build(self, caption: str, n: int) -> None:
        """The parts, what happens when they are touched, and where they stand."""
        self.points = [trace for trace in self.figure.data if trace.customdata is not None]  # the null map has none
        for trace in (trace for trace in self.figure.data if trace.customdata is None):
            trace.unselected = {"marker": {"opacity": trace.marker.opacity}}  # a lasso is no question to it
        for trace in self.points:
            trace.update(selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.12}})
            trace.on_selection(self._drawn_around)
            trace.on_deselect(lambda *_: self.set_trait("selected", ()))
        self._drawn: list[str] = []
        self.chosen, self.counts, self.near = (controls.caption() for _ in range(3))
        self.image, clear = controls.choice("Neighbours of", [], None), controls.button("Clear the selection")
        self.press(clear, lambda: self.set_trait("selected", ()))
        self.connect([self.image], self._show_neighbors)
        self.observe(lambda _: self.attempt(self._follow), "selected")
        sample = f" A random sample of {len(self.ids):,} of the {n:,} pictures." if n > len(self.ids) else ""
        said = controls.caption(note(f"{escape(caption)}{sample}"))
        self._follow()
        self.show(self.figure, said, self.chosen, self.counts, controls.row(self.image, clear), self.near)

    def _drawn_around(self, trace: Any, points: Any, selector: Any) -> None:
        """Plotly tells of a lasso trace after trace; without one, of lines that were taken away, when nothing stands out."""
        self._drawn += [str(trace.customdata[i][0]) for i in points.point_inds]
        if trace is not self.points[-1]:
            return
        drawn, self._drawn = tuple(self._drawn), []
        if selector is not None:
            self._erase()
            self.set_trait("selected", drawn)
        self._stand_out()

    def _erase(self) -> None:
        """Takes away the line that was drawn, which would add to the next; it is not known here, so another replaces it."""
        self.figure.layout.selections = [{"type": "rect", "x0": 0, "x1": 0, "y0": 0, "y1": 0}]
        self.figure.layout.selections = ()

    def _stand_out(self) -> None:
        """What is selected stands out in every map; nothing fades where nothing is."""
        with self.figure.batch_update():
            for trace in self.points:
                ids = np.array(trace.customdata)[:, 0]
                trace.selectedpoints = np.flatnonzero(np.isin(ids, self.selected)) if self.selected else None

    def _follow(self) -> None:
        """All that depends on what is selected: the points that stand out, the pictures, the counts, the choice of one."""
        self._stand_out()
        shown = list(self.selected or self.ids[:FIRST])
        words = f"<b>{len(self.selected):,} pictures chosen</b>{self._classes()}"
        words = words if self.selected else NOT_YET.format(len(self.ids))
        self.chosen.value = words + self.pictures(shown, limit=SHOWN)
        self.counts.value = self._count_table()
        kept = self.image.value
        self.image.options = [(f"{one} {self._said(one)}".strip(), one) for one in shown[:SHOWN]]
        self.image.value = kept if kept in shown[:SHOWN] else shown[0]
        self._show_neighbors()

    def _said(self, id_: str) -> str:
        """What the colour of a picture stands for; empty for one colour, and for reliability, which is each map's own."""
        if not isinstance(self.color, pd.Series):
            return ""
        value = self.color.iloc[self._row(id_)]
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    def _row(self, id_: str) -> int:
        return int(np.flatnonzero(self.ids == id_)[0])

    def _classes(self) -> str:
        """How many of each class are chosen, where classes are few."""
        if not isinstance(self.color, pd.Series):
            return ""
        values = self.color[np.isin(self.ids, self.selected)].astype(str).value_counts()
        return (
            "".join(f" · {escape(str(name))} {count:,}" for name, count in values.items())
            if len(values) <= CLASSES
            else ""
        )

    def _count_table(self) -> str:
        """Each checkpoint's line: neighbours among the chosen, and those it shares with each of the others."""
        rows = np.flatnonzero(np.isin(self.ids, self.selected)) if self.selected else np.arange(len(self.ids))
        names = list(self.features)
        head = ["among the chosen"] * bool(self.selected) + [
            f"also in {escape(name)}" for name in names if len(names) > 1
        ]
        lines = [head and [f"Of the {self.shared.k} nearest in all dimensions", *head]]
        for name in names:
            scores = [str(self.shared.together(name, rows))] if self.selected else []
            if len(names) > 1:
                scores += ["" if other == name else str(self.shared.between(name, other, rows)) for other in names]
            lines.append(head and [f"{dot(self.palette[name])}{escape(name)}", *scores])
        return table([line for line in lines if line])

    def _show_neighbors(self) -> None:
        """The neighbours of one picture in each checkpoint, nearest first; a dot marks those that all checkpoints have."""
        row = self._row(self.image.value)
        in_all = set(self.shared.in_all(row).tolist() if len(self.features) > 1 else ())
        parts = [self.pictures([self.image.value])]
        for name, near in self.shared.near.items():
            ids = self.ids[near.indices[row]].tolist()
            marks = ["• " if one in in_all else "" for one in near.indices[row]]
            said = [
                f"{mark}{similarity:.2f} {self._said(one)}".strip()
                for mark, one, similarity in zip(marks, ids, near.similarities[row], strict=True)
            ]
            parts.append(
                f"<div>{dot(self.palette[name])}<b>{escape(name)}</b></div>{self.pictures(ids, said, size=80)}"
            )
        parts.append(note(NEAREST if len(self.features) == 1 else NEAREST + IN_ALL))
        self.near.value = "".join(parts)
