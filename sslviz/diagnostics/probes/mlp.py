"""The MLP probe: a network with one hidden layer, which also finds what no straight line divides."""

from __future__ import annotations

from functools import partial

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures
from sslviz.diagnostics.probes.probe import Probe, run_probe
from sslviz.diagnostics.probes.small_classes import small_classes
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.features import Features
from sslviz.features.columns import folds
from sslviz.runtime.threads import one_thread
from sslviz.statistics import balanced_mean

HIDDEN = 64
EPOCHS = 60  # of as many images as there are, every class as often as every other
PATIENCE = 15  # epochs without a better fifth, after which it stops


@one_thread
def mlp_probe(
    features: Features,
    label: str = "label",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Probe:
    """What can a small network decode?

    One hidden layer of 64 (scikit-learn's `MLPClassifier`, Adam, weight decay 0.01) on features standardised by the fit
    images, every class seen as often as every other.  Of at most 60 epochs it keeps the one that reads a stratified fifth of
    the fit images best.  Arguments, score and errors as for `knn_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> a, b = np.random.default_rng(0).integers(0, 2, (2, 800))
        >>> features = sslviz.Features.from_array(np.stack([a, b], axis=1), table={"label": a ^ b})
        >>> sslviz.mlp_probe(features).accuracy  # no straight line divides these classes
        1.0

    Caveat: What a network finds need not be there for anything simpler: where a linear readout finds nothing, the features
    hold it only in a combination.
    """
    return run_probe("mlp", features, label, fit, control_features, seed, {}, partial(mlp_readout, seed=seed), None)


@small_classes()
def mlp_readout(
    fitted: Features, codes: np.ndarray, scored: Features, *, seed: int = 0
) -> tuple[np.ndarray, dict[str, float]]:
    """The classes of `scored` (n,) by a small network fitted to `fitted` with their `codes`; and its epochs."""
    from sklearn.neural_network import MLPClassifier

    standard = standardization(fitted.x)
    x, z = standard(fitted.x), standard(scored.x)
    inner = folds(codes, 5, seed, fitted.units) != 4
    held_out, held_out_codes = (x[~inner], codes[~inner]) if not inner.all() else (x, codes)
    net = MLPClassifier(HIDDEN, alpha=1e-2, batch_size=min(64, int(inner.sum())), random_state=seed)
    rng, best, best_epoch, predicted = np.random.default_rng(seed), -1.0, 0, codes[:0]
    for epoch in range(EPOCHS):
        rows = _balanced_rows(codes, inner, rng)
        net.partial_fit(x[rows], codes[rows], classes=np.unique(codes))
        if (reached := balanced_mean(net.predict(held_out) == held_out_codes, held_out_codes)) > best:
            best, best_epoch, predicted = reached, epoch + 1, net.predict(z)
        if best == 1 or epoch - best_epoch >= PATIENCE:
            break
    return predicted, {"epochs": best_epoch}


def _balanced_rows(codes: np.ndarray, among: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many rows as there are to learn from, of each class as many, in random order."""
    classes = np.unique(codes[among])
    each = -(-int(among.sum()) // len(classes))
    return rng.permutation(np.concatenate([rng.choice(np.flatnonzero(among & (codes == c)), each) for c in classes]))
