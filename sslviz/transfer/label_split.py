"""Images that are scored and images that are fitted on, with the classes of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.diagnostics.probes.probe import class_codes, own_halves, refuse_seen_images
from sslviz.features import Features
from sslviz.features.columns import apart


@dataclass(frozen=True, eq=False)
class LabelSplit:
    """Features divided by who uses them.

    - scored, fitted: the two parts
    - classes: names of the classes of the images fitted on, (c,)
    - truth: index into `classes` of each image scored, (n,)
    - codes: the same of each image fitted on, (m,)
    """

    scored: Features
    fitted: Features
    classes: np.ndarray
    truth: np.ndarray
    codes: np.ndarray


def label_split(features: Features, label: str, fit: Features | None, seed: int) -> LabelSplit:
    """`fit` is fitted on, or without it a stratified half of `features`; errors as for `linear_probe`.

    What belongs together by the `group` of the features stays on one side.
    """
    scored, fitted = own_halves(features, label, seed) if fit is None else (features, apart(features, fit))
    classes, truth, codes = class_codes(scored, fitted, label)
    refuse_seen_images(scored, fitted)
    return LabelSplit(scored, fitted, classes, truth, codes)
