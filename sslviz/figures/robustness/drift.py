"""Figure of `Drift`: accuracy under each corruption, beside none and the encoder re-initialised."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.robustness.drift_result import SAME, Drift
from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots

CAPTION = (
    "Dot: the share of pictures still read rightly, mean over severities; its line reaches from the best to the worst "
    "severity. Grey: the same readout without corruption, and under it on the control's features."
)


def drift(results: Drift | Mapping[str, Drift], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per corruption; the hover text holds every severity.

    `results` is a Drift or {checkpoint: Drift}.
    Caveat: severities were made for photographs of 224 px; in smaller pictures they are stronger.
    """
    named = theme.as_dict(results)
    label = next(iter(named.values())).label
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title=f"linear accuracy of {label} (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(
        f"{name or 'this checkpoint'}: {r.clean.mean():.2f} without, {r.accuracy.mean():.2f} with; "
        f"loses {r.scores()['accuracy_lost']}"
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"Accuracy of {label} under corruption. {summary}.", caption=CAPTION)


def _rows(result: Drift) -> list[Dot]:
    rows = []
    for i, corruption in enumerate(result.corruptions):
        accuracy = result.accuracy[i]
        controls = {SAME: float(np.mean(result.clean))}
        controls |= {name: float(values["accuracy"][i].mean()) for name, values in result.control_values.items()}
        text = f"severity {', '.join(f'{s}: {a:.2f}' for s, a in zip(result.severities, accuracy, strict=True))}"
        text += f"; moves a picture by {result.drift[i].mean():.2f} of the distance of two, squared"
        ends = float(accuracy.min()), float(accuracy.max())
        rows.append(Dot(corruption.replace("_", " "), float(accuracy.mean()), *ends, controls, text))
    return rows
