"""What do these features say?  Pure functions from Features to results, one file per question."""

from sslviz.diagnostics.collapse import Moments, Spectrum, spectrum
from sslviz.diagnostics.neighbors import Neighbors, neighbors
from sslviz.diagnostics.probes import Probe, knn_probe, linear_probe, probe_labels, stratified_half
from sslviz.diagnostics.projection import Projection, align, projection

__all__ = [
    "Moments",
    "Neighbors",
    "Probe",
    "Projection",
    "Spectrum",
    "align",
    "knn_probe",
    "linear_probe",
    "neighbors",
    "probe_labels",
    "projection",
    "spectrum",
    "stratified_half",
]
