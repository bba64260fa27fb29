"""What do these encoders go by, as a page to keep?  Maps of each run beside their evidence and their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.catalog import MAPS, draw
from sslviz.data import Images
from sslviz.figures.explanations.activation import activation
from sslviz.figures.explanations.faithfulness import evidence_bars
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_svg import score_bar_svg
from sslviz.reports.explain.explain import PAIRED, Explained
from sslviz.reports.html_page import Section, page, table
from sslviz.statistics import Score

CONTROL = "the same encoder untrained (control)"
MARKS = {True: "✓", False: "✗", None: " "}
ROWS = 4  # pictures, one below the other
WHAT = {
    "activation_energy": "How loudly each place of the last grid answers",
    "eigen_cam": "The main thing that the last grid shows (EigenCAM)",
    "rollout": "Where the transformer looks through all its layers (rollout)",
    "last layer": "Where the transformer looks in its last layer, mean of the heads",
}
LOOKED = "Where the encoder answers, or attends, before it is asked about any number; a loud place need not matter."
READ = (
    "<p class='small'>Each map stands beside what it is worth: how fast the features lose (deletion) and find (insertion) "
    "what the whole picture gives them when pixels go and come in the map's order, beside random order, beside maps that no "
    "model made, and beside the map of the same encoder untrained. A map that does not beat them says so.</p>"
)


def explain_page(
    explained: Mapping[str, Explained], images: Images, *, shown: Sequence[int] | None = None, asked: str = ""
) -> str:
    """The page: what may be said of each run, its maps, their evidence, where it looks, and what was asked.

    `explained` as `explain` returns it, of `images`; `shown` are the numbers of the pictures to show (default: some,
    evenly spread), `asked` is the command that makes the page again.
    """
    colors = theme.colors(explained)
    sections = [_maps(explained, colors, shown), _truth(explained, colors), *_looks(explained, images, colors, shown)]
    if attending := {name: one.attention for name, one in explained.items() if one.attention}:
        lead = "".join(f"<p><b>{escape(name)}</b> {escape(one.advice())}</p>" for name, one in attending.items())
        sections.append(
            Section("How far do its heads look?", lead + _caveat("attention"), [draw(attending, colors=colors)])
        )
    sections += [_numbers(explained), _asked(explained, images, asked)]
    return page("What do these encoders go by?", _summary(explained, colors) + READ, sections)


def evidence_figures(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> list[tuple[str, go.Figure]]:
    """The figures of the first pictures and of what their maps are worth, each with its question's name in the catalog."""
    figures = [("attribute", fig) for fig in _maps(explained, colors, None).figures]
    figures += [("faithfulness", fig) for fig in _truth(explained, colors).figures]
    attending = {name: one.attention for name, one in explained.items() if one.attention}
    return figures + ([("attention", draw(attending, colors=colors))] if attending else [])


def _summary(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> str:
    items = []
    for name, one in explained.items():
        scores = one.faithfulness[one.maps.method].scores()
        bars = "".join(
            f" {measure} {score_bar_svg(scores[measure], colors[name], name=measure)}"
            for measure in ("insertion", "deletion")
        )
        items.append(f"<li>{escape(one.sentence(name))}<br><span class='small'>{bars}</span></li>")
    return f"<ul>{''.join(items)}</ul>"


def _maps(explained: Mapping[str, Explained], colors: Mapping[str, str], shown: Sequence[int] | None) -> Section:
    maps: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    for name, one in explained.items():
        maps[name], evidence[name] = one.maps, one.faithfulness[one.maps.method]
    for label, values in _different({name: one.untrained.maps for name, one in explained.items()}).items():
        maps[label] = next(one.untrained for one in explained.values() if one.untrained.maps is values)
        evidence[label] = CONTROL
    palette = {label: colors.get(label, theme.CONTROL) for label in maps}
    fig = draw(maps, colors=palette, evidence=evidence, rows=shown)
    return Section("Which pixels does it go by?", _caveat("attribute"), [fig])


def _different(untrained: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Encoders of one architecture share their control: {label: maps}, each once."""
    kept: dict[str, np.ndarray] = {}
    for name, maps in untrained.items():
        if not any(maps.shape == other.shape and np.allclose(maps, other) for other in kept.values()):
            kept[name] = maps
    return {"untrained" if len(kept) == 1 else f"untrained, as {name}": maps for name, maps in kept.items()}


def _truth(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> Section:
    truth = {name: one.faithfulness[one.maps.method] for name, one in explained.items()}
    figures = [draw(truth, colors=colors), evidence_bars(truth, colors=colors)]
    return Section("Is the map true?", _caveat("faithfulness"), figures)


def _looks(
    explained: Mapping[str, Explained], images: Images, colors: Mapping[str, str], shown: Sequence[int] | None
) -> list[Section]:
    """One section for each way of looking that any of the encoders has."""
    rows = shown or np.unique(np.linspace(0, len(images) - 1, ROWS).round().astype(int)).tolist()
    sections = []
    for method in dict.fromkeys(method for one in explained.values() for method in one.untargeted):
        looks = {name: one.untargeted[method] for name, one in explained.items() if method in one.untargeted}
        truth = {name: explained[name].faithfulness[method] for name in looks}
        said = "".join(f"<li>{escape(name)}: {escape(one.verdict)}.</li>" for name, one in truth.items())
        why = [explained[name].no_attention.partition(";")[0] for name in looks]
        reasons = dict.fromkeys(filter(None, why))
        lead = f"<p>{escape(LOOKED)} {escape('; '.join(reasons))}{'.' * bool(reasons)}</p><ul>{said}</ul>"
        grid = activation(
            {name: look.maps[rows] for name, look in looks.items()},
            images.rows(np.array(rows)),
            control_maps={label: look[rows] for label, look in _different({n: k.untrained for n, k in looks.items()}).items()},
            what=WHAT.get(method, f"Where the transformer looks in {method}"),
            subtitles={name: _short(one.scores()["insertion"]) for name, one in truth.items()},
            colors=colors,
        )  # fmt: skip
        bars = evidence_bars(truth, colors=colors, measures=("insertion", "deletion"))
        sections.append(Section(f"Where does it look? {method.replace('_', ' ').capitalize()}", lead, [grid, bars]))
    return sections


def _short(score: Score) -> str:
    return f"insertion {score.value_text} vs {score.control_text.partition(' ')[0]}"


def _numbers(explained: Mapping[str, Explained]) -> Section:
    rows = []
    for name, one in explained.items():
        for title, result in one.results().items():
            for score_name, score in result.scores().items():
                rows.append(
                    [
                        name,
                        title.removeprefix("faithfulness of "),
                        score_name,
                        MARKS[score.beats_control],
                        score.text,
                        score.control_text,
                    ]
                )
    headings = ["run", "result", "score", "", "value [95 %]", "strongest control"]
    lead = f"<p class='small'>✓ the whole interval beats the strongest control, ✗ it does not. {PAIRED}</p>"
    return Section("All numbers", lead + table(headings, rows))


def _asked(explained: Mapping[str, Explained], images: Images, asked: str) -> Section:
    first = next(iter(explained.values()))
    rows = [
        ["images", f"{len(images)} of {images.spec or 'the images given'}, digest {images.digest}"],
        ["ids", ", ".join(images.ids)],
        ["method", first.maps.method],
        *(["number explained", target] for target in dict.fromkeys(one.maps.target for one in explained.values())),
        ["baselines", ", ".join(first.maps.baseline_names) or "none"],
        ["made by", f"sslviz {version('sslviz')}"],
        *([["command", asked]] if asked else []),
    ]
    return Section("What was asked", table(["", ""], rows))


def _caveat(name: str) -> str:
    return f"<p>{escape(next(one for one in MAPS if one.name == name).caveat)}</p>"
