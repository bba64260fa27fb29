"""Figure of `Cost`: time, multiplications and size of encoders, in each precision, beside what no encoder costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.figures.parts.log_axis import log_axis

if TYPE_CHECKING:
    from sslviz.transfer.cost_result import Cost

PRECISIONS = ("fp32", "bf16", "int8")
GAP = 62  # pixels between the two rows of panels, for the titles of axes
CAPTION = (
    "Dots: the median over rounds; lines: the middle half of them; all scales are logarithmic. Grey: the same pass without "
    "an encoder, and one linear map from pixels to as many features. Times hold for {machine}; multiply-accumulates do not "
    "tell them."
)


def cost(results: Cost | Mapping[str, Cost], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Four panels: milliseconds, pictures a second, megabytes and multiply-accumulates; a row for each precision.

    `results` is a Cost or {checkpoint: Cost}.
    Caveat: times of different machines, or of the same one under another load, must not be compared.
    """
    named = theme.as_dict(results)
    palette = theme.colors(named, colors)
    few, many = _batches(named)
    titles = {
        "latency": f"milliseconds for {few}",
        "pace": f"pictures a second, {many} at a time",
        "weights": "megabytes of weights",
        "macs": "million multiply-accumulates for a picture",
    }
    panels = [
        dots({name: list(_dots(r, kind)) for name, r in named.items()}, palette=palette, x_title=title)
        for kind, title in titles.items()
    ]
    fig = _in_one(panels)
    return theme.finish(fig, alt=_alt(named), caption=_caption(named))


def _batches(named: Mapping[str, Cost]) -> tuple[str, str]:
    """The smallest and the largest batch, as words; "a batch" where checkpoints differ in it."""
    few, many = ({int(r.batch_sizes[i]) for r in named.values()} for i in (0, -1))
    first = "a small batch" if len(few) > 1 else "1 picture" if few == {1} else f"{few.pop()} pictures"
    return first, "a large batch" if len(many) > 1 else str(many.pop())


def _dots(result: Cost, kind: str) -> Iterator[Dot]:
    """The rows of one panel."""
    if kind == "macs":
        linear = {"linear map of pixels": result.linear_map["macs"] / 1e6}
        yield Dot("any precision", result.macs / 1e6, None, None, linear, f"{result.parameters:,} parameters")
    for name in PRECISIONS if kind != "macs" else ():
        if kind == "weights":
            linear = {"linear map of pixels": result.linear_map["bytes"] / 1e6}
            yield Dot(name, result.weight_bytes[name] / 1e6, None, None, linear)
        elif name in result.seconds:
            low, value, high = _times(result, kind, name)
            control = {"no encoder": _times(result, kind, "no encoder")[1]}
            yield Dot(
                name, value, low, high, control, f"{result.encoder} at {result.image_size} px, median and quartiles"
            )


def _times(result: Cost, kind: str, precision: str) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, of milliseconds or of pictures a second."""
    batch = result.batch_sizes[0 if kind == "latency" else -1]
    quartiles = np.array(result.quartiles(precision, batch))
    low, middle, high = (1000 * quartiles if kind == "latency" else batch / quartiles[::-1]).tolist()
    return low, middle, high


def _in_one(panels: list[go.Figure]) -> go.Figure:
    """Two rows of two; names stand once in the legend."""
    heights = [max(panels[i].layout.height, panels[i + 1].layout.height) for i in (0, 2)]
    plots = [height - 90 for height in heights]
    total = sum(heights) + GAP
    fig = make_subplots(2, 2, row_heights=plots, horizontal_spacing=0.12, vertical_spacing=GAP / total * 1.4)
    named: set[str] = set()
    for i, panel in enumerate(panels):
        place = {"row": i // 2 + 1, "col": i % 2 + 1}
        for trace in panel.data:
            trace.update(showlegend=trace.name not in named, legendgroup=trace.name)
            named.add(trace.name)
            fig.add_trace(trace, **place)
        reach = [value for trace in panel.data for value in (*trace.x, *_ends(trace))]
        fig.update_xaxes(title=panel.layout.xaxis.title, **log_axis(reach), **place)
        axis = panel.layout.yaxis
        fig.update_yaxes(
            tickvals=axis.tickvals, ticktext=axis.ticktext, range=axis.range, ticks="", showline=False, **place
        )
    fig.update_yaxes(fixedrange=True)
    fig.update_layout(height=round(total))
    return fig


def _ends(trace: go.Scatter) -> list[float]:
    """Where the intervals of a trace end."""
    up, down = trace.error_x.array, trace.error_x.arrayminus
    if up is None or down is None:
        return []
    ends = [(x - minus, x + plus) for x, minus, plus in zip(trace.x, down, up, strict=True)]
    return [end for pair in ends for end in pair]


def _caption(named: Mapping[str, Cost]) -> str:
    machines = {_machine(r) for r in named.values()}
    said = CAPTION.format(machine=machines.pop() if len(machines) == 1 else "the machines that measured them")
    reasons = {why for r in named.values() for why in r.not_measured.values()}
    missing = {f"{name} in {precision}".strip() for name, r in named.items() for precision in r.not_measured}
    return f"{said} Not measured: {', '.join(sorted(missing))} ({'; '.join(sorted(reasons))})." if missing else said


def _machine(result: Cost) -> str:
    threads = result.machine.get("threads", "?")
    return f"{result.machine.get('processor', 'one machine')} with {threads} thread{'' if threads == '1' else 's'}"


def _alt(named: Mapping[str, Cost]) -> str:
    parts = []
    for name, r in named.items():
        scores = r.scores()
        kinds = ("latency_ms", "images_per_second", "million_macs", "megabytes")
        parts.append(f"{name or r.encoder}: " + ", ".join(f"{kind} {scores[kind]}" for kind in kinds))
    return f"Cost of encoders beside what no encoder costs. {'; '.join(parts)}."
