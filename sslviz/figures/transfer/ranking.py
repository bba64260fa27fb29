"""Figure of `Ranking`: average precision and hits beside a random order and other controls."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.ranking_result import Ranking

WORDS = {"map": "average precision", "map@R": "average precision in the first R", "hit@1": "the first is a hit"}
CAPTION = (
    "Dot and line: the score with its 95 % interval, every class counting the same; R is the number of relevant images. "
    "Grey: a random order of the same images (tick), and other controls ranked in the same way. "
    "A hit is easy where a class has many images: compare each row with its own tick only."
)


def ranking(results: Ranking | Mapping[str, Ranking], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per score: how near the front images of the query's class come, beside what a random order gives.

    `results` is a Ranking or {checkpoint: Ranking}.
    Caveat: rows have different chances; only dots of one row compare.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_range=(-0.02, 1.02),
        x_title=f"retrieval of the same {first.label}, share (0 to 1)",
    )
    told = "; ".join(
        f"{name or 'this checkpoint'}: map {r.scores()['map']}, hit@{r.at[0]} {r.scores()[f'hit@{r.at[0]}']}"
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"Retrieval of the same {first.label} beside a random order. {told}.", caption=CAPTION)


def _rows(result: Ranking) -> list[Dot]:
    """Chance first, so that its mark is the tick."""
    return [
        Dot(
            row=WORDS.get(name, f"a hit in the first {name.removeprefix('hit@')}"),
            value=score.value,
            low=score.low,
            high=score.high,
            control_values=score.controls,
            text=f"{name}, {len(result.ids):,} queries, {result.n_gallery:,} in the gallery",
        )
        for name, score in result.scores().items()
    ]
