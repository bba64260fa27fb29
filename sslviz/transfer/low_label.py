"""Few labels: how well a readout of frozen features does when only some images of each class are labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.probe import class_codes, own_halves, refuse_seen_images
from sslviz.diagnostics.result import pictures_of
from sslviz.features import Features
from sslviz.features.columns import apart
from sslviz.runtime.threads import one_thread
from sslviz.statistics import group_sizes
from sslviz.transfer.few_label_readouts import few_label_readings
from sslviz.transfer.label_draws import label_draws, unfilled
from sslviz.transfer.low_label_result import LowLabel

SHOTS = (1, 2, 5, 10, 50)
Scratch = Mapping[int, Sequence[float] | np.ndarray]  # {labels a class: accuracy of each draw}


@one_thread
def low_label(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    shots: Sequence[int] = SHOTS,
    draws: int = 10,
    readout: Literal["logistic", "centroid"] = "logistic",
    control_features: ControlFeatures | None = None,
    scratch: Scratch | None = None,
    seed: int = 0,
) -> LowLabel:
    """What is this encoder worth when few images are labelled?

    For each of `shots`, so many images of each class of `fit` are labelled, `draws` times.  A readout of the frozen features
    is fitted to these and scored on `features` (n, d).  Its score is the mean accuracy over draws, classes counted alike,
    0 to 1, with a 95 % interval over draws and images.  `all labels` is one fit to all of `fit`.  Without `fit`, labels are
    drawn from a stratified half of `features` (by `seed`).  Images that share the `group` of the features stay on one side,
    a draw labels one of them at most, and intervals draw them again together.

    - readout: "logistic", multinomial with C of ten values from 1e-4 to 10; or "centroid", the class with the nearest mean
    - draws: they share no image where a class has draws * shots of them
    - control_features: {name: Features, or (Features, fit Features)}, read after the same draws; beside them stands chance
    - scratch: {labels a class: accuracy of each draw} of a network trained from scratch, to stand beside

    C is the best on held-out labelled images: five folds, or one image of each class below five labels; one C for all draws.
    Features are standardised by all of `fit`, which takes no label.  Shots that the smallest class cannot fill are left
    out and said.  ValueError as for `linear_probe`, and where no shot is left.  Protocol: 1 % and 10 % of labels in arXiv
    2002.05709, which used one draw.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(240) % 3
        >>> x = 4 * np.eye(3, 16)[label] + np.random.default_rng(0).normal(size=(240, 16))
        >>> features = sslviz.Features.from_array(x, table={"label": label})
        >>> list(sslviz.low_label(features, shots=(1, 5)).scores())
        ['5 labels a class', '1 label a class', 'all labels']

    Caveat: Where draws share images, their interval holds for these images only.  Ten labels a class are fewer than they
    seem where somebody had to see all images to find ten of each class.
    """
    scored, fitted = own_halves(features, label, seed) if fit is None else (features, apart(features, fit))
    classes, truth, fit_codes = class_codes(scored, fitted, label)
    refuse_seen_images(scored, fitted)
    if readout not in ("logistic", "centroid"):
        raise ValueError(f"The readout is 'logistic' or 'centroid'; got {readout!r}.")
    accuracies = _checked_scratch(scratch)
    labelled = _labelled(fit_codes, shots, draws, seed, classes, label, fitted.units)
    correct, of_all, penalties = {}, {}, {}
    arms = [("features", scored, fitted), *aligned_controls(control_features, scored, fitted)]
    for name, control, bank in arms:
        readings = few_label_readings(bank.x, fit_codes, control.x, labelled, readout, seed, fitted.units)
        correct[name] = np.array([readings.predicted[k] == truth for k in labelled])
        of_all[name] = readings.predicted_by_all == truth
        penalties[name] = readings.penalties
    return LowLabel(
        label=label,
        readout=readout,
        classes=classes,
        ids=scored.ids,
        truth=truth,
        n_fit=len(fitted),
        shots=np.array([*labelled]),
        correct=correct.pop("features"),
        correct_of_all=of_all.pop("features"),
        control_correct=correct,
        control_correct_of_all=of_all,
        scratch=accuracies,
        penalties={name: chosen for name, chosen in penalties.items() if chosen},
        shared=np.array([_shared(rows) for rows in labelled.values()]),
        left_out=unfilled(fit_codes, fitted.units, shots, [*labelled], classes, len(truth)),
        seed=seed,
        **pictures_of(scored, fitted),
    )


def _labelled(
    codes: np.ndarray,
    shots: Sequence[int],
    draws: int,
    seed: int,
    classes: np.ndarray,
    label: str,
    units: np.ndarray | None,
) -> dict[int, np.ndarray]:
    """The labelled rows; ValueError that names the class which has too few images for any of the shots."""
    counts = group_sizes(codes, units)
    if len(shots) and counts.min() < min(shots):
        what = "images" if units is None else "images that do not belong together"
        raise ValueError(
            f"{str(classes[counts.argmin()])!r} of {label!r} has {counts.min()} {what} to label, fewer than the {min(shots)} "
            "labels a class that were asked for; ask for fewer, drop the class, or pass more images as `fit`."
        )
    return label_draws(codes, shots, draws, seed, units)


def _shared(rows: np.ndarray) -> float:
    """The share of the labels of one draw that another holds too, on average over pairs of the draws (draws, k)."""
    draws, k = rows.shape
    times = np.unique(rows, return_counts=True)[1]
    pairs = draws * (draws - 1)
    return float((times * (times - 1)).sum() / pairs / k) if pairs else 0.0


def _checked_scratch(scratch: Scratch | None) -> dict[str, np.ndarray]:
    """{labels a class: accuracies (draws,)}, in the order of labels."""
    found = {}
    for k, values in (scratch or {}).items():
        accuracies = np.atleast_1d(np.asarray(values, dtype=float))
        if (
            not str(k).isdecimal()
            or int(k) < 1
            or accuracies.ndim > 1
            or not ((accuracies >= 0) & (accuracies <= 1)).all()
        ):
            raise ValueError(
                f"Accuracies from scratch are {{labels a class: accuracy of each draw, 0 to 1}}; got {k}: {values}."
            )
        found[int(k)] = accuracies
    return {str(k): found[k] for k in sorted(found)}
