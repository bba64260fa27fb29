"""Figure of `Mitigation`: accuracy and worst group with each remedy, and the attribute that is left after erasure."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.bias.mitigation import AS_IS, REMEDIES, Mitigation
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.statistics import balanced_mean

CAPTION = (
    "Dot and line: with the remedy, and its 95 % interval over images; grey tick: without. Below: how well the attribute is "
    "still read after LEACE, beside before and chance. Linearly guarded is not removed: what kNN reads is still there."
)
SUMMARY_WORDS = {"accuracy": "all groups", "worst_group": "worst group"}
READOUT_WORDS = {"linear": "linear", "knn": "kNN"}


def mitigation(results: Mitigation | Mapping[str, Mitigation], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per remedy and summary, beside no remedy; then the attribute after erasure.

    `results` is a Mitigation or {checkpoint: Mitigation}.  The hover text holds the paired gain.
    Caveat: previews on frozen features; the worst of many groups looks worse than it is.
    """
    named = theme.as_dict(results)
    fig = dots(
        {name: [*_remedies(result), *_erased(result)] for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title="accuracy (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    return theme.finish(fig, alt=f"Accuracy with remedies beside none. {summary}.", caption=CAPTION)


def _remedies(result: Mitigation) -> list[Dot]:
    levels, gains = result.levels(), result.scores()
    rows = []
    for summary, words in SUMMARY_WORDS.items():
        for remedy, title in REMEDIES.items():
            level, gain = levels[remedy][summary], gains[f"{remedy}_{summary}"]
            control = {AS_IS: level.controls[AS_IS]}
            row = f"{words}: {title}"
            rows.append(Dot(row, level.value, level.low, level.high, control, f"gains {gain.text}"))
    return rows


def _erased(result: Mitigation) -> list[Dot]:
    rows = []
    for readout, words in READOUT_WORDS.items():
        score = result.scores()[f"attribute_{readout}"]
        before = balanced_mean(result.attribute_correct[readout][0], result.attribute_groups)
        controls = {AS_IS: before, "chance": result.chance}
        rows.append(Dot(f"{result.attribute} after LEACE, {words}", score.value, score.low, score.high, controls))
    return rows


def _summary(result: Mitigation) -> str:
    levels = result.levels()
    worst = ", ".join(f"{title} {levels[remedy]['worst_group'].value:.2f}" for remedy, title in REMEDIES.items())
    left = result.scores()["attribute_knn"]
    return (
        f"worst group {levels[AS_IS]['worst_group'].value:.2f} without, {worst}; "
        f"after LEACE kNN reads {result.attribute} at {left}"
    )
