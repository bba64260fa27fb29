"""Features of controls, brought to the images that a diagnostic scores and fits on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sslviz.features import Features

Control = Features | tuple[Features, Features | None]  # features of the same images, or these and others to fit on
ControlFeatures = Mapping[str, Control]


def scored_and_fit(control: Control) -> tuple[Features, Features | None]:
    """The features of a control to score, and those to fit on if it has its own."""
    return control if isinstance(control, tuple) else (control, None)


def aligned_controls(
    control_features: ControlFeatures | None, scored: Features, fitted: Features
) -> Iterator[tuple[str, Features, Features]]:
    """Each control's name, and its features of the images scored and of those fitted on, in their order.

    ValueError where a control lacks one of these images.
    """
    for name, control in (control_features or {}).items():
        whole, own_fit = scored_and_fit(control)
        bank = whole if own_fit is None else own_fit
        yield name, _like(whole, scored), _like(bank, fitted)


def _like(control: Features, features: Features) -> Features:
    """The control's features of the same images in their order, kept together as these are."""
    control = control.select(list(features.ids))
    return replace(control, table=features.table, group=features.group) if features.group else control
