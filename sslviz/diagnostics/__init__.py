"""What do these features say?  Pure functions from Features to results, one file per question."""

from sslviz.diagnostics.collapse import Spectrum, spectrum
from sslviz.diagnostics.labels import probe_labels, stratified_half
from sslviz.diagnostics.map_quality import align, map_quality
from sslviz.diagnostics.moments import Moments
from sslviz.diagnostics.neighbors import Neighbors, neighbors
from sslviz.diagnostics.probes import Probe, knn_probe, linear_probe
from sslviz.diagnostics.projection import Projection, projection

__all__ = [
    "Moments",
    "Neighbors",
    "Probe",
    "Projection",
    "Spectrum",
    "align",
    "knn_probe",
    "linear_probe",
    "map_quality",
    "neighbors",
    "probe_labels",
    "projection",
    "spectrum",
    "stratified_half",
]
