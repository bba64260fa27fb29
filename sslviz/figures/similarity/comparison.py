"""Which of two is better?  Paired differences about zero, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.similarity.compare import Comparison
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import bars, scale
from sslviz.statistics import Score

ARROWS = {True: " ↑", False: " ↓", None: ""}
CAPTION = (
    "Dot: second less first, over the same images, to the right where the second reads more; line: its 95 % interval; "
    "grey: no difference. ↑: more is better, ↓: less is better. A line that crosses zero is no difference that can be "
    "told from chance."
)


def comparison(results: Comparison | Mapping[str, Comparison], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Which of two is better, and by how much?  One bar about zero for each score, to the right where b reads more.

    `results` is a Comparison or {name: Comparison}.
    Caveat: scores have scales of their own, written at their ends, and must not be compared by length.
    """
    named = theme.as_dict(results)
    nested: dict[str, dict[str, Score]] = {
        name: {f"{score}{ARROWS[found.higher_is_better[score]]}": value for score, value in found.scores().items()}
        for name, found in named.items()
    }
    fig, _ = bars(nested, colors or {}, _about_zero(nested), {})
    fig.add_shape(
        type="line", x0=0.5, x1=0.5, y0=0, y1=1, yref="paper", layer="below", line={"color": theme.CONTROL, "width": 1}
    )
    sentences = " ".join(
        f"{name}: {sentence}" if name else sentence
        for name, found in named.items()
        for sentence in found.sentences.values()
    )
    cautions = " ".join(dict.fromkeys(found.caution for found in named.values() if found.caution))
    caption = " ".join(filter(None, [cautions, CAPTION]))
    return theme.finish(fig, alt=f"Paired differences, b less a. {sentences}", caption=caption)


def _about_zero(nested: Mapping[str, Mapping[str, Score]]) -> dict[str, tuple[float, float]]:
    """A scale for each score with zero in its middle, the same for all that have it."""
    scales = {}
    for name in dict.fromkeys(name for scores in nested.values() for name in scores):
        reach = max(map(abs, scale("difference", [scores[name] for scores in nested.values() if name in scores])))
        scales[name] = (-reach, reach)
    return scales
