"""Novelty: whether images of a class that was never shown are told from images of known classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.result import pictures_of
from sslviz.features import Features
from sslviz.features.columns import apart, coded_values
from sslviz.runtime.threads import one_thread
from sslviz.transfer.label_split import label_split
from sslviz.transfer.novelty_result import HALVES, Novelty
from sslviz.transfer.rank_statistics import (
    halves_apart,
    told_apart,
)
from sslviz.transfer.strangeness import strangeness

How = Literal["knn", "mahalanobis", "relative"]
HOW = ("knn", "mahalanobis", "relative")
MOST_HELD_OUT = 20  # classes, each of which costs a fit; of more a sample is held out
SHARE_OF_KNOWN = 10  # k is at most one in ten of the known images: the farthest of all says nothing of a neighbourhood


@one_thread
def novelty(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    how: How = "knn",
    k: int = 50,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Novelty:
    """Would it notice a class that it was never shown?

    Each class is held out in turn.  Its scored images are novel; the images of the other classes in `fit` are known, and so
    are their scored images.  Without `fit` a stratified half of `features` (by `seed`) is known.  How strange an image is:

    - "knn": distance to the `k`-th known neighbour, features scaled to length one (arXiv 2204.06507)
    - "mahalanobis": distance to the nearest class mean by one covariance for all classes (arXiv 1807.03888)
    - "relative": that, less the distance to a single Gaussian of all known images (arXiv 2106.09022)

    Scores are means over classes, in [0, 1]; novel is positive in both.  `auroc` is the probability that a novel image
    is stranger than a known one.  `fpr95` is the share of known images flagged at the threshold that 95 % of the novel
    ones reach.

    Controls: one half of the known scored images against the other, and `control_features` {name: Features, or (Features,
    fit Features)}.  Of more than 20 classes, 20 are drawn to be held out; `k` is at most a tenth of the known images; both
    are said in `params`.  Covariances are shrunk (Ledoit and Wolf).  Images that share the `group` of the features stay on
    one side, and count as one in intervals.  Errors as for `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(240) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(240, 3))
        >>> result = sslviz.novelty(sslviz.Features.from_array(x, table={"label": label}))
        >>> print(result.params["k"], result.scores()["auroc"].value)
        8 1.0

    Caveat: Novel means here another class of the same pictures; JPEG, size or brightness of other sources are told apart
    without any encoder, so look at the pixels beside it.
    """
    _check(how, k)
    split = label_split(features, label, fit, seed)
    present = np.unique(split.truth)
    held = np.sort(np.random.default_rng(seed).permutation(present)[:MOST_HELD_OUT])
    known = len(split.codes) - np.bincount(split.codes)[held].max()
    k = max(1, min(k, int(known) // SHARE_OF_KNOWN))

    def strange(scored: Features, fitted: Features) -> np.ndarray:
        return strangeness(scored.x[:], fitted.x[:], split.codes, held, how, k)

    ours = strange(split.scored, split.fitted)
    controls = {HALVES: halves_apart(ours, split.truth, held, seed)}
    for name, scored, fitted in aligned_controls(control_features, split.scored, split.fitted):
        controls[name] = told_apart(strange(scored, fitted), split.truth, held)
    return Novelty(
        label=label,
        how=how,
        params={"k": k, "held_out": len(held), "of_classes": len(present)},
        classes=split.classes,
        held=held,
        ids=split.scored.ids,
        truth=split.truth,
        strangeness=ours,
        control_auroc={name: values[0] for name, values in controls.items()},
        control_fpr95={name: values[1] for name, values in controls.items()},
        seed=seed,
        **pictures_of(split.scored, split.fitted),
    )


@one_thread
def novelty_of(
    known: Features,
    queries: Features,
    novel: Features,
    *,
    label: str | None = None,
    how: How = "knn",
    k: int = 50,
    control_features: Mapping[str, tuple[Features, Features, Features]] | None = None,
    seed: int = 0,
) -> Novelty:
    """Are these novel images told from images like the known ones?

    - known: what is known
    - queries: other images like these
    - novel: images that should stand out
    - label: a column of `known` for "mahalanobis" and "relative"; without it, all are one class
    - control_features: {name: the same three by pixels or another encoder}

    Strangeness, scores and controls as for `novelty`.  Nothing is normalised by the novel images.

    Example:
        >>> import numpy as np, sslviz
        >>> draw = np.random.default_rng(0).normal
        >>> sets = [sslviz.Features.from_array(draw(size=(100, 4)) + shift) for shift in ([9, 0, 0, 0], [9, 0, 0, 0], 0)]
        >>> sslviz.novelty_of(*sets).scores()["auroc"].value > 0.9
        True

    Caveat: Sets from two sources differ in much that is no content, such as file format, size and brightness; so look at
    the pixels beside it.
    """
    _check(how, k)
    widths = {x.x.shape[1] for x in (known, queries, novel)}
    if len(widths) > 1:
        raise ValueError(
            f"The three sets need features of one width, but have {sorted(widths)}; embed all with one encoder."
        )
    codes = np.zeros(len(known), int) if label is None else coded_values(known.column(label), label)[1]
    k = max(1, min(k, len(known) // SHARE_OF_KNOWN))
    truth, nothing = np.repeat([0, 1], [len(queries), len(novel)]), np.array([-1])

    def strange(known: Features, queries: Features, novel: Features) -> np.ndarray:
        return strangeness(np.concatenate([queries.x, novel.x]), known.x[:], codes, nothing, how, k)

    held, ours = np.array([1]), strange(known, queries, novel)
    controls = {HALVES: halves_apart(ours, truth, held, seed)}
    for name, (bank, like, unlike) in (control_features or {}).items():
        sets = [x.select(list(own.ids)) for x, own in ((bank, known), (like, queries), (unlike, novel))]
        controls[name] = told_apart(strange(*sets), truth, held)
    return Novelty(
        label=label or "",
        how=how,
        params={"k": k, "held_out": 1, "of_classes": 2},
        classes=np.array(["known", "novel"]),
        held=held,
        ids=np.concatenate([queries.ids, novel.ids]),
        truth=truth,
        strangeness=ours,
        control_auroc={name: values[0] for name, values in controls.items()},
        control_fpr95={name: values[1] for name, values in controls.items()},
        seed=seed,
        **pictures_of(queries, known) | _joined_units(queries, novel, known),
    )


def _joined_units(queries: Features, novel: Features, known: Features) -> dict[str, Any]:
    """Which of the queries and novel images belong together; ValueError where some do with known ones."""
    if not queries.group:
        return {}
    novel = novel.grouped_by(queries.group)
    apart(novel, known)
    names = np.concatenate([queries.unit_names, novel.unit_names])
    return {"units": np.unique(names.astype(str), return_inverse=True)[1]}


def _check(how: str, k: int) -> None:
    if how not in HOW:
        raise ValueError(f"Strangeness is measured by {', '.join(map(repr, HOW))}, but `how` is {how!r}.")
    if k < 1:
        raise ValueError(f"The distance is to the k-th neighbour, k = 1, 2, ..., but k is {k}.")
