"""Figures of what an encoder is worth downstream."""
