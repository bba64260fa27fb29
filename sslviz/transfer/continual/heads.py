"""Heads on frozen features: fitted, read and fitted again, so that a head left behind is told from features lost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.similarity.measures import debiased_cka, scaled
from sslviz.features import Features


class Head(NamedTuple):
    """A linear head: weights (k, d) and bias (k,) of its k classes."""

    weights: np.ndarray
    bias: np.ndarray

    def read(self, x: np.ndarray) -> np.ndarray:
        """The class of each row of x (n, d): codes (n,)."""
        return (x @ self.weights.T + self.bias).argmax(axis=1)


class Space(NamedTuple):
    """What an encoder makes of the pictures fitted on (m, d) and of those scored (n, d)."""

    fit: np.ndarray
    scored: np.ndarray


def fitted_head(x: np.ndarray, code: np.ndarray, seed: int, units: np.ndarray | None = None) -> Head:
    """The readout of `linear_probe` fitted to rows x (m, d) of the classes 0, 1, ... (m,).

    Its penalty is chosen on rows held out, of which none belongs with one fitted on, as `units` (m,) say.
    """
    table = pd.DataFrame({"code": code} | ({} if units is None else {"unit": units}))
    features = Features(x, np.arange(len(x)).astype(str), table, group="" if units is None else "unit")
    _, weights, bias = linear_weights(features, "code", seed=seed)
    return Head(weights, bias)


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Debiased linear CKA of two spaces of the same pictures, 1 for the same up to rotation; NaN where one is a point."""
    if not (x.std(axis=0).any() and y.std(axis=0).any()):
        return float("nan")
    a, b = scaled(x), scaled(y)
    xy, xx, yy = (float(((p.T @ q) ** 2).sum()) for p, q in ((a, b), (a, a), (b, b)))
    return debiased_cka((xy, xx, yy), (a**2).sum(axis=1), (b**2).sum(axis=1))
