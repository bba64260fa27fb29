"""Do a few images crowd into everyone's neighbourhood?  How often each is a neighbour, beside noise."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.hubness import Hubness
from sslviz.figures.parts import theme

CAPTION = (
    "How many images are among the {k} nearest of so many others; the mean is {k}. Left: images that are nobody's "
    "neighbour. A long way to the right: hubs, which are everyone's. Ring: the largest hub. Grey: noise of the same "
    "shape, in which nothing is to be found."
)


def hubness(results: Hubness | Mapping[str, Hubness], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Do a few images crowd into everyone's neighbourhood?  Share of images by how often they are a neighbour.

    `results` is a Hubness or {checkpoint: Hubness}.  Counts are grouped by doubling (never, 1, 2 to 3, 4 to 7, ...);
    the ring lies where the largest hub does and says which image it is.  Noise is drawn once for each n, d and k.
    Caveat: skewed counts can be one strong hub or many weak ones: look at the images.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    most = max(max(int(r.counts.max()), int(r.noise_counts.max())) for r in named.values())
    bins = _bins(most)
    fig = go.Figure(_noise(named, bins))
    for name, result in named.items():
        shares = _shares(result.counts, len(bins))
        fig.add_trace(_line(shares, bins, name, short[name] or "this checkpoint", palette[name]))
        fig.add_trace(_largest(result, shares, bins, name, palette[name]))
    ks = sorted({r.k for r in named.values()})
    fig.update_layout(
        height=380 + theme.legend_room([*short.values(), "noise, n = 10,000, d = 128 (control)"]),
        xaxis={
            "title": {"text": f"among the {_either(ks)} nearest of how many other images"},
            "type": "category",
            "categoryorder": "array",
            "categoryarray": bins,
        },
        yaxis={"title": {"text": "share of images"}, "rangemode": "tozero", "tickformat": ".0%"},
    )
    return theme.finish(fig, alt=_alt(named), caption=CAPTION.format(k=_either(ks)))


def _either(ks: list[int]) -> str:
    return " or ".join(map(str, ks))


def _bins(most: int) -> list[str]:
    """never, 1, 2-3, 4-7, ... until `most` is in."""
    starts = [2**i for i in range(max(1, most.bit_length()))]
    return ["never"] + [f"{a:,}" if a == 1 else f"{a:,} to {2 * a - 1:,}" for a in starts]


def _bin(counts: np.ndarray) -> np.ndarray:
    """0 for 0, 1 for 1, 2 for 2 to 3, 3 for 4 to 7: the number of binary digits."""
    return np.frexp(counts)[1]


def _shares(counts: np.ndarray, bins: int) -> np.ndarray:
    return np.bincount(_bin(counts), minlength=bins) / len(counts)


def _line(shares: np.ndarray, bins: list[str], name: str, short: str, color: str) -> go.Scatter:
    return go.Scatter(
        x=bins,
        y=shares,
        name=short,
        legendgroup=name,
        mode="lines+markers",
        line={"color": color, "width": 2.5},
        marker={"color": color, "size": 6},
        hovertemplate=f"<b>{escape(name)}</b><br>neighbour of %{{x}} others: %{{y:.2%}} of images<extra></extra>",
    )


def _largest(result: Hubness, shares: np.ndarray, bins: list[str], name: str, color: str) -> go.Scatter:
    count, at = int(result.counts.max()), int(_bin(result.counts.max()))
    text = (
        f"<b>{escape(name)}</b><br>largest hub: image {escape(str(result.hubs[0]))}, "
        f"neighbour of {count:,} of {result.n - 1:,} others"
    )
    return go.Scatter(
        x=[bins[at]],
        y=[shares[at]],
        name=f"{name} largest hub",
        legendgroup=name,
        showlegend=False,
        mode="markers",
        marker={"color": color, "size": 13, "symbol": "circle-open", "line": {"width": 2.5}},
        customdata=[str(result.hubs[0])],
        hovertemplate=f"{text}<extra></extra>",
    )


def _noise(named: Mapping[str, Hubness], bins: list[str]) -> list[go.Scatter]:
    """The control, once for each n, d and k that occur."""
    kinds = {(r.n, r.d, r.k, r.metric): r.noise_counts for r in named.values()}
    return [
        go.Scatter(
            x=bins,
            y=_shares(counts, len(bins)),
            mode="lines",
            name="noise (control)" if len(kinds) == 1 else f"noise, n = {n:,}, d = {d:,} (control)",
            line={"color": theme.CONTROL, "width": 2.5},
            hovertemplate=f"<b>noise</b> (control), {n:,} images, {d:,} dimensions<br>"
            "neighbour of %{x} others: %{y:.2%} of images<extra></extra>",
        )
        for (n, d, _, _), counts in kinds.items()
    ]


def _alt(named: Mapping[str, Hubness]) -> str:
    parts = [
        f"{name or 'this checkpoint'}: the largest hub is a neighbour of {int(r.counts.max()):,} of {r.n - 1:,} others, "
        f"{(r.counts == 0).mean():.1%} of images of none (noise {int(r.noise_counts.max()):,} and "
        f"{(r.noise_counts == 0).mean():.1%})"
        for name, r in named.items()
    ]
    return f"How often images are a neighbour of others, beside noise. {'; '.join(parts)}."
