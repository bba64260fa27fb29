"""Figure of `Domains`: accuracy in each domain by a readout that never met it, beside one that did and the controls."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.transfer.domains import Domains

MET = "fitted on it too"
SHOWN = ("pixels", "untrained")  # controls with a mark; the score bars hold all
CAPTION = (
    "Dot and line: the accuracy in a domain that the readout never met, and its 95 % interval. Grey tick: by a readout that "
    "was fitted on images of that domain too; other marks: without meeting it, by chance, raw pixels, the encoder untrained."
)


def domains(results: Domains | Mapping[str, Domains], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per domain that was left out.

    `results` is a Domains or {checkpoint: Domains}.  The hover text holds the penalty that was chosen.
    Caveat: what holds in these domains need not hold in another.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    fig = dots(
        {name: _rows(result) for name, result in named.items()},
        palette=theme.colors(named, colors),
        x_title=f"accuracy of {first.label}, classes alike (0 to 1)",
        y_title=f"{first.attribute} left out",
        x_range=(-0.02, 1.02),
    )
    summary = "; ".join(f"{name or 'this checkpoint'}: {_summary(result)}" for name, result in named.items())
    said = "; ".join(f"{name} {result.scores()['oracle'].value:+.2f}".strip() for name, result in named.items())
    caption = f"{CAPTION} Penalties chosen by the scored images would add {said}: never report that."
    return theme.finish(fig, alt=f"Accuracy of {first.label} in domains left out. {summary}.", caption=caption)


def _rows(result: Domains) -> list[Dot]:
    rows = []
    for g, (name, levels) in enumerate(result.levels().items()):
        level, met = levels["left_out"], levels["in_domain"]
        controls = {MET: met.value, "chance": level.controls["chance"]}
        controls |= {control: level.controls[control] for control in SHOWN if control in level.controls}
        hover = f"C {result.penalties[0, g]:g}, by the oracle {result.penalties[1, g]:g}; {MET} {met.text}"
        rows.append(Dot(name, level.value, level.low, level.high, controls, hover))
    return rows


def _summary(result: Domains) -> str:
    scores = result.scores()
    return f"accuracy {scores['accuracy']}, gap {scores['gap']}, worst domain {scores['worst'].value_text}"
