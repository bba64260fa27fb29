"""Explorers for notebooks: sslviz's figures with a lasso, sliders and a pointer, each beside its control."""
