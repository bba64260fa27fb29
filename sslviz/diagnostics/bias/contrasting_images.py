"""Images that tell label and attribute apart: which classes can stay, with which value each goes, and at which biases."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sslviz.diagnostics.bias.fit_draws import contrasting_classes, likely_pairs
from sslviz.diagnostics.probes.probe import refuse_unseen
from sslviz.features import Features
from sslviz.features.columns import coded, partners_of

BIASES = (0.7, 0.9, 0.95, 1.0)  # of the images fitted on; before them 1 / values, where the attribute says nothing


def contrasting_images(
    scored: Features, fitted: Features, label: str, attribute: str, expected_pairs: Mapping[str, str] | None
) -> tuple[Features, Features, np.ndarray, dict[str, int]]:
    """The images of classes in which label and attribute can be told apart, their pairs, and {reason: images} of others.

    Without a class other pairs may be the likely ones, so that it is asked again until all classes can stay.
    """
    left_out: dict[str, int] = {}
    while True:
        classes, codes, truth = common_codes(fitted, scored, label)
        values, cues, cue = common_codes(fitted, scored, attribute)
        pairs = _pairs(fitted, label, attribute, expected_pairs)
        keep = contrasting_classes(codes, cues, truth, cue, pairs, fit_biases(len(values)), len(values))
        if keep.all():
            return scored, fitted, pairs, left_out
        listed = ", ".join(f"{classes[c]} ({values[pairs[c]]})" for c in np.flatnonzero(~keep))
        if keep.sum() < 2:
            raise ValueError(
                f"Label and attribute cannot be told apart: there are too few images of {label} {listed} with the {attribute} "
                "in brackets, or too few without it; bring images of every combination."
            )
        why = f"{label} {listed} is not often enough with the {attribute} in brackets, or not often enough without it"
        left_out[why] = int((~keep[truth]).sum() + (~keep[codes]).sum())
        scored, fitted = scored.rows(keep[truth]), fitted.rows(keep[codes])
        if expected_pairs is not None:
            expected_pairs = {str(name): expected_pairs[str(name)] for name in classes[keep]}


def _pairs(fitted: Features, label: str, attribute: str, expected_pairs: Mapping[str, str] | None) -> np.ndarray:
    """The value that goes with each class, (k,): as it was said, or as the images to fit on show."""
    (classes, codes), (values, cues) = coded(fitted, label), coded(fitted, attribute)
    if expected_pairs is None:
        return likely_pairs(codes, cues, len(classes), len(values))
    return partners_of(fitted.table, label, attribute, expected_pairs)


def fit_biases(values: int) -> np.ndarray:
    """Shares of the images fitted on that show the pair; the first is even."""
    return np.array([1 / values, *(b for b in BIASES if b > 1 / values)])


def common_codes(fitted: Features, scored: Features, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The names of a column's classes, and the class of each image fitted on and of each scored."""
    (names, codes), (scored_names, scored_codes) = coded(fitted, column), coded(scored, column)
    index = {str(name): i for i, name in enumerate(names)}
    refuse_unseen([str(name) for name in scored_names if str(name) not in index], column)
    return names, codes, np.array([index[str(name)] for name in scored_names])[scored_codes]
