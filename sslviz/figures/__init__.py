"""How does a result look beside its control?  Numbers in, picture out: nothing is computed here.

One file per question; every figure takes a result or {checkpoint name: result} and returns a `plotly` figure with
`layout.meta = {"alt": ..., "caption": ...}`.  `theme.apply(fig, dark=True)` makes any of them dark.
"""

from sslviz.figures import theme, through
from sslviz.figures.displacement import displacement
from sslviz.figures.faithfulness import evidence_bars
from sslviz.figures.probes import confusion, probe
from sslviz.figures.projection import map_figure, projection, selected_ids
from sslviz.figures.scores import score_bars
from sslviz.figures.similarity import heatmap
from sslviz.figures.spectrum import spectrum
from sslviz.figures.svg import score_bar_svg, sparkline_svg, svg_uri
from sslviz.figures.thumbnails import contact_sheet, data_uri, gallery_html, png
from sslviz.figures.training import training

__all__ = [
    "confusion",
    "contact_sheet",
    "data_uri",
    "displacement",
    "evidence_bars",
    "gallery_html",
    "heatmap",
    "map_figure",
    "png",
    "probe",
    "projection",
    "score_bar_svg",
    "score_bars",
    "selected_ids",
    "sparkline_svg",
    "spectrum",
    "svg_uri",
    "theme",
    "through",
    "training",
]
