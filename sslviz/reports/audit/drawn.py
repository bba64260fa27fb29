"""What an audit draws: a figure of every result beside those of the other runs, and the pictures of a finding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sslviz.catalog import draw, find_entry
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri
from sslviz.reports.audit.findings import IMAGES

THUMBNAIL = 48


def examples(ids: Sequence[str], images: Images) -> list[dict[str, str]]:
    """The pictures with these ids, small."""
    rows = pd.Index(images.ids).get_indexer(np.asarray(ids, dtype=images.ids.dtype)) if ids else []
    return [{"id": id_, "picture": data_uri(images.pixels[row], THUMBNAIL)} for id_, row in zip(ids, rows, strict=True)]


def drawn_figures(results: Mapping[str, Mapping[str, Any]], explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every result of every run, drawn beside those of the other runs: {"diagnostic", "of", "figure"}."""
    from sslviz.reports.explain.page import evidence_figures

    colors = theme.colors(results)
    keys = dict.fromkeys(key for of_run in results.values() for key in of_run)
    drawn = []
    for text in keys:
        both = {name: of_run[text] for name, of_run in results.items() if text in of_run}
        key = ResultKey.parse(text)
        if find_entry(key.name).about_images:
            both = {IMAGES: next(iter(both.values()))}
        fig = draw(both, colors=colors | {IMAGES: theme.CONTROL})
        drawn.append({"diagnostic": key.name, "of": "~".join(key.columns), "figure": _bare(fig)})
    if explained:
        drawn += [
            {"diagnostic": name, "of": "", "figure": _bare(fig)} for name, fig in evidence_figures(explained, colors)
        ]
    return drawn


def _bare(fig: Any) -> dict[str, Any]:
    fig.layout.template = None
    return json.loads(fig.to_json())
