"""Figure of `Selectivity`: accuracy less that on meaningless labels, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.probes.selectivity import NOTHING, Selectivity
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import bars
from sslviz.figures.probes.probe import CONTROL_MARKS
from sslviz.statistics import Score

READOUT_WORDS = {"linear": "linear readout", "mlp": "small network"}
CAPTION = (
    "Dot and line: accuracy on the label less that of the same readout on labels that mean nothing, with its 95 % interval. "
    "Grey: the same for the controls; at 0 (tick) everything was learnt by heart."
)


def selectivity(
    results: Selectivity | Mapping[str, Selectivity], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One bar per readout and checkpoint.

    `results` is a Selectivity or {checkpoint: Selectivity}.
    Caveat: a readout that also tells meaningless labels apart is strong; the label may be there all the same.
    """
    named = theme.as_dict(results)
    nested: dict[str, dict[str, Score]] = {
        name: {f"{r.label} by a {READOUT_WORDS[k]}": score for k, score in r.scores().items()}
        for name, r in named.items()
    }
    every = [score for scores in nested.values() for score in scores.values()]
    low = min(0.0, *(v for s in every for v in (s.value, s.low or 0, *s.controls.values())))
    ends = (-0.5 if low < -0.2 else -0.2 if low < 0 else 0.0, 1.0)
    scales = {name: ends for scores in nested.values() for name in scores}
    fig, rows = bars(nested, colors or {}, scales, {NOTHING: "line-ns"} | CONTROL_MARKS)
    summary = "; ".join(f"{row.checkpoint} {row.name} {row.score}".strip() for row in rows)
    least = theme.least_said("selectivity of a linear readout", {name: r.detectable for name, r in named.items()})
    return theme.finish(
        fig, alt=f"Selectivity of readouts beside their controls. {summary}.", caption=f"{CAPTION} {least}"
    )
