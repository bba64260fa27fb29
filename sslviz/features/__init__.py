"""Features: what an encoder makes of pictures, and what diagnostics are given."""

from sslviz.features.features import Features

__all__ = ["Features"]
