"""Clusters of features, found by k-means, and the linear classifier that looks for their centres."""

from __future__ import annotations

import numpy as np

# Of the cosines that the classifier begins with: at 0.1 a view that crosses a border costs a loss of 30.
TEMPERATURE = 1.0
ITERATIONS = 20  # of k-means, as in the authors' code: the clusters are replaced after an epoch


def clusters_of(
    features: np.ndarray, clusters: int, components: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K-means of whitened features of length one, as in the paper, (n, d) -> int64 (n,); at most n clusters.

    With it come weight (k, d) and bias (k,) of the linear classifier that looks for the centre in the same direction.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    n, d = features.shape
    pca = PCA(min(components, d, n - 1), random_state=seed).fit(features)
    whitening = pca.components_ / np.sqrt(pca.explained_variance_[:, None] + 1e-12)
    x = (features - pca.mean_) @ whitening.T
    lengths = np.linalg.norm(x, axis=1, keepdims=True) + 1e-12
    kmeans = KMeans(min(clusters, n), n_init=1, max_iter=ITERATIONS, random_state=seed).fit(x / lengths)
    weight = kmeans.cluster_centers_ @ whitening / (lengths.mean() * TEMPERATURE)
    return kmeans.labels_.astype(np.int64), weight.astype(np.float32), (-weight @ pca.mean_).astype(np.float32)
