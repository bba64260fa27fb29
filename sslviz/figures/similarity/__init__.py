"""Figures of diagnostics/similarity."""
