"""Figure of `Novelty`: AUROC of each class held out, beside known images against known ones."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.novelty_result import Novelty

ALL = "all classes held out"
WORDS = {
    "knn": "distance to known neighbours",
    "mahalanobis": "distance to the nearest known class",
    "relative": "distance to the nearest known class, less that to all",
}
CAPTION = (
    "Dot: the probability that an image of the class held out is stranger than one of a known class ({how}); the line is a "
    "95 % interval. "
    "Grey: one half of the known images against the other (tick, near .5), and other controls. "
    "Images from another source are told apart by size and brightness alone; this says nothing of those."
)


def novelty(results: Novelty | Mapping[str, Novelty], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per class held out, and one for their mean.

    `results` is a Novelty or {checkpoint: Novelty}; of more than 23 classes the most telling ones are drawn.
    Caveat: single classes have no interval; each rests on its own images only.
    """
    named = theme.as_dict(results)
    hows = " and ".join(dict.fromkeys(WORDS[result.how] for result in named.values()))
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_range=(-0.02, 1.02),
        x_title="AUROC, novel against known images (.5 is luck, 1 best)",
    )
    told = "; ".join(
        f"{name or 'this checkpoint'}: auroc {r.scores()['auroc']}, fpr95 {r.scores()['fpr95']}"
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"How well classes never shown stand out. {told}.", caption=CAPTION.format(how=hows))


def _rows(result: Novelty) -> list[Dot]:
    score, alarms = result.scores()["auroc"], result.scores()["fpr95"]
    mean = Dot(
        ALL, score.value, score.low, score.high, score.controls, f"known images flagged at 95 % recall: {alarms.text}"
    )
    if len(result.held) == 1:
        return [mean._replace(row=str(result.classes[result.held[0]]))]
    return [
        mean,
        *(
            Dot(
                row=str(result.classes[code]),
                value=float(result.auroc[i]),
                low=None,
                high=None,
                control_values={name: float(values[i]) for name, values in result.control_auroc.items()},
                text=f"{(result.truth == code).sum():,} novel images; known flagged at 95 % recall: {result.fpr95[i]:.2g}",
            )
            for i, code in enumerate(result.held)
        ),
    ]
