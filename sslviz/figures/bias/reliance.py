"""Figure of `Reliance`: accuracy where label and attribute disagree, at rising bias of the fit, between two oracles."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.bias.reliance import CORE, SHORTCUT, Reliance
from sslviz.figures.parts import theme
from sslviz.figures.probes.probe import CONTROL_MARKS

MARKS = CONTROL_MARKS | {CORE: "triangle-up", SHORTCUT: "triangle-down"}
CAPTION = (
    "Line and band: share read rightly of the images in which label and attribute disagree, with its 95 % interval, against "
    "how often they agreed in the images fitted on. Grey: an oracle that sees only the label, one that sees only the "
    "attribute, and the controls."
)


def reliance(results: Reliance | Mapping[str, Reliance], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One line per checkpoint, which falls the sooner the more the attribute is used; both oracles in grey.

    `results` is a Reliance or {checkpoint: Reliance} of one label and attribute.
    Caveat: to the right, the readout was misled on purpose; only the left end speaks of the encoder alone.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig, kinds = go.Figure(), set[str]()
    for name, result in named.items():
        for control in result.control_answers:
            kind = control.partition(" (")[0]
            if not (kind in (CORE, SHORTCUT) and kind in kinds):  # oracles are the same for all checkpoints
                fig.add_trace(_control(result, control, kind, name, first=kind not in kinds))
            kinds.add(kind)
    for name, result in named.items():
        fig.add_traces(_line(result, name, short[name] or "this checkpoint", palette[name]))
    biases = max((r.biases for r in named.values()), key=len)
    first = next(iter(named.values()))
    fig.update_layout(
        height=380 + theme.legend_room([*short.values(), *(f"{kind} (control)" for kind in kinds)]),
        xaxis={
            "title": {"text": f"{first.label} and {first.attribute} agree in this share of the images fitted on"},
            "tickvals": list(biases),
            "ticktext": [f"{b:.3g}" for b in biases],
        },
        yaxis={"title": {"text": f"{first.label} read rightly where they disagree"}, "range": [-0.03, 1.05]},
    )
    summary = " ".join(dict.fromkeys(verdict(r, name) for name, r in named.items()))
    alt = f"Reliance of {', '.join(named)} on {first.attribute} in reading {first.label}. {summary}"
    return theme.finish(fig, alt=alt, caption=f"{CAPTION} {summary}")


def verdict(result: Reliance, name: str = "") -> str:
    """One sentence of what an even readout shows, or of what it would have shown."""
    gap = result.scores()["even_gap"]
    prefix = f"{name}: " if name else ""
    ends = f"{gap.value:.2g} [{gap.low:.2g}, {gap.high:.2g}]"
    if result.found:
        return (
            f"{prefix}fitted evenly it still reads {result.label} worse where {result.attribute} disagrees, by {ends}."
        )
    if not result.pairs_known:
        return (
            f"Among the images fitted on no {result.attribute} goes with a {result.label}, so which agree is arbitrary: name "
            "the partners."
        )
    return f"{prefix}fitted evenly no gap is found, {ends}; a gap of {result.detectable:.2g} would have been seen."


def _control(result: Reliance, control: str, kind: str, checkpoint: str, *, first: bool) -> go.Scatter:
    oracle = kind in (CORE, SHORTCUT)
    owner = "" if oracle else checkpoint
    return go.Scatter(
        x=result.biases,
        y=result.curve("conflict", control),
        mode="lines+markers",
        name=f"{kind} (control)",
        legendgroup=kind,
        showlegend=first,
        line={"color": theme.CONTROL, "width": 2 if oracle else 1, "dash": "dash" if oracle else "solid"},
        marker={"color": theme.CONTROL, "symbol": MARKS.get(kind, "x"), "size": 8},
        hovertemplate=f"<b>{escape(control)}</b> (control) {escape(owner)}<br>%{{x:.3g}}: %{{y:.2f}}<extra></extra>",
    )


def _line(result: Reliance, name: str, short: str, color: str) -> list[go.Scatter]:
    """The curve of a checkpoint and, below it, the band of its interval."""
    low, high = result.band("conflict")
    x = result.biases
    rgb = ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
    band = go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        mode="lines",
        fillcolor=f"rgba({rgb},0.15)",
        line={"width": 0, "color": color},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    line = go.Scatter(
        x=x,
        y=result.curve("conflict"),
        mode="lines+markers",
        name=short,
        legendgroup=name,
        line={"color": color, "width": 2.5},
        marker={"color": color, "size": 8},
        customdata=np.stack([result.curve("aligned"), result.curve("cue_conflict")], axis=1),
        hovertemplate=f"<b>{escape(name)}</b><br>agreeing in %{{x:.3g}} of the fit: %{{y:.2f}} read rightly<br>"
        "%{customdata[0]:.2f} where they agree; %{customdata[1]:.2f} of the answers follow the attribute<extra></extra>",
    )
    return [band, line]
