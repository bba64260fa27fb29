"""Figure of `Continued`: accuracy in another domain after pretraining went on there, beside the trainings it is held to."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.continued_result import CLASS_BY_CLASS, ONE_CLASS, SCRATCH, SOURCE, TARGET, Continued
from sslviz.transfer.target_streams import TRAINED_THERE

ROWS = {
    TARGET: "on the target",
    ONE_CLASS: "on it, 85 % one class",
    CLASS_BY_CLASS: "on it, class by class",
    SOURCE: "on the source",
    SCRATCH: "on the target, from scratch",
    TRAINED_THERE: "not at all, with labels",
}
CAPTION = (
    "Dot and line: the accuracy of one readout in the target after as many steps of pretraining, and its 95 % interval. "
    "Grey tick: the checkpoint as it is. It is the domain that helped only where the target beats the source."
)


def continued(results: Continued | Mapping[str, Continued], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per training, beside no further training.

    `results` is a Continued or {checkpoint: Continued}.  The hover text holds steps and pictures.
    Caveat: each way was trained once, so that another seed may read otherwise.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title=f"accuracy of {first.label} in the target (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    said = f"{CAPTION} Trained on: {first.steps:,} steps at {first.rate:g} of the learning rate."
    return theme.finish(fig, alt=f"Accuracy of {first.label} after continued pretraining. {summary}.", caption=said)


def _rows(result: Continued) -> list[Dot]:
    hover = f"{result.method}, {result.steps:,} steps on {result.n_trained_on:,} pictures without labels"
    rows = []
    for arm, words in ROWS.items():
        level = result.level(arm)
        rows.append(Dot(words, level.value, level.low, level.high, level.controls, hover))
    return rows


def _summary(result: Continued) -> str:
    scores = result.scores()
    return f"{scores['accuracy'].value_text}, gains {scores['gain'].text}, {scores['gain_over_source'].text} over the source"
