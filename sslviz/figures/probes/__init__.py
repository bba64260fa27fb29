"""Figures of diagnostics/probes."""
