"""Figure of `LabelChoice`: accuracy after a fit to chosen images, beside draws without looking."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.statistics import balanced_mean
from sslviz.transfer.label_choice import LabelChoice

WORDS = {"typical": "the typical ones", "coverage": "a cover", "k_centre": "far from each other"}
CAPTION = (
    "Dot: accuracy on other images after a fit to the images chosen, classes counted alike. "
    "Grey: as many images drawn without looking (two ticks: the middle 90 of 100 draws), with the classes known beforehand, "
    "or chosen by a control's features. "
    "A dot between the ticks is no better than luck."
)


def label_choice(
    results: LabelChoice | Mapping[str, LabelChoice], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One row for each way to choose and budget, one dot per checkpoint.

    `results` is a LabelChoice or {checkpoint: LabelChoice}.
    Caveat: a choice is made once, so the dot has no interval; the ticks say how far single draws spread.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: [_dot(result)] for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_range=(-0.02, 1.02),
        x_title=f"accuracy on {first.label} (0 to 1)",
    )
    fig.layout.height += 40  # a narrow page lays the legend out in one column
    told = "; ".join(
        f"{name or 'this checkpoint'}: accuracy {r.accuracy:.2f}, gain {r.scores()['gain']}, "
        f"{len(np.unique(r.chosen_codes))} of {len(r.classes)} classes"
        for name, r in named.items()
    )
    return theme.finish(
        fig, alt=f"Accuracy after labels for chosen images, beside random ones. {told}.", caption=CAPTION
    )


def _dot(result: LabelChoice) -> Dot:
    low, high = np.quantile(result.random, [0.05, 0.95])
    oracle = np.mean([balanced_mean(row, result.truth) for row in result.oracle_correct])
    controls: dict[str, float | tuple[float, float]] = {"random draws": (float(low), float(high))}
    controls |= {
        f"chosen by {name}": balanced_mean(correct, result.truth) for name, correct in result.control_correct.items()
    }
    covered = f"{len(np.unique(result.chosen_codes))} of {len(result.classes)} classes among the images chosen"
    return Dot(
        row=f"{result.budget} labels for {WORDS[result.how]}",
        value=result.accuracy,
        low=None,
        high=None,
        control_values=controls | {"classes known": float(oracle)},
        text=covered,
    )
