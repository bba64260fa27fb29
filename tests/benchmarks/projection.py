"""What does a map with its evidence cost?  Beside umap-learn at the same work, beside `umap.UMAP().fit`, and in memory.

python tests/benchmarks/projection.py [--n 10000] [--rounds 3] [--seeds 3] [--memory 20000]

"At the same work" says what our own loop is worth: neighbours, start, seeds, null map and scores are the same, and only
who lays out differs.  Below a gain of 2 our loop is to go (design.md, section 5).

Every round maps other features of the same kind, so that nothing is remembered from the round before; what is compiled
was compiled before the first.  A ratio is taken within its round.
"""

import argparse
import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from statistics import median

import numpy as np
from hardware import header, spread, verdict
from spectrum import watched_memory

import sslviz
from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.projection.quality import map_quality
from sslviz.diagnostics.projection.space import Space, matched_noise
from sslviz.diagnostics.projection.umap_layout import layouts
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache

D = 128


def clustered(n, seed, dimensions=D):
    """Ten blobs in 128 dimensions: what features of a small labelled set look like."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((10, dimensions))
    x = centers[rng.integers(10, size=n)] + rng.standard_normal((n, dimensions))
    return Features.from_array(x.astype(np.float32))


def timed(task):
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def beside_umap(n, rounds):
    from umap import UMAP

    warnings.filterwarnings("ignore", module="umap")  # that a seed leaves it one thread
    tasks = {
        "sslviz.projection, with scores and null map": lambda f: sslviz.projection(f),
        "sslviz.projection again, other min_dist": lambda f: sslviz.projection(f, min_dist=0.5),
        "sslviz.projection again, other seed": lambda f: sslviz.projection(f, seed=1),
        "umap.UMAP().fit": lambda f: UMAP().fit(f.x),
        "umap.UMAP(random_state=0).fit, reproducible": lambda f: UMAP(random_state=0).fit(f.x),
    }
    for task in tasks.values():  # compiles; all of it only above the size where umap leaves exact neighbours
        task(clustered(4200, rounds))
    seconds = {name: [] for name in tasks}
    for turn in range(rounds):
        features = clustered(n, turn)
        for name, task in tasks.items():
            seconds[name].append(timed(lambda task=task, features=features: task(features)))
    first, other_dist, other_seed, umap, _ = seconds.values()
    print(f"{n:,} x {D}; min / median / max of {rounds} rounds")
    for name, times in seconds.items():
        print(f"{name:46}{spread(times, '.1f'):>22} s")
    middle = rounds // 2
    print(verdict("umap beside ours", sorted(u / f for u, f in zip(umap, first, strict=True))[middle], 1))
    for name, again in (("another min_dist", other_dist), ("another seed", other_seed)):
        ratios = sorted(f / a for f, a in zip(first, again, strict=True))
        print(verdict(f"the second map ({name}) beside the first", ratios[middle], 2))


def loop_gain(n, rounds, seeds):
    """Our loop beside umap-learn's: whole projections, and layouts of one graph by several seeds side by side."""
    seconds = {}
    for turn in range(-1, rounds):  # one to compile
        features = clustered(n if turn >= 0 else 500, turn + 1)
        space = Space.of(features, 15)
        neighbors(matched_noise(features, 0), 15)  # so that both find all neighbours there
        for method, make in (("umap", Space.umap_job), ("umap-learn", Space.umap_learn_job)):
            jobs = [replace(make(space, 15, 0.1, 200, seed), name=None) for seed in range(seeds)]
            for what, task in {
                f"{seeds} layouts": lambda jobs=jobs: list(layouts(jobs)),
                "whole projection": lambda f=features, method=method: sslviz.projection(f, method),
            }.items():
                took = timed(task)
                if turn >= 0:
                    seconds.setdefault((what, method), []).append(took)
            cache.clear()  # the null map's layouts are kept by method, all else by space
    for what in (f"{seeds} layouts", "whole projection"):
        ours, theirs = (seconds[what, method] for method in ("umap", "umap-learn"))
        print(f"{what}: umap {spread(ours, '.1f')} s, umap-learn {spread(theirs, '.1f')} s")
        gain = median(t / o for t, o in zip(theirs, ours, strict=True))
        print(verdict(f"umap-learn / our loop, {what}", gain, 2))


def quality_memory(n):
    """Trustworthiness, continuity and preservation of one map of `n` points; prints MiB above what there was."""
    features = clustered(n, 0)
    near = sslviz.neighbors(features, 15).indices
    xy, x = features.x[:, :2].copy(), features.x.astype(np.float64)
    map_quality(x[:500], {"": xy[:500]}, sslviz.neighbors(features.rows(np.arange(500)), 15).indices)
    print(watched_memory(lambda: map_quality(x, {"": xy}, near)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="layouts side by side")
    parser.add_argument("--memory", type=int, default=20_000, help="points whose trustworthiness is measured")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return quality_memory(args.memory)
    print(header("numpy", "numba", "umap-learn"))
    loop_gain(args.n, args.rounds, args.seeds)
    beside_umap(args.n, args.rounds)
    command = [sys.executable, __file__, "--measure", "--memory", str(args.memory)]
    mib = float(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)
    print(verdict(f"trustworthiness at {args.memory:,} points", mib, 2048, " MiB", at_least=False))


if __name__ == "__main__":
    main()
