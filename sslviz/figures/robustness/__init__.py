"""Figures of diagnostics/robustness."""
