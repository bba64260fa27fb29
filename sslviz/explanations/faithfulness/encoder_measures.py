"""The measures of maps that need the encoder: areas under deletion and insertion, and infidelity, for many maps at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sslviz.data import Images
from sslviz.explanations.faithfulness import perturbation
from sslviz.explanations.faithfulness.perturbation import Fill, Similarity, infidelity, removal_curves
from sslviz.explanations.pictures import as_input
from sslviz.explanations.targets.targets import Target
from sslviz.features.embed import batch_size, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

SIMILARITIES: dict[str, Similarity] = {"cosine": perturbation.cosine, "dot": perturbation.dot}
Measures = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # curves and values, by name


def similarity_target(target: str | Similarity | Target) -> Target:
    """The number that is read while pixels go: a word, a function of features, or a target as it is.

    ValueError for an unknown word.
    """
    if isinstance(target, Target):  # a unit or a probe compares with nothing, not with the whole image
        return target if target.references else replace(target, value=lambda f, whole: target.value(f))
    if not isinstance(target, str):
        return Target(getattr(target, "__name__", "a function of the features"), target)
    if target not in SIMILARITIES:
        raise ValueError(
            f"target is one of {', '.join(SIMILARITIES)}, a function of features or a Target; got {target!r}."
        )
    return Target(target, SIMILARITIES[target])


def measure_on_encoder(
    maps: dict[str, np.ndarray],
    checkpoint: Checkpoint,
    images: Images,
    target: Target,
    *,
    fill: Fill,
    steps: int,
    seed: int,
    progress: bool,
) -> Measures:
    """Curves (m, n, k + 1) and values (m, n) of m maps of each of n images, on one grid.

    "deletion" and "insertion" have both; "infidelity" has values only.
    """
    encoder = to_device(checkpoint.encoder())
    batch = batch_size(encoder)
    common: dict[str, Any] = {"fill": fill, "similarity": target.value, "batch": batch}
    curves: dict[str, list[np.ndarray]] = {"deletion": [], "insertion": []}
    errors = []
    with progress_bar(f"removing pixels of {checkpoint.run}", len(images), "images", shown=progress) as advance:
        for part in perturbation.in_batches(len(images), max(1, batch // 8)):
            x = as_input(images.pixels[part], encoder)
            several = np.stack([array[part] for array in maps.values()])  # (m, b, h, w)
            common |= {"references": [r[part].to(x.device) for r in target.references], "seed": seed + part.start}
            for name, insert in (("deletion", False), ("insertion", True)):
                of_each = [removal_curves(encoder, x, array, insert=insert, steps=steps, **common) for array in several]
                curves[name].append(np.stack(of_each))
            errors.append(infidelity(encoder, x, several, **common))
            advance(len(x))
    whole = {name: np.concatenate(parts, axis=1) for name, parts in curves.items()}
    areas = {name: area(curve, removed_fractions(several[0], steps)) for name, curve in whole.items()}
    return whole, areas | {"infidelity": np.concatenate(errors, axis=1)}


def area(curves: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The area under curves (..., k + 1) over `fractions` (k + 1,), by the trapezoid rule."""
    return np.trapezoid(curves, fractions, axis=-1)


def removed_fractions(maps: np.ndarray, steps: int) -> np.ndarray:
    """The share (k + 1,) of the picture that is gone after each step, in the order of maps (n, h, w)."""
    return perturbation.counts(maps[0].size, steps) / maps[0].size
