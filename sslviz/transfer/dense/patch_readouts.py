"""Classes of patches read from their tokens: by a linear map, by the nearest patches, or by clusters that got a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from sslviz.diagnostics.probes.standardization import standardization
from sslviz.runtime.random_state import global_state_kept

PatchReadout = Literal["linear", "neighbours", "clusters"]
Predict = Callable[[np.ndarray], np.ndarray]  # tokens (m, d) -> a score of each class (m, c), the largest is meant

PENALTIES = (1e-2, 1e-3, 1e-4)  # of the squared weights beside the mean loss, for tokens of standard deviation 1
HELD_OUT = 5  # every fifth picture chooses the penalty: patches of one picture are too alike to be split
MOST_FITTED = 20_000  # patches; a hundred times as many as a token has dimensions
BANK = 8_000  # patches that neighbours are looked for among: 500 pictures then take seconds
K, TEMPERATURE = 30, 0.02  # as in arXiv 2306.01667
CLUSTERED = 10_000  # patches that clusters are made of
STARTS = 4  # of k-means, the best of which is taken
_CHUNK = 1024  # patches compared with the whole bank at once: 32 MB


def fit_readout(
    kind: PatchReadout,
    tokens: np.ndarray,
    shares: np.ndarray,
    seed: int,
    *,
    scaled: bool = False,
    units: np.ndarray | None = None,
) -> Predict:
    """What reads the classes of patches, fitted to pictures.

    - tokens: (n, rows, columns, d)
    - shares: how much of each patch is of which class, (n, rows, columns, c); patches of which nothing is known are 0
    - scaled: whether dimensions are brought to one scale also where tokens are compared by their angle
    - units: which pictures belong together (n,), so that none of a kind is held out for the others; None: each is alone
    """
    apart = np.arange(len(tokens)) if units is None else units
    picture = np.repeat(apart, tokens.shape[1] * tokens.shape[2])
    x, y = tokens.reshape(len(picture), -1), shares.reshape(len(picture), -1)
    known = np.flatnonzero(y.sum(1) > 0)
    most = {"linear": MOST_FITTED, "neighbours": BANK, "clusters": CLUSTERED}[kind]
    if len(known) > most:
        known = np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
    x, y, picture = x[known].astype(np.float32), y[known].astype(np.float32), picture[known]
    if kind == "linear":
        return _on_scale(x, lambda z: _linear(z, y, picture))
    comparing = _neighbours if kind == "neighbours" else _clusters
    if scaled:
        return _on_scale(x, lambda z: comparing(z, y, seed))
    return comparing(x, y, seed)


def _on_scale(x: np.ndarray, fit: Callable[[np.ndarray], Predict]) -> Predict:
    """A readout of tokens with mean 0 and standard deviation 1 in every dimension."""
    standard = standardization(x, silent_below=1e-6)  # what never varies says nothing
    predict = fit(standard(x))
    return lambda tokens: predict(standard(tokens))


# --- linear -----------------------------------------------------------------------------------------------------------


def _linear(x: np.ndarray, y: np.ndarray, picture: np.ndarray) -> Predict:
    """Softmax regression on soft labels; its penalty is that with the least loss on the pictures held out."""
    held = np.isin(picture, np.unique(picture)[HELD_OUT - 1 :: HELD_OUT])
    penalty = PENALTIES[1]
    if held.any():
        weights, losses = None, []
        for one in PENALTIES:  # each starts where the last one ended
            weights = softmax_regression(x[~held], y[~held], one, start=weights, steps=60)
            losses.append(_loss(weights, x[held], y[held])[0])
        penalty = PENALTIES[int(np.argmin(losses))]
    fitted = softmax_regression(x, y, penalty)
    # Shares, not logits: between patches of which one is surer, interpolated logits would move the boundary towards it, and
    # tokens that are the labels would read 0.63 on `shapes`, where the grid allows 0.75.
    return lambda tokens: np.exp(_log_shares(_with_one(tokens) @ fitted))


def softmax_regression(
    x: np.ndarray, y: np.ndarray, penalty: float, *, start: np.ndarray | None = None, steps: int = 200
) -> np.ndarray:
    """Weights (d + 1, c), the last row the biases, that minimise mean cross-entropy + penalty / 2 * sum of squared weights.

    `x` (m, d), `y` (m, c) shares that sum to 1.  The biases are not penalised.
    """
    from scipy.optimize import minimize

    shape = (x.shape[1] + 1, y.shape[1])
    ones = _with_one(x)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        value, slope = _loss(weights, x, y, ones)
        pull = penalty * np.vstack([weights[:-1], np.zeros((1, shape[1]))])
        return value + float((pull * weights).sum()) / 2, (slope + pull).ravel()

    begin = np.zeros(shape) if start is None else start
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    return found.x.reshape(shape).astype(np.float32)


def _loss(
    weights: np.ndarray, x: np.ndarray, y: np.ndarray, ones: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean cross-entropy and its slope (d + 1, c)."""
    ones = _with_one(x) if ones is None else ones
    log_p = _log_shares(ones @ weights.astype(np.float32))
    return -float((y * log_p).sum(dtype=np.float64) / len(x)), ones.T @ (np.exp(log_p) - y) / len(x)


def _log_shares(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1, dtype=np.float32)


# --- neighbours and clusters ------------------------------------------------------------------------------------------


def _neighbours(x: np.ndarray, y: np.ndarray, seed: int) -> Predict:
    """The shares of the K most similar patches, each with the weight exp(cosine / TEMPERATURE)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bank, shares = (torch.from_numpy(a).to(device) for a in (_unit(x), y))
    k = min(K, len(x))

    @torch.inference_mode()
    def predict(tokens: np.ndarray) -> np.ndarray:
        found = np.empty((len(tokens), y.shape[1]), np.float32)
        for start in range(0, len(tokens), _CHUNK):
            part = torch.from_numpy(_unit(tokens[start : start + _CHUNK])).to(device)
            cosine, nearest = (part @ bank.T).topk(k, dim=1, sorted=False)
            weight = (cosine / TEMPERATURE).softmax(1)
            found[start : start + len(part)] = (weight[..., None] * shares[nearest]).sum(1).cpu().numpy()
        return found

    return predict


def _clusters(x: np.ndarray, y: np.ndarray, seed: int) -> Predict:
    """As many clusters as classes, each called after one class so that their overlap is largest."""
    from sklearn.cluster import KMeans

    with global_state_kept():
        found: Any = KMeans(y.shape[1], n_init=STARTS, random_state=seed).fit(_unit(x))
    member = np.eye(y.shape[1], dtype=np.float32)[found.labels_]
    centres = found.cluster_centers_[matching(member, y)].astype(np.float32)
    # Less the squared distance, up to what all classes share: so that it can be interpolated between patches.
    return lambda tokens: 2 * _unit(tokens) @ centres.T - (centres**2).sum(1)


def matching(member: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The cluster of each class (c,), one to one, with the largest sum of intersections over unions.

    `member` and `shares` (m, c): how much of each patch belongs to which cluster, and to which class.
    """
    from scipy.optimize import linear_sum_assignment

    both = shares.T @ member  # (class, cluster)
    union = shares.sum(0)[:, None] + member.sum(0) - both
    return linear_sum_assignment(both / np.maximum(union, 1e-9), maximize=True)[1]


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32)
