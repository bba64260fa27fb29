"""Figures of `Flips`: how often changing one factor changes a decision, and pictures whose decision it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.dot_rows import Dot, dots
from sslviz.figures.parts.saliency_sheet import MOST, Panel, sheet
from sslviz.transfer.flip_rates import ANOTHER, Flips

COLUMNS = 6  # of the sheet: three pairs of pictures
CAPTION = (
    "Dot and line: the share of decisions that follow the label once it is changed (1 is wanted), or that change with a "
    "factor that is not the label (0 is wanted), with its 95 % interval. Grey: the same for the controls; as often as with "
    "noise redrawn is nothing."
)
PICTURES_CAPTION = (
    "Left: a picture that was read rightly. Right, framed: the same picture with one factor changed, and what it was then "
    "taken for. These are a few of those that flipped; how many did not, the rates say."
)


def flips(results: Flips | Mapping[str, Flips], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """One row per factor: the share of decisions that changing it alone changes, checkpoints side by side.

    `results` is a Flips or {checkpoint: Flips}; factors that flip most come first.
    Caveat: a factor flips a decision as far as it was changed, which may be further than it differs in other images.
    """
    named = theme.as_dict(results)
    order = _order(named)
    series = {name: [dot for row in order for dot in _dots(result, row)] for name, result in named.items()}
    fig = dots(
        series,
        palette=theme.colors(named, colors),
        x_title="share of decisions (0 to 1)",
        x_range=(-0.02, 1.02),
    )
    said = [f"{name} {row} {score}".strip() for name, r in named.items() for row, score in r.scores().items()]
    causes = ", ".join(f"{name} {', '.join(r.causes) or 'none'}".strip() for name, r in named.items() if r.null)
    beyond = f" Flip more decisions than noise does, at 5 % for all together: {causes}." * bool(causes)
    return theme.finish(
        fig, alt=f"How often changing one factor changes a decision. {'; '.join(said)}.", caption=CAPTION + beyond
    )


def flipped_pictures(results: Flips | Mapping[str, Flips], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Which decisions flipped?  Pictures before and after one factor was changed, and what each was taken for.

    `results` is a Flips or {checkpoint: Flips} of drawn pictures.  ValueError where none holds an example.
    Caveat: examples are those that flipped; how many did not, the rates say.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 14)
    each = max(1, min(12, MOST // (2 * len(named))))  # pairs of each checkpoint
    panels = [
        panel
        for name, result in named.items()
        for at in range(min(each, len(result.example_at)))
        for panel in _pair(result, at, short[name], palette[name])
    ]
    if not panels:
        raise ValueError("No decision that was right flipped in these results, so there is no picture to show.")
    total = {name: len(result.example_at) for name, result in named.items()}
    told = "; ".join(f"{name or 'this checkpoint'}: {n} pairs of pictures" for name, n in total.items())
    fig = sheet(panels, COLUMNS)
    fig.update_xaxes(constraintoward="left")
    fig.update_layout(height=fig.layout.height - 28, margin_t=8)  # there is no title
    return theme.finish(
        fig,
        alt=f"Pictures whose decision flipped, before and after one factor was changed. {told}.",
        caption=PICTURES_CAPTION,
    )


def _order(named: Mapping[str, Flips]) -> list[str]:
    """Scores from top to bottom: those that should follow, flips from the most to the least, accuracy."""
    highest: dict[str, float] = {}
    for result in named.values():
        for row, score in result.scores().items():
            highest[row] = max(score.value, highest.get(row, 0.0))
    flipped = sorted((row for row in highest if row.startswith("flipped")), key=lambda row: -highest[row])
    return [*(row for row in highest if row.startswith("follows")), *flipped, "accuracy"]


def _dots(result: Flips, row: str) -> Iterator[Dot]:
    """The row of one score, where the result has it."""
    if (score := result.scores().get(row)) is None:
        return
    # Another picture is read rightly as often as chance says, so that the two share a mark.
    controls = {ANOTHER if name == "chance" else name: value for name, value in score.controls.items()}
    yield Dot(
        row, score.value, score.low, score.high, controls, f"{len(result.ids):,} pictures, read as {result.label}"
    )


def _pair(result: Flips, at: int, name: str, color: str) -> Iterator[Panel]:
    """The picture before and after, what was changed above it and what each was taken for below."""
    factor, row = result.example_at[at]
    before, after = result.classes[result.predicted[row]], result.classes[result.new_predicted[factor, row]]
    id = str(result.ids[row])
    yield Panel(result.example_pixels[at][0], None, escape(name) or "as it is", id, f"taken for {escape(str(before))}")
    changed = f"<b>{escape(result.factors[factor])}</b> changed"
    yield Panel(result.example_pixels[at][1], None, changed, id, f"taken for {escape(str(after))}", False, color)
