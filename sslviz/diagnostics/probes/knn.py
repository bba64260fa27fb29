"""The k-nearest-neighbours probe: a weighted vote of the nearest images of known class."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors
from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.probes.probe import Probe, run_probe
from sslviz.features import Features


def knn_probe(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    k: int = 20,
    temperature: float = 0.07,
    control_features: ControlFeatures | None = None,
    graph: Neighbors | None = None,
    seed: int = 0,
) -> Probe:
    """Are an image's nearest neighbours of its own class?

    The `k` images of `fit` nearest by cosine vote with weight exp(similarity / temperature), as in DINO (arXiv 2104.14294).
    Without `fit`, a stratified half of `features` (by `seed`) votes on the other half.  Images that share the `group` of
    the features stay on one side, and count as one in the interval.  `control_features` {name: Features,
    or (Features, fit Features)} of the same images are read in the same way.  `graph` is `neighbors(features, k,
    among=fit)` where that was computed before.

    Score: `accuracy` in [0, 1], class-balanced.  Its interval is over the scored images, for this probe as fitted, if every
    class has ten of them.  ValueError for a missing or incomplete column, a single class, and a class the fit never saw.
    So too for an image both fitted on and scored, a group on both sides, and fewer than `k` images to vote.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(120) % 3
        >>> x = 9 * np.eye(3)[label] + np.random.default_rng(0).normal(size=(120, 3))
        >>> features = sslviz.Features.from_array(x, table={"label": label})
        >>> print(sslviz.knn_probe(features).scores()["accuracy"])
        1.00 [0.85, 1.00]  vs 0.33 chance

    Caveat: It asks whether a class lies together, not whether it can be told apart: what varies more than the class
    hides it.
    """
    return run_probe(
        "knn", features, label, fit, control_features, seed, {"k": k, "temperature": temperature}, _vote, graph
    )


def _vote(
    fitted: Features, codes: np.ndarray, scored: Features, *, k: int, temperature: float, graph: Neighbors | None = None
) -> tuple[np.ndarray, dict[str, float]]:
    """The classes (n,) that the neighbours of `scored` vote for; nothing is chosen on the way."""
    if graph is None:
        graph = neighbors(scored, k, among=fitted)
    elif graph.metric != "cosine" or not (
        np.array_equal(graph.ids, scored.ids) and np.array_equal(graph.bank_ids, fitted.ids)
    ):
        raise ValueError("This graph is of other images or not by cosine; pass neighbors(features, k, among=fit).")
    graph = graph.nearest(k)
    weights = np.exp((graph.similarities - 1) / temperature)  # the largest is 1, whatever the temperature
    votes = np.zeros((len(scored), codes.max() + 1))
    rows = np.arange(len(scored))
    for column, weight in zip(graph.indices.T, weights.T, strict=True):
        votes[rows, codes[column]] += weight
    return votes.argmax(axis=1), {}
