"""Figure of `Counterfactual`: the effect of each factor, changed alone, on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.bias.counterfactual_effect import OTHERS, Counterfactual
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import bars, scale
from sslviz.figures.probes.probe import CONTROL_MARKS
from sslviz.statistics import Score

CAPTION = (
    "How far a picture moves when this factor alone is changed, squared, in units of the distance of two pictures, with its "
    "95 % interval. Grey: the mean of the other factors (tick), an untrained encoder (ring), raw pixels (square)."
)


def counterfactual(
    results: Counterfactual | Mapping[str, Counterfactual], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One bar per factor and checkpoint, the factor asked about first.

    `results` is a Counterfactual or {checkpoint: Counterfactual}; all bars share one scale.
    Caveat: a factor moves a picture as far as it was changed, which may be further than it differs in other images.
    """
    named = theme.as_dict(results)
    nested: dict[str, dict[str, Score]] = {}
    for name, result in named.items():
        scores = result.scores()
        order = sorted(result.factors, key=lambda f: (f != result.attribute, -scores[f].value))
        nested[name] = {f"{factor} changed": scores[factor] for factor in order}
    ends = scale("effect", [score for scores in nested.values() for score in scores.values()])
    scales = {factor: ends for scores in nested.values() for factor in scores}
    fig, rows = bars(nested, colors or {}, scales, {OTHERS: "line-ns"} | CONTROL_MARKS)
    summary = "; ".join(f"{row.checkpoint} {row.name} {row.score}".strip() for row in rows)
    told = {name: r for name, r in named.items() if not r.scores()["against_others"].reason}
    least = ", ".join(f"{name} {r.detectable:.2g}".strip() for name, r in told.items()) or "cannot be told"
    caption = f"{CAPTION} Least difference from the other factors that would be found: {least}."
    return theme.finish(fig, alt=f"How far each factor moves a picture. {summary}.", caption=caption)
