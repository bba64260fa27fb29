"""Attribution maps over their pictures at one scale, beside their evidence, their baselines and controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.explanations.control_maps import model_free_maps
from sslviz.figures.explanations.attribution_panels import MOST, PanelRow, as_cells, panel_rows
from sslviz.figures.parts import theme

if TYPE_CHECKING:
    from sslviz.explanations.attribution.attribution import Attribution
    from sslviz.explanations.faithfulness.faithfulness import Faithfulness

    Evidence = str | Faithfulness

WIDE = 100  # characters a line
EDGES = "edges of the picture, no encoder asked (control)"


def attribution(
    results: Attribution | Mapping[str, Attribution],
    *,
    colors: Mapping[str, str] | None = None,
    evidence: Evidence | Mapping[str, Evidence] | None = None,
    outline: str | None = None,
    rows: Sequence[int] | None = None,
    control_maps: Mapping[str, np.ndarray] | None = None,
) -> go.Figure:
    """Which pixels does it go by?  One row of maps per checkpoint (or method), one column per image, at one scale.

    - results: an Attribution or {name: Attribution}, of the same images
    - evidence: {name: text, or the Faithfulness of the maps}; without it, how well a map agrees with itself
    - outline: the name of a mask to draw
    - rows: the numbers of the images to show; else at most 6, evenly spread
    - control_maps: further controls that know nothing of any encoder, {name: (n, h, w)}

    All maps of the same method and target have one scale; other methods have other units, and their own.  Above each row
    stands its evidence; below are the baselines, and as controls the picture's edges and `control_maps`.  ValueError if
    the results are of different images or have no such mask, or the evidence is of other maps.

    Caveat: a map can persuade without being true; believe it as far as it beats its controls.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    if any(not np.array_equal(r.ids, first.ids) for r in named.values()):
        raise ValueError("Maps side by side must be of the same images in the same order; explain the same images.")
    if outline is not None and outline not in first.masks:
        raise ValueError(f"There is no mask {outline!r} to outline; there are: {', '.join(first.masks) or 'none'}.")
    shown = _shown_rows(first, rows)
    texts = {name: _agreement(result) for name, result in named.items()} | _evidence_texts(named, evidence)
    mask = None if outline is None else first.masks[outline][shown]
    panels = [
        PanelRow(["what the encoder is shown"], first.pixels[shown], outline=mask),
        *_map_rows(named, shown, theme.colors(named, colors), texts, mask),
        *_baseline_rows(named, shown),
        *_control_rows(first, shown, control_maps or {}, mask),
    ]
    fig = panel_rows(panels, [str(i) for i in first.ids[shown]])
    which = "chosen" if rows is not None else "evenly spread"
    return theme.finish(fig, alt=_alt(named, len(shown), texts), caption=_caption(named, len(shown), which))


def _shown_rows(first: Attribution, rows: Sequence[int] | None) -> np.ndarray:
    n = len(first.ids)
    if rows is None:
        return spread_rows(n, MOST, nearest=True)
    if not len(rows) or any(not 0 <= row < n for row in rows):
        raise ValueError(f"There are images from 0 to {n - 1}, but {list(rows)} were asked for.")
    return np.asarray(rows)


def _evidence_texts(
    named: Mapping[str, Attribution], evidence: Evidence | Mapping[str, Evidence] | None
) -> dict[str, str]:
    """{name: what its evidence says}; ValueError where that is about other maps."""
    given = evidence if isinstance(evidence, Mapping) else dict.fromkeys(named, evidence) if evidence else {}
    if unknown := [name for name in given if name not in named]:
        raise ValueError(f"There is evidence for {unknown[0]!r}, but no map; there are: {', '.join(named)}.")
    for name, found in given.items():
        maps = named[name]
        if not isinstance(found, str) and (found.name != maps.method or not np.array_equal(found.ids, maps.ids)):
            raise ValueError(
                f"The evidence for {name or 'this map'} is about other maps: {found.name}, or other images."
            )
    return {name: found if isinstance(found, str) else found.verdict for name, found in given.items()}


def _agreement(result: Attribution) -> str:
    score = result.scores().get("agreement")
    return f"agreement between {result.twice_by} {score}" if score else ""


def _map_rows(
    named: Mapping[str, Attribution],
    shown: np.ndarray,
    palette: Mapping[str, str],
    texts: Mapping[str, str],
    mask: np.ndarray | None,
) -> Iterator[PanelRow]:
    """The maps of each result over the pictures; of RELAX also how much they vary with its masks."""
    limits, short = _limits(named, shown), theme.short_names(named)
    for name, result in named.items():
        unit = _unit(result)
        yield PanelRow(
            heading=_heading(short[name], result, texts[name]),
            pictures=result.pixels[shown],
            maps=_comparable(result, shown),
            scale="signed" if result.signed else "positive",
            axis=unit,
            limit=limits[unit],
            frame=palette[name],
            name=name,
            outline=mask,
        )
        if "uncertainty" in result.extra:
            sd = np.sqrt(result.extra["uncertainty"][shown])
            yield PanelRow(
                [f"how much that varies with the masks (standard deviation, {sd.min():.2g} to {sd.max():.2g})"],
                maps=sd,
                scale="positive",
                axis=f"{unit} sd",
                limit=float(sd.max()),
                frame=palette[name],
                name=f"{name} uncertainty",
            )


def _baseline_rows(named: Mapping[str, Attribution], shown: np.ndarray) -> Iterator[PanelRow]:
    pictures = {name: r.baselines[k] for r in named.values() for k, name in enumerate(r.baseline_names)}
    for name, picture in pictures.items():
        yield PanelRow([f"baseline: {escape(name)}"], picture[shown])


def _control_rows(
    first: Attribution, shown: np.ndarray, control_maps: Mapping[str, np.ndarray], mask: np.ndarray | None
) -> Iterator[PanelRow]:
    """Maps that know nothing of any encoder, in grey and without pictures."""
    controls = {EDGES: _edges(first, shown)}
    controls |= {f"{escape(name)}, no encoder asked (control)": maps[shown] for name, maps in control_maps.items()}
    for name, maps in controls.items():
        yield PanelRow(
            [name],
            maps=maps,
            scale="control",
            axis=name,
            limit=float(maps.max()),
            frame=theme.CONTROL,
            name=name,
            outline=mask,
        )


def _edges(result: Attribution, shown: np.ndarray) -> np.ndarray:
    images = Images(result.pixels[shown], result.ids[shown], pd.DataFrame(index=range(len(shown))))
    return model_free_maps(images)["edge"]


def _unit(result: Attribution) -> str:
    """What two maps must share to be drawn at one scale."""
    return f"{result.method}: {result.target}"


def _limits(named: Mapping[str, Attribution], shown: np.ndarray) -> dict[str, float]:
    """Where each scale ends: a few pixels may lie beyond, or they alone would be seen."""
    values: dict[str, list[np.ndarray]] = {}
    for result in named.values():
        values.setdefault(_unit(result), []).append(np.abs(as_cells(_comparable(result, shown))).ravel())
    return {unit: float(np.quantile(np.concatenate(parts), 0.995)) for unit, parts in values.items()}


def _comparable(result: Attribution, shown: np.ndarray) -> np.ndarray:
    """The maps in units that two encoders share; RELAX without its large constant part, which says nothing."""
    maps = result.maps[shown] / result.unit
    return maps - maps.mean((1, 2), keepdims=True) if result.method == "relax" else maps


def _heading(name: str, result: Attribution, evidence: str) -> list[str]:
    what = f"{result.method.replace('_', ' ')}, explaining {result.target}"
    return [f"<b>{escape(name)}</b> {escape(what)}".strip(), *(escape(line) for line in wrap(evidence, WIDE))]


def _caption(named: Mapping[str, Attribution], shown: int, which: str) -> str:
    first = next(iter(named.values()))
    units = {_unit(result) for result in named.values()}
    scale = "all maps at one scale" if len(units) == 1 else "maps of one method and target at one scale"
    red = "Red: what raises the number explained"
    red += "; blue: what lowers it" if any(result.signed for result in named.values()) else ""
    if any(result.unit != 1 for result in named.values()):
        scale += ", as shares of the number explained"
    if any(result.method == "relax" for result in named.values()):
        scale += ", RELAX less its mean"
    which = f"{shown} of {len(first.ids)} images, {which}" if shown < len(first.ids) else "all images"
    return (
        f"{red}; {scale}, its ends where 0.5 % of the pixels lie beyond. Grey: the picture's edges, which no encoder was "
        f"asked for (control). Shown: {which}. A map can persuade without being true."
    )


def _alt(named: Mapping[str, Attribution], shown: int, texts: Mapping[str, str]) -> str:
    parts = [
        f"{name or 'this checkpoint'}: {r.method} of {r.target}" + (f", {texts[name]}" if texts[name] else "")
        for name, r in named.items()
    ]
    return f"Attribution maps over {shown} pictures, beside baselines and the pictures' edges. {'; '.join(parts)}."
