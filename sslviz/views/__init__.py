"""Augmented views of a batch: what is drawn, and how it is rendered."""

from sslviz.views.parameters import ViewParameters
from sslviz.views.policy import ViewPolicy

__all__ = ["ViewParameters", "ViewPolicy"]
