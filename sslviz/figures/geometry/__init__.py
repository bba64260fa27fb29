"""Figures of diagnostics/geometry."""
