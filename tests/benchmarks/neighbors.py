"""How fast are exact neighbours, beside the bare matrix product and beside other exact searches?  In turns, in one run.

pip install faiss-cpu scikit-learn
python tests/benchmarks/neighbors.py [--n 20000 50000] [--width 256] [--k 30] [--rounds 5] [--ranks 20000] [--busy]

Every round makes new features, so that no graph is remembered, and times everyone once, one after the other; a ratio is
taken within its round, so that a busy machine slows all alike.  The product is the least that any of them can do: all
rows times all others in float32, in the same blocks, written into one buffer.  All return the k nearest others of
every row by cosine; faiss and scikit-learn find each row itself too, and are asked for one more.  Ours includes the
digest, the check for copies and the distances.  Then: the graph asked for again, and the ranks that trustworthiness
needs, with the memory they take.  On a machine that does other things, --busy gives everyone one thread and counts the
processor's seconds instead of the clock's.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch
from hardware import header, spread, verdict
from threadpoolctl import threadpool_limits

from sslviz.diagnostics.neighbors.exact_search import BLOCK
from sslviz.diagnostics.neighbors.neighbors import neighbor_ranks, neighbors
from sslviz.features import Features

OURS, PRODUCT, SKLEARN, FAISS = "sslviz", "product alone", "scikit-learn, brute", "faiss, IndexFlatIP"
MOST_OF_PRODUCT, LEAST = 1.6, {SKLEARN: 3.5, FAISS: 1.8}


def product(x):
    points = torch.from_numpy(x)
    step = min(len(x), BLOCK[0] // len(x))
    out = torch.empty(step, len(x))
    for start in range(0, len(x), step):
        block = points[start : start + step]
        torch.mm(block, points.T, out=out[: len(block)])


def with_sklearn(x, k):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(x).kneighbors()[1]


def with_faiss(x, k):
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(unit)
    return index.search(unit, k + 1)[1][:, 1:]


def timed(task, clock):
    began = clock()
    answer = task()
    return clock() - began, answer


def measure(n, width, k, rounds, clock):
    """{name: seconds in each round}, and the least share of neighbours on which two of them agree."""
    seconds, agreed = {}, 1.0
    for turn in range(-1, rounds):  # one to warm up
        x = np.random.default_rng(turn + 1).standard_normal((n if turn >= 0 else 3000, width), dtype=np.float32)
        features = Features.from_array(x)
        found = {}
        for name, task in {
            PRODUCT: lambda x=x: product(x),
            OURS: lambda f=features: neighbors(f, k).indices,
            SKLEARN: lambda x=x: with_sklearn(x, k),
            FAISS: lambda x=x: with_faiss(x, k),
            "sslviz, asked again": lambda f=features: neighbors(f, k // 2).indices,
        }.items():
            took, found[name] = timed(task, clock)
            if turn >= 0:
                seconds.setdefault(name, []).append(took)
        agreed = min(agreed, *(float((found[OURS] == found[name]).mean()) for name in (SKLEARN, FAISS)))
    return seconds, agreed


def report(n, width, k, rounds, clock):
    seconds, agreed = measure(n, width, k, rounds, clock)
    print(f"\n{n:,} x {width}, k = {k}; min / median / max of {rounds} rounds; {agreed:.2%} of neighbours agree")
    print(f"{'':24}{'seconds':>28}{'times as long as sslviz':>32}")
    ratios = {}
    for name, times in seconds.items():
        ratios[name] = [theirs / ours for theirs, ours in zip(times, seconds[OURS], strict=True)]
        print(f"{name:24}{spread(times, '.3g'):>28}{spread(ratios[name], '.3g'):>32}")
    print(verdict("sslviz / product alone", median(1 / r for r in ratios[PRODUCT]), MOST_OF_PRODUCT, at_least=False))
    for name, target in LEAST.items():
        most = median(t / p for t, p in zip(seconds[name], seconds[PRODUCT], strict=True))
        print(verdict(f"{name} / sslviz", median(ratios[name]), target), f"(the product alone would reach {most:.3g}x)")


def report_ranks(n, rounds, clock):
    from resource import RUSAGE_SELF, getrusage

    seconds, before = [], getrusage(RUSAGE_SELF).ru_maxrss
    for turn in range(rounds):
        rng = np.random.default_rng(turn)
        x, members = rng.standard_normal((n, 64)), rng.integers(0, n, (n, 30))
        seconds.append(timed(lambda x=x, members=members: neighbor_ranks(x, members), clock)[0])
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    print(f"\nranks of 30 members for each of {n:,} x 64: {spread(seconds, '.3g')} s")
    print(verdict("peak memory of this process", peak / 2**20, 2, " GiB", at_least=False))
    print(f"of which the ranks added {(peak - before) / 2**20:.2f} GiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="*", default=[20_000, 50_000])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=20_000)
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    threads, clock = (1, time.process_time) if args.busy else (2, time.perf_counter)
    torch.set_num_threads(threads)
    print(header("torch", "numpy", "scikit-learn", "faiss-cpu"))
    print(f"{threads} threads, seconds of the {'processor' if args.busy else 'clock'}")
    with threadpool_limits(threads):
        if args.ranks:  # first, so that the peak of memory is theirs
            report_ranks(args.ranks, min(args.rounds, 3), clock)
        for n in args.n:
            report(n, args.width, args.k, args.rounds, clock)


if __name__ == "__main__":
    main()
