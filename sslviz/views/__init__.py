"""Augmented views of a batch: what is drawn, and how it is rendered."""

from sslviz.views.policy import ViewParameters, ViewPolicy

__all__ = ["ViewParameters", "ViewPolicy"]
