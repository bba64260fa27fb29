"""Figures of diagnostics/bias."""
