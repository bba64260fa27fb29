"""How alike are two spaces?  Score bars for a pair, and a heat map for all pairs of checkpoints or layers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.similarity.similarity import Similarity
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import bars, scale
from sslviz.statistics import Score

ENDS = {
    "cka": (0, 1),
    "procrustes": (0, 2),
    "mutual_knn": (0, 1),
    "rsa": (0, 1),
}  # what is drawn; the least alike first
NAMES = {"cka": "CKA", "procrustes": "Procrustes distance", "mutual_knn": "shared neighbours", "rsa": "RSA"}
COLOR, FULL = theme.CLASS_COLORS[0], 0.55  # of no checkpoint; translucent, to fade into light and dark paper alike
WRITTEN = 12  # rows up to which the numbers fit into the cells
CAPTION = (
    "Dot: value; line: 95 % interval; grey tick: what unrelated images read. CKA, RSA and shared neighbours rise with "
    "likeness, Procrustes distance falls. No one of them says it all."
)
HEATMAP_CAPTION = (
    "{name} of each pair, {n:,} images; {ends}. Grey line on the scale: what unrelated images read. Hover for the "
    "interval. Two spaces can be alike by one measure and not by another."
)


class Cell(NamedTuple):
    """One pair of the heat map: its value, the text in it, and the text on hovering."""

    value: float | None
    text: str
    hover: str


def similarity(results: Similarity | Mapping[str, Similarity], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """How alike are two spaces, and how alike would unrelated ones be?  Four score bars for each pair.

    `results` is a Similarity or {name of the pair: Similarity}.
    Caveat: CKA follows the few widest directions, shared neighbours only the nearest: read them together.
    """
    named = theme.as_dict(results)
    nested = {name: result.scores() for name, result in named.items()}
    scales = {}
    for score, (low, high) in ENDS.items():
        least = scale(score, [scores[score] for scores in nested.values() if score in scores])[0]
        scales[score] = (min(float(low), least), float(high))
    fig, rows = bars(nested, colors or {}, scales, {})
    scores = "; ".join(f"{row.checkpoint} {NAMES[row.name]} {row.score}".strip() for row in rows)
    return theme.finish(fig, alt=f"How alike pairs of spaces are, beside unrelated images. {scores}.", caption=CAPTION)


def heatmap(results: Mapping[tuple[str, str], Similarity], *, score: str = "cka") -> go.Figure:
    """Which checkpoints or layers are alike?  One cell for each pair, on a scale that marks unrelated images.

    `results` {(row, column): Similarity} may hold each pair of checkpoints once; the other half and the diagonal are
    filled in.  Or it holds every layer of one encoder with every layer of another.  `score` is "cka", "procrustes",
    "mutual_knn" or "rsa"; numbers are written into the cells of up to 12 rows.
    Caveat: neighbouring steps and layers are alike in any network; it is the breaks in the pattern that tell.
    """
    if not results:
        raise ValueError("A heat map needs at least one pair; give {(name, name): result of similarity(a, b)}.")
    if score not in ENDS:
        raise ValueError(f"There is no score {score!r} of similarity; there are: {', '.join(ENDS)}.")
    rows, columns = _names(results)
    cells = [[_cell(results, row, column, score) for column in columns] for row in rows]
    fig = make_subplots(cols=2, column_widths=[0.94, 0.06], horizontal_spacing=0.09)
    fig.add_trace(_grid(cells, rows, columns, score), row=1, col=1)
    fig.add_traces(_key([result.chance[score] for result in results.values()], score), rows=1, cols=2)
    short = theme.short_names([*rows, *columns])
    plain = {"showgrid": False, "ticks": "", "showline": False}
    fig.update_xaxes(
        **plain, tickvals=columns, ticktext=[escape(short[name]) for name in columns], type="category", col=1
    )
    fig.update_yaxes(**plain, tickvals=rows, ticktext=[escape(short[name]) for name in rows], type="category", col=1)
    fig.update_yaxes(autorange="reversed", col=1)
    fig.update_xaxes(visible=False, fixedrange=True, col=2)
    low, high = ENDS[score]
    title = f"{NAMES[score]} ({low} to {high})"
    fig.update_yaxes(**plain, title_text=title, range=[low, high], fixedrange=True, side="right", col=2)
    fig.update_layout(height=min(900, max(260, 34 * len(rows) + 150)), legend={"y": 0})
    return theme.finish(fig, alt=_alt(results, score), caption=_caption(results, score))


def _names(results: Mapping[tuple[str, str], Similarity]) -> tuple[list[str], list[str]]:
    """Rows and columns: those given if every row is there with every column, else all names both ways."""
    rows, columns = (list(dict.fromkeys(pair[i] for pair in results)) for i in (0, 1))
    if 1 < len(results) == len(rows) * len(columns):
        return rows, columns
    names = list(dict.fromkeys(name for pair in results for name in pair))
    return names, names


def _cell(results: Mapping[tuple[str, str], Similarity], row: str, column: str, score: str) -> Cell:
    result = results.get((row, column)) or results.get((column, row))
    names = f"<b>{escape(row)}</b> and <b>{escape(column)}</b>"
    if result is None and row == column:
        same = 0.0 if score == "procrustes" else 1.0
        return Cell(same, f"{same:g}", f"{names}<br>{NAMES[score]} {same:g}: the same space")
    found = None if result is None else result.scores().get(score)
    if found is None:
        return Cell(None, "", f"{names}<br>not compared")
    return Cell(found.value, f"{found.value:.2f}".replace("-0.00", "0.00"), f"{names}<br>{_hover(found, score)}")


def _hover(score: Score, name: str) -> str:
    interval = "" if score.low is None else f" [{score.low:.3f}, {score.high:.3f}]"
    return f"{NAMES[name]} {score.value:.3f}{interval}<br>unrelated images (control): {score.control:.3f}"


def _scale(score: str) -> list[str]:
    """Two translucent ends: likeness is dark, whichever way the score runs."""
    rgb = ",".join(str(int(COLOR[i : i + 2], 16)) for i in (1, 3, 5))
    ends = [f"rgba({rgb},0.02)", f"rgba({rgb},{FULL})"]
    return ends[::-1] if score == "procrustes" else ends


def _grid(cells: list[list[Cell]], rows: list[str], columns: list[str], score: str) -> go.Heatmap:
    low, high = ENDS[score]
    written = max(len(rows), len(columns)) <= WRITTEN
    return go.Heatmap(
        z=[[cell.value for cell in row] for row in cells],
        x=columns,
        y=rows,
        name=NAMES[score],
        zmin=low,
        zmax=high,
        colorscale=_scale(score),
        showscale=False,
        xgap=1,
        ygap=1,
        text=[[cell.text for cell in row] for row in cells],
        texttemplate="%{text}" if written else None,
        hovertext=[[cell.hover for cell in row] for row in cells],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _key(chance: list[float], score: str) -> list[go.Heatmap | go.Scatter]:
    """The colour scale, with a grey line at what unrelated images read (at the least and the most, where pairs differ)."""
    low, high = ENDS[score]
    at = np.linspace(low, high, 65)[:-1] + (high - low) / 128
    x, y = [], []
    for value in sorted({round(min(chance), 4), round(max(chance), 4)}):
        x += [-0.5, 0.5, None]
        y += [value, value, None]
    return [
        go.Heatmap(
            z=[[value] for value in at.tolist()],
            x=[0],
            y=at.tolist(),
            zmin=low,
            zmax=high,
            colorscale=_scale(score),
            showscale=False,
            hoverinfo="skip",
        ),
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            name="unrelated images (control)",
            showlegend=True,
            cliponaxis=False,
            line={"color": theme.CONTROL, "width": 3},
            hovertemplate="<b>unrelated images</b> (control): %{y:.3f}<extra></extra>",
        ),
    ]


def _alt(results: Mapping[tuple[str, str], Similarity], score: str) -> str:
    values = {pair: result.values[score] for pair, result in results.items() if np.isfinite(result.values[score])}
    if not values:
        return f"{NAMES[score]} of {len(results)} pairs of spaces, none of which have one."
    alike, apart = max(values, key=lambda p: values[p]), min(values, key=lambda p: values[p])
    if score == "procrustes":
        alike, apart = apart, alike
    chance = np.mean([result.chance[score] for result in results.values()])
    return (
        f"{NAMES[score]} of {len(results)} pairs of spaces; most alike: {' and '.join(alike)}, {values[alike]:.2f}; "
        f"least: {' and '.join(apart)}, {values[apart]:.2f}; unrelated images read {chance:.2f}."
    )


def _caption(results: Mapping[tuple[str, str], Similarity], score: str) -> str:
    first = next(iter(results.values()))
    n = first.n_ranked if score == "rsa" else len(first.ids)
    ends = "0 is the same space" if score == "procrustes" else "1 is the same space"
    return HEATMAP_CAPTION.format(name=NAMES[score], n=n, ends=ends)
