"""The look of every figure: two templates with one layout, and which colours are whose.

Text, grid and background colours live in the templates only, so that a figure becomes dark by `apply(fig, dark=True)`
and nothing else.  Checkpoints own the Okabe-Ito palette, classes Paul Tol's "muted", and grey is only ever a control.
"""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import plotly.graph_objects as go

T = TypeVar("T")

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
CONTROL = "#858585"  # at least 3.6 : 1 against both backgrounds

# Okabe and Ito's order without black (it vanishes on dark); yellow comes last, because a thin yellow line hardly
# shows on white.  From the eighth name on: the same seven with 40 % black, which stay apart from the first seven.
CHECKPOINT_COLORS = (
    *("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#F0E442"),
    *("#8A5F00", "#346C8C", "#005F45", "#00446B", "#803800", "#7A4964", "#908928"),
)
MANY = 8  # checkpoints whose lines are drawn at full width; more are thin
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
# Paul Tol's "muted" scheme, indigo and wine lightened to show on dark, ordered so that the first of them are far apart
# for every kind of colour vision, and far from the first checkpoints' colours.
CLASS_COLORS = (
    *("#5F4BB6", "#999933", "#9A2F62", "#88CCEE", "#CC6677"),
    *("#117733", "#AA4499", "#DDCC77", "#44AA99"),
)
# Classes that are themselves called by colours: a "green" drawn in wine would be read wrongly.
COLOR_WORDS = {
    "red": "#C93545", "orange": "#DB7F2A", "yellow": "#C9B400", "green": "#3F9142", "blue": "#3F68D6",
    "purple": "#9559C6", "pink": "#E58FC0", "brown": "#8B5A33", "cyan": "#2FB5C4", "magenta": "#C73BB5",
}  # fmt: skip  # a table: several colours a line
CLASS_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")
# viridis between 12 % and 94 %: its ends would vanish on dark and on white.
SCALE = ("#482576", "#3f4889", "#2f6c8e", "#21908c", "#2fb47c", "#73d056", "#c8e020")

_TITLE = {
    **{"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top"},
    **{"pad": {"t": 10, "b": 10}, "automargin": True},
}
# Below everything and against the container: it can wrap to any number of lines without covering data.
_LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom"}
_INK = {
    False: {"paper": "#ffffff", "text": "#1f2430", "muted": "#596070", "grid": "#e8eaee", "axis": "#c3c8d1"},
    True: {"paper": "#0e1117", "text": "#e8eaee", "muted": "#a5abb8", "grid": "#232833", "axis": "#454c5a"},
}


def ink(dark: bool = False) -> dict[str, str]:
    """The colours of paper, text, muted text, grid and axes, for HTML and SVG, which have no template."""
    return dict(_INK[dark])


def _template(dark: bool) -> go.layout.Template:
    c = _INK[dark]
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": c["text"]},
        title={**_TITLE, "font": {"size": 15}},
        paper_bgcolor=c["paper"],
        plot_bgcolor=c["paper"],
        colorway=list(CHECKPOINT_COLORS),
        margin={"l": 12, "r": 16, "t": 12, "b": 8},
        legend={**_LEGEND, "font": {"size": 12}},
        hoverlabel={**_hover_label(c), "align": "left", "namelength": -1},
        hovermode="closest",
        dragmode="pan",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": c["muted"], "activecolor": c["text"]},
        coloraxis={"colorbar": {"outlinewidth": 0, "thickness": 10, "tickfont": {"color": c["muted"], "size": 11}}},
        xaxis=_axis(c),
        yaxis=_axis(c),
    )
    cells = go.Heatmap(textfont={"color": c["text"]})
    return go.layout.Template(layout=layout, data={"heatmap": [cells]})


def _axis(c: Mapping[str, str]) -> dict[str, Any]:
    lines = {"gridcolor": c["grid"], "linecolor": c["axis"], "zerolinecolor": c["grid"], "tickcolor": c["axis"]}
    text = {"tickfont": {"color": c["muted"], "size": 12}, "title": {"font": {"size": 13}, "standoff": 8}}
    return {**lines, **text, "automargin": True, "zeroline": False, "ticks": "outside", "ticklen": 4, "showline": True}


def _hover_label(c: Mapping[str, str]) -> dict[str, Any]:
    font = {"family": FONT, "size": 12, "color": c["text"]}
    return {"bgcolor": c["paper"], "bordercolor": c["axis"], "font": font}


TEMPLATES = {False: _template(dark=False), True: _template(dark=True)}


def apply(fig: go.Figure, dark: bool = False) -> go.Figure:
    """Sets the light or the dark template, where the colours of text, grid and paper live; returns `fig`."""
    fig.layout.template = TEMPLATES[dark]
    return fig


def finish(fig: go.Figure, *, alt: str, caption: str) -> go.Figure:
    """The last step of every figure: the theme, and in `layout.meta` the `alt` text and the `caption` (the caveat)."""
    fig.layout.meta = {"alt": alt, "caption": caption}
    return apply(fig)


def least_said(what: str, least: Mapping[str, float | None]) -> str:
    """The sentence of a caption that says the least effect {checkpoint: effect} that would have been found."""
    told = [f"{name} {'cannot be told' if one is None else f'{one:.2g}'}".strip() for name, one in least.items()]
    return f"Least {what} that would be found in 80 of 100 such samples: {', '.join(told)}."


def colors(
    names: Iterable[str], fixed: Mapping[str, str] | None = None, *, groups: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The colours of checkpoints: {name: colour}, in the order of `names`, those in `fixed` as given there.

    Pass the whole list once and hand the result on as `colors=`: a checkpoint then keeps its colour when another is taken
    away.  Names not in `fixed` take the first colours it leaves free.  Of more than 14 names, those of one of `groups`
    {name: group} share a colour, and `line_styles` tells them apart; beyond 14 groups the palette repeats.
    """
    names, fixed = list(names), dict(fixed or {})
    if groups and len(names) > len(CHECKPOINT_COLORS):
        of_group = colors(dict.fromkeys(groups[name] for name in names))
        fixed = {name: of_group[groups[name]] for name in names} | fixed
    used = {fixed[name] for name in names if name in fixed}
    free = [c for c in CHECKPOINT_COLORS if c not in used] or list(CHECKPOINT_COLORS)
    new = [name for name in names if name not in fixed]
    return {name: fixed[name] if name in fixed else free[new.index(name) % len(free)] for name in names}


def line_styles(palette: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """How the line of each checkpoint of {name: colour} is drawn: thin where there are many, dashed where colours repeat.

    Up to 84 names differ in colour or in dashes.
    """
    seen: Counter[str] = Counter()
    styles = {}
    for name, color in palette.items():
        dash = DASHES[seen[color] % len(DASHES)]
        styles[name] = {"color": color, "width": 2.5 if len(palette) <= MANY else 1.4, "dash": dash}
        seen[color] += 1
    return styles


def told_apart(palette: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The colours of a few names that stand beside each other: of two that share one, the second gets a free colour."""
    names = list(names)
    kept: dict[str, str] = {}
    for name in names:
        if palette[name] not in kept.values():
            kept[name] = palette[name]
    return colors(names, kept)


def class_colors(names: Iterable[str]) -> dict[str, str]:
    """The colours of classes: {name: colour}, in the order of `names`; after nine the palette repeats.

    Names that are all colours have those, so that "green" is green.
    """
    names = list(names)
    if all(name in COLOR_WORDS for name in names):
        return {name: COLOR_WORDS[name] for name in names}
    return {name: CLASS_COLORS[i % len(CLASS_COLORS)] for i, name in enumerate(names)}


def as_dict(results: T | Mapping[str, T]) -> dict[str, T]:
    """{name: result} of one result or many; a single one gets the name it carries, or "" where it carries none."""
    if not isinstance(results, Mapping):
        return {str(getattr(results, "name", "") or ""): results}
    if not results:
        raise ValueError("A figure needs at least one result, but the dict is empty; give {checkpoint name: result}.")
    return {str(name): result for name, result in results.items()}


def legend_room(names: Iterable[str]) -> int:
    """Pixels of height that the legend below a figure 700 px wide takes, to be added to the figure's own."""
    lengths = [len(name) for name in names]
    across = max(1, 660 // (48 + 7 * max(lengths, default=0)))
    return 22 * -(-len(lengths) // across)


def short_names(names: Iterable[str], length: int = 26) -> dict[str, str]:
    """Names that fit beside a plot: {name: short}; long ones show the part in which they differ."""
    names = list(dict.fromkeys(names))
    if max(map(len, names), default=0) <= length:
        return {name: name for name in names}
    head = len(os.path.commonprefix(names)) if len(names) > 1 else 0
    tail = len(os.path.commonprefix([name[head:][::-1] for name in names])) if len(names) > 1 else 0
    return {name: _window(name, head, len(name) - tail, length) for name in names}


def _window(name: str, start: int, stop: int, length: int) -> str:
    """At most `length` characters of `name`, around [start, stop), with an ellipsis for whatever was left out."""
    if len(name) <= length:
        return name
    if (spare := length - 2 - (stop - start)) < 0:  # the differing part itself is too long: its beginning and its end
        return f"{name[start : start + length - length // 3 - 1]}…{name[stop - length // 3 : stop]}"
    start = max(0, min(start - spare // 2, len(name) - length + 1))
    stop = start + length - 1 - (start > 0)
    return "…" * (start > 0) + name[start:stop] + "…" * (stop < len(name))
