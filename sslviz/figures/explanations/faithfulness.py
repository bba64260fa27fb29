"""Faithfulness of maps: curves of deletion and insertion, and score bars, beside maps that no model made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.explanations.row_heading import add_heading
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import CAPTION as BARS_CAPTION
from sslviz.figures.parts.score_bars import bars
from sslviz.statistics import Score

if TYPE_CHECKING:
    from sslviz.explanations.faithfulness.faithfulness import Faithfulness

PANELS = {"deletion": "share of the picture taken away", "insertion": "share of the picture shown"}
DASHES = {"random": "solid", "untrained": "dot"}  # of the lines of controls; the best map no model made is dashed
BAND = "rgba(133,133,133,0.25)"
WIDE, LINE = 92, 16  # characters of a heading's line, and its height in pixels
ROW, HEADING, BELOW = 190, 50, 120  # pixels of a row, of what stands above it, and of axis and legend below all
CAPTION = (
    "Pixels go (left: the lower, the better) or come (right: the higher, the better) in the order of the map, mean over "
    "images. Grey: in random order, with 95 % of such means; in the order of the best map that no model made; and of the "
    "untrained encoder's map, where it was measured. Pictures with pixels removed are unlike any the encoder has seen."
)


def faithfulness(
    results: Faithfulness | Mapping[str, Faithfulness], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """Is the map true?  Deletion and insertion in the order of the map, beside random order and other maps; a row each.

    `results` is a Faithfulness or {name of a checkpoint or method: Faithfulness}.  What may be said of the map stands
    above its row, also where it is no better than a map that no model made.

    Caveat: pictures with pixels removed are unlike any the encoder has seen.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 40)
    headings = {name: _heading(short[name], result) for name, result in named.items()}
    n, above = len(named), HEADING + LINE * max(text.count("<br>") for text in headings.values())
    total = n * (ROW + above)
    fig = make_subplots(
        rows=n, cols=2, shared_yaxes=True, horizontal_spacing=0.07, vertical_spacing=above / total if n > 1 else 0
    )
    for row, (name, result) in enumerate(named.items(), 1):
        for col, measure in enumerate(PANELS, 1):
            for trace in _lines(result, measure, name, palette[name]):
                fig.add_trace(trace, row=row, col=col)
        _put_axes(fig, row, result, last=row == n)
        add_heading(fig, headings[name], fig.get_subplot(row, 1).yaxis.domain[1], yshift=18)
    _legend_once(fig)
    fig.update_layout(height=total + BELOW, margin={"t": above + 6, "b": BELOW - 30})
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _heading(name: str, result: Faithfulness) -> str:
    """The name, and what may be said, in lines that fit a figure 700 px wide."""
    text = "<br>".join(escape(line) for line in wrap(f"{name} {result.verdict}".strip(), WIDE))
    return text.replace(escape(name), f"<b>{escape(name)}</b>", 1) if name else text


def evidence_bars(
    results: Faithfulness | Mapping[str, Faithfulness],
    *,
    colors: Mapping[str, str] | None = None,
    measures: tuple[str, ...] | None = None,
) -> go.Figure:
    """Does the map beat its controls, on every measure?  Score bars beside the best model-free map and the untrained one.

    `results` as for `faithfulness`; `measures` which of them (default: all there are).  A tick for each map that no model
    made, a ring for the untrained encoder's.

    Caveat: bars of different measures are on different scales, written at their ends.
    """
    named = theme.as_dict(results)
    scores: dict[str, dict[str, Score]] = {
        name: {key: score for key, score in result.scores().items() if measures is None or key in measures}
        for name, result in named.items()
    }
    fig, rows = bars(scores, colors or {}, {}, {"untrained": "circle-open"})
    fig.layout.height += 24  # a second line of the legend
    texts = "; ".join(f"{row.checkpoint} {row.name} {row.score}".strip() for row in rows)
    alt = f"How true the maps are, beside maps that no model made. {texts}."
    return theme.finish(fig, alt=alt, caption=BARS_CAPTION)


def _lines(result: Faithfulness, measure: str, name: str, color: str) -> Iterator[go.Scatter]:
    """The controls first, so that the map lies above them."""
    x = result.fractions
    mean, low, high = result.curve(measure, "random")
    if np.isfinite(low).all():
        yield go.Scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=BAND,
            mode="lines",
            line={"width": 0, "color": theme.CONTROL},
            name="random order, 95 % (control)",
            hoverinfo="skip",
        )
    best = result.best(measure, [n for n in result.names[1:] if n not in DASHES])
    shown = {"random": "random order (control)", best: "best map no model made (control)"}
    if "untrained" in result.names:
        shown["untrained"] = "the untrained encoder's map (control)"
    for control, title in shown.items():
        yield go.Scatter(
            x=x,
            y=result.curve(measure, control)[0],
            mode="lines",
            name=title,
            line={"color": theme.CONTROL, "width": 2, "dash": DASHES.get(control, "dash")},
            hovertemplate=f"<b>{escape(control)}</b> (control)<br>%{{x:.0%}}: %{{y:.2f}}<extra></extra>",
        )
    label = f"<b>{escape(name)}</b><br>" if name else ""
    yield go.Scatter(
        x=x,
        y=result.curve(measure, "map")[0],
        mode="lines",
        name=name or "this map",
        showlegend=False,
        line={"color": color, "width": 3},
        hovertemplate=f"{label}%{{x:.0%}}: %{{y:.2f}}<extra></extra>",
    )


def _put_axes(fig: go.Figure, row: int, result: Faithfulness, *, last: bool) -> None:
    for col, (measure, title) in enumerate(PANELS.items(), 1):
        fig.update_xaxes(title_text=title if last else None, tickformat=".0%", showticklabels=last, row=row, col=col)
        score = result.scores()[measure]
        fig.add_annotation(
            text=f"{measure} {escape(str(score))}",
            x=0,
            y=1,
            xref="x domain",
            yref="y domain",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 11},
            row=row,
            col=col,
        )
    title = f"{result.target} to the whole picture" if result.target in ("cosine", "dot") else result.target
    fig.update_yaxes(title_text="<br>".join(map(escape, wrap(title, 30))), row=row, col=1)


def _legend_once(fig: go.Figure) -> None:
    """Every control once in the legend."""
    names: set[str] = set()
    for trace in fig.data:
        if trace.showlegend is not False:
            trace.update(legendgroup=trace.name, showlegend=trace.name not in names)
            names.add(trace.name)


def _alt(named: Mapping[str, Faithfulness]) -> str:
    parts = [
        f"{name or 'this map'}: insertion {r.scores()['insertion']}, deletion {r.scores()['deletion']}; {r.verdict}"
        for name, r in named.items()
    ]
    return f"Deletion and insertion curves beside random order and maps that no model made. {'; '.join(parts)}."
