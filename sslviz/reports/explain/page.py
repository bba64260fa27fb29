"""What encoders go by, as a page to keep: maps of each run beside their evidence and their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.catalog import draw, find_entry
from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.figures.explanations.activation import activation
from sslviz.figures.explanations.faithfulness import evidence_bars
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_svg import score_bar_svg
from sslviz.reports.explain.explain import PAIRED, Explained
from sslviz.reports.html_page import Section, fragment, page
from sslviz.statistics import Score

CONTROL = "the same encoder untrained (control)"
MARKS = {True: "✓", False: "✗", None: " "}
ROWS = 4  # pictures, one below the other
MEASURES = ("insertion", "deletion")  # of how far a map is to be believed, the one that reads more easily first
LOOKS = {  # what the maps show that are made before the encoder is asked about any number
    "activation_energy": "How loudly each place of the last grid answers",
    "eigen_cam": "The main thing that the last grid shows (EigenCAM)",
    "rollout": "Where the transformer looks through all its layers (rollout)",
    "last layer": "Where the transformer looks in its last layer, mean of the heads",
}


def explain_page(
    explained: Mapping[str, Explained], images: Images, *, shown: Sequence[int] | None = None, command: str = ""
) -> str:
    """The page: what may be said of each run, its maps, their evidence, where it looks, and with which settings.

    - explained: as `explain` returns it, of `images`.
    - shown: the numbers of the pictures to show (default: some, evenly spread).
    - command: what to type to make the page again.
    """
    colors = theme.colors(explained)
    sections = [
        _maps(explained, colors, shown),
        _evidence(explained, colors),
        *_looks(explained, images, colors, shown),
        *_heads(explained, colors),
        Section("All numbers", fragment("explain", "numbers", PAIRED, _number_rows(explained))),
        Section("What was asked", fragment("explain", "settings", _setting_rows(explained, images, command))),
    ]
    return page("What do these encoders go by?", _summary(explained, colors), sections)


def evidence_figures(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> list[tuple[str, go.Figure]]:
    """The figures of the first pictures and of what their maps are worth, each with its question's name in the catalog."""
    figures = [("attribute", figure) for figure in _maps(explained, colors, None).figures]
    figures += [("faithfulness", figure) for figure in _evidence(explained, colors).figures]
    return figures + [("attention", figure) for section in _heads(explained, colors) for figure in section.figures]


def _summary(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> str:
    runs = []
    for name, run in explained.items():
        scores = run.faithfulness[run.maps.method].scores()
        bars = {measure: score_bar_svg(scores[measure], colors[name], name=measure) for measure in MEASURES}
        runs.append({"sentence": run.sentence(name), "bars": bars})
    return fragment("explain", "summary", runs)


def _maps(explained: Mapping[str, Explained], colors: Mapping[str, str], shown: Sequence[int] | None) -> Section:
    maps: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    for name, run in explained.items():
        maps[name], evidence[name] = run.maps, run.faithfulness[run.maps.method]
    for label, values in _different({name: run.untrained.maps for name, run in explained.items()}).items():
        maps[label] = next(run.untrained for run in explained.values() if run.untrained.maps is values)
        evidence[label] = CONTROL
    palette = {label: colors.get(label, theme.CONTROL) for label in maps}
    figure = draw(maps, colors=palette, evidence=evidence, rows=shown)
    return Section("Which pixels does it go by?", fragment("explain", "caveat", _caveat("attribute")), [figure])


def _different(untrained: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Encoders of one architecture share their control: {label: maps}, each once."""
    distinct: dict[str, np.ndarray] = {}
    for name, maps in untrained.items():
        if not any(maps.shape == other.shape and np.allclose(maps, other) for other in distinct.values()):
            distinct[name] = maps
    return {"untrained" if len(distinct) == 1 else f"untrained, as {name}": maps for name, maps in distinct.items()}


def _evidence(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> Section:
    evidence = {name: run.faithfulness[run.maps.method] for name, run in explained.items()}
    figures = [draw(evidence, colors=colors), evidence_bars(evidence, colors=colors)]
    return Section("Is the map true?", fragment("explain", "caveat", _caveat("faithfulness")), figures)


def _looks(
    explained: Mapping[str, Explained], images: Images, colors: Mapping[str, str], shown: Sequence[int] | None
) -> list[Section]:
    """One section for each way of looking that any of the encoders has."""
    rows = shown or spread_rows(len(images), ROWS, nearest=True).tolist()
    methods = dict.fromkeys(method for run in explained.values() for method in run.untargeted)
    return [_look(method, explained, images.rows(np.array(rows)), rows, colors) for method in methods]


def _look(
    method: str, explained: Mapping[str, Explained], pictures: Images, rows: Sequence[int], colors: Mapping[str, str]
) -> Section:
    """Where the encoders look by this method, on these of the images, and what such maps are worth."""
    looks = {name: run.untargeted[method] for name, run in explained.items() if method in run.untargeted}
    evidence = {name: explained[name].faithfulness[method] for name in looks}
    without = [explained[name].no_attention for name in looks]
    reasons = dict.fromkeys(reason.partition(";")[0] for reason in without if reason)
    verdicts = {name: faithfulness.verdict for name, faithfulness in evidence.items()}
    untrained = _different({name: look.untrained for name, look in looks.items()})
    grid = activation(
        {name: look.maps[rows] for name, look in looks.items()},
        pictures,
        control_maps={label: maps[rows] for label, maps in untrained.items()},
        what=LOOKS.get(method, f"Where the transformer looks in {method}"),
        subtitles={name: _insertion(faithfulness.scores()["insertion"]) for name, faithfulness in evidence.items()},
        colors=colors,
    )
    bars = evidence_bars(evidence, colors=colors, measures=MEASURES)
    lead = fragment("explain", "looks", list(reasons), verdicts)
    return Section(f"Where does it look? {method.replace('_', ' ').capitalize()}", lead, [grid, bars])


def _insertion(score: Score) -> str:
    control = "" if score.control is None else Score(score.control).value_text
    return f"insertion {score.value_text} vs {control}"


def _heads(explained: Mapping[str, Explained], colors: Mapping[str, str]) -> list[Section]:
    """The section on the attention of those that are transformers, if there are any."""
    attention = {name: run.attention for name, run in explained.items() if run.attention}
    if not attention:
        return []
    advice = {name: result.advice() for name, result in attention.items()}
    lead = fragment("explain", "heads", advice, _caveat("attention"))
    return [Section("How far do its heads look?", lead, [draw(attention, colors=colors)])]


def _number_rows(explained: Mapping[str, Explained]) -> list[list[str]]:
    rows = []
    for name, run in explained.items():
        for title, result in run.results().items():
            what = title.removeprefix("faithfulness of ")
            for score_name, score in result.scores().items():
                rows.append([name, what, score_name, MARKS[score.beats_control], score.text, score.control_text])
    return rows


def _setting_rows(explained: Mapping[str, Explained], images: Images, command: str) -> list[list[str]]:
    first = next(iter(explained.values()))
    targets = dict.fromkeys(run.maps.target for run in explained.values())
    rows = [
        ["images", f"{len(images)} of {images.spec or 'the images given'}, digest {images.digest}"],
        ["ids", ", ".join(images.ids)],
        ["method", first.maps.method],
        *(["number explained", target] for target in targets),
        ["baselines", ", ".join(first.maps.baseline_names) or "none"],
        *(["steps of a path", text] for text in _steps(explained)),
        ["precision", f"maps in fp32, their evidence in {_precisions(explained)}"],
        ["made by", f"sslviz {version('sslviz')}"],
    ]
    return [*rows, ["command", command]] if command else rows


def _steps(explained: Mapping[str, Explained]) -> list[str]:
    """How many steps integrated gradients took, in one line; none for other methods."""
    steps = [run.maps.extra["steps"] for run in explained.values() if "steps" in run.maps.extra]
    return [f"{min(s.min() for s in steps)} to {max(s.max() for s in steps)}"] if steps else []


def _precisions(explained: Mapping[str, Explained]) -> str:
    evidence = [one.precision for run in explained.values() for one in run.faithfulness.values()]
    return " and ".join(dict.fromkeys(evidence))


def _caveat(name: str) -> str:
    return find_entry(name).caveat
