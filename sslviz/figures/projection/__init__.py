"""Figures of diagnostics/projection."""
