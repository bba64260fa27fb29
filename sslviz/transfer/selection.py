"""Which images to label, chosen by their features alone: typical ones, a cover, or centres far from each other."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows

MOST_CLUSTERS = 500  # as in TypiClust's code: k-means with more takes minutes
LEAST_MEMBERS = 5  # smaller clusters are left for last: outliers, in TypiClust
NEAREST = 20  # neighbours whose mean distance says how typical an image is
PURITY = 0.95  # share of images whose ball holds one cluster only, in ProbCover


def chosen(x: np.ndarray, budget: int, how: str, *, classes: int, seed: int) -> np.ndarray:
    """Row numbers of the images that `how` chooses from features `x` (n, d), scaled to length one: (budget,)."""
    unit = unit_rows(x).astype(np.float32)
    if how == "k_centre":
        return k_centre(unit, budget)
    return typical(unit, budget, seed) if how == "typical" else coverage(unit, budget, classes, seed)


def clusters(x: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The k-means cluster of each row, (n,)."""
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: repeats, which may be
        return KMeans(min(count, len(x)), n_init=4, random_state=seed).fit(x).labels_


def typical(x: np.ndarray, budget: int, seed: int) -> np.ndarray:
    """The most typical image of each of `budget` clusters, largest cluster first (TypiClust, arXiv 2202.02794).

    Typical is a small mean distance to the 20 nearest of the cluster.  Clusters of five or fewer come last; where there are
    more labels than clusters, those with the fewest labels are asked again.
    """
    cluster = clusters(x, min(budget, MOST_CLUSTERS), seed)
    members = [np.flatnonzero(cluster == c) for c in np.unique(cluster)]
    queue = [list(rows[np.argsort(_spread(x[rows]), kind="stable")]) for rows in members]
    taken: list[int] = []
    labels = np.zeros(len(queue), int)
    size = np.array([len(rows) for rows in members])
    while len(taken) < budget:
        order = np.lexsort((-size, labels, size <= LEAST_MEMBERS, np.array([not rows for rows in queue])))
        taken.append(int(queue[order[0]].pop(0)))
        labels[order[0]] += 1
    return np.array(taken)


def _spread(x: np.ndarray) -> np.ndarray:
    """The mean distance of each row to its nearest 20 others, (n,); 0 for a single row."""
    squared = _squared(x, x)
    k = min(NEAREST, len(x) - 1)
    if k == 0:
        return np.zeros(1)
    np.fill_diagonal(squared, np.inf)
    return np.sqrt(np.partition(squared, k - 1, axis=1)[:, :k]).mean(axis=1)


def coverage(x: np.ndarray, budget: int, classes: int, seed: int) -> np.ndarray:
    """Images whose balls of one radius cover the most others, taken greedily (ProbCover, arXiv 2205.11320).

    In a ball of that radius 95 % of the images find only their own of `classes` k-means clusters.  Every image is a
    candidate.  Once all are covered, covering begins anew.
    """
    near = _squared(x, x)
    near = near <= _pure_radius(near, clusters(x, classes, seed))
    np.fill_diagonal(near, True)
    open_, taken = np.ones(len(x), bool), np.zeros(len(x), bool)
    gain = near.sum(axis=1)
    order = []
    for _ in range(budget):
        if not open_.any():
            open_, gain = np.ones(len(x), bool), near.sum(axis=1)
        best = int(np.where(taken, -1, gain).argmax())
        order.append(best)
        taken[best] = True
        newly = near[best] & open_
        open_ &= ~newly
        gain = gain - near[:, newly].sum(axis=1)
    return np.array(order)


def _pure_radius(squared: np.ndarray, cluster: np.ndarray) -> float:
    """The largest squared radius (just below the next image of another cluster) of balls that are pure in 95 of 100."""
    to_other = np.where(cluster[:, None] == cluster, np.inf, squared).min(axis=1)
    below = np.sort(to_other)[int((1 - PURITY) * len(cluster))]
    return float(np.nextafter(below, 0)) if np.isfinite(below) else float(squared.max())


def k_centre(x: np.ndarray, budget: int) -> np.ndarray:
    """Images each as far as possible from those taken before, the first nearest the mean (greedy, arXiv 1708.00489)."""
    first = int(((x - x.mean(axis=0)) ** 2).sum(axis=1).argmin())
    order, away = [first], np.full(len(x), np.inf)
    away[first] = -1.0  # below all others: none is taken twice
    while len(order) < budget:
        reached = ((x - x[order[-1]]) ** 2).sum(axis=1)
        away = np.minimum(away, reached)
        away[order[-1]] = -1.0
        order.append(int(away.argmax()))
    return np.array(order)


def uniform(n: int, budget: int, draws: int, seed: int) -> np.ndarray:
    """Row numbers drawn without looking, (draws, budget)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n)[:budget] for _ in range(draws)])


def stratified(codes: np.ndarray, budget: int, draws: int, seed: int) -> np.ndarray:
    """Row numbers drawn so that every class has as many as any other, or one less, (draws, budget): its labels are known."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        shuffled = rng.permutation(len(codes))
        place = np.empty(len(codes), int)
        for code in np.unique(codes):
            own = shuffled[codes[shuffled] == code]
            place[own] = np.arange(len(own))
        rows.append(shuffled[np.argsort(place[shuffled], kind="stable")][:budget])
    return np.stack(rows)


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
