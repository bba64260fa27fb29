"""Figures of results beside their controls.  Numbers in, picture out: nothing is computed here.

One file per question; every figure takes a result or {checkpoint name: result} and returns a `plotly` figure with
`layout.meta = {"alt": ..., "caption": ...}`.  `theme.apply(fig, dark=True)` makes any of them dark.
"""

from sslviz.figures.explanations.faithfulness import evidence_bars
from sslviz.figures.geometry import over_training
from sslviz.figures.geometry.spectrum import spectrum
from sslviz.figures.parts import theme
from sslviz.figures.parts.score_bars import score_bars
from sslviz.figures.parts.score_svg import score_bar_svg, sparkline_svg, svg_uri
from sslviz.figures.parts.thumbnails import contact_sheet, data_uri, gallery_html, png
from sslviz.figures.probes.probe import confusion, probe
from sslviz.figures.projection.displacement import displacement
from sslviz.figures.projection.map_figure import map_figure, selected_ids
from sslviz.figures.robustness.invariance import spanning
from sslviz.figures.similarity.similarity import heatmap
from sslviz.figures.training import training
from sslviz.figures.transfer.pareto import pareto

__all__ = [
    "confusion",
    "contact_sheet",
    "data_uri",
    "displacement",
    "evidence_bars",
    "gallery_html",
    "heatmap",
    "map_figure",
    "pareto",
    "png",
    "probe",
    "score_bar_svg",
    "score_bars",
    "selected_ids",
    "spanning",
    "sparkline_svg",
    "spectrum",
    "svg_uri",
    "theme",
    "over_training",
    "training",
]
