"""How long does each diagnostic take at the width of real encoders?  Every default entry of the catalog, the map and pairs.

python tests/benchmarks/widths.py [--rows 10000] [--widths 768 2048] [--only similarity ...] [--rounds 1]

The features are planted: ten classes in a space whose directions hold ever less.  What entries share, such as neighbours,
is computed once and counts for the first that asks, in the order of the catalog.  A second round shares nothing with the
first but imports and memory that the process has touched before."""

import argparse
import time

import numpy as np
from hardware import header, verdict

from sslviz.catalog import diagnostics
from sslviz.evaluation.answers import compute_entry
from sslviz.features import Features
from sslviz.features.evidence import PIXELS, TRAINED, UNTRAINED, Evidence, find_stimulus
from sslviz.runtime.memory_cache import cache

SIMILARITY_SECONDS = 8  # at 10,000 x 2,048 on two cores


def planted(rows, width, seed):
    """The evidence of one checkpoint: its images, its controls, its projector, and views and altered pictures of some."""
    rng = np.random.default_rng(seed)
    label = np.arange(rows) % 10
    decay = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    ids = np.arange(rows).astype(str)
    table = {"label": np.array([f"class {k}" for k in range(10)])[label]}

    def space(d, apart, seed):
        draw = np.random.default_rng(seed)
        centers = draw.normal(size=(10, d)).astype(np.float32)
        x = (draw.standard_normal((rows, d), dtype=np.float32) + apart * centers[label]) * decay[:d]
        return Features.from_array(x, table=table, ids=ids)

    def again(of, names, column):
        """Some of the pictures again under each of these names, moved a little."""
        count = find_stimulus(of).max_images
        x = np.concatenate([images.x[:count] + 0.1 * rng.normal(size=(count, width)) for _ in names])
        columns = {"object": np.tile(ids[:count], len(names)), column: np.repeat(names, count)}
        amount = np.where(np.repeat(np.arange(len(names)), count) % 2, rng.uniform(size=len(x)), np.nan)
        return Features.from_array(x, table=columns | {"amount": amount})

    images = space(width, 1.0, seed)
    views, altered = find_stimulus("views"), find_stimulus("altered")
    steps = ["", *(f"step {k}" for k in range(1, altered.each))]
    return Evidence(
        {
            "images": {
                TRAINED: images,
                PIXELS: space(min(width, 768), 0.3, seed + 1),
                UNTRAINED: space(width, 0.5, seed + 2),
            },
            "projector": {TRAINED: space(min(width, 128), 1.0, seed + 3)},
            "views": {TRAINED: again("views", list(range(views.each)), "view")},
            "altered": {name: again("altered", steps, "changed") for name in (TRAINED, UNTRAINED)},
        }
    )


def measure(rows, width, only):
    """{entry: seconds by the clock}; prints each as soon as it is there."""
    evidence, other = (planted(rows, width, seed) for seed in (0, 10))
    asked = [entry for entry in diagnostics() if entry.by_default or entry.scope == "pair"]
    seconds = {}
    print(f"\n{rows:,} x {width:,}; seconds by the clock, and of all processors together")
    for entry in asked:
        if only and entry.name not in only:
            continue
        columns = ("label",) if entry.scope == "label" else ()
        began, processor = time.perf_counter(), time.process_time()
        compute_entry(entry, evidence, columns, other=other if entry.scope == "pair" else None)
        seconds[entry.name] = time.perf_counter() - began
        print(f"{entry.name:24}{seconds[entry.name]:9.2f}{time.process_time() - processor:9.2f}", flush=True)
    print(f"{'all':24}{sum(seconds.values()):9.2f}")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[768, 2048])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    print(header("numpy", "scipy", "scikit-learn"))
    for width in args.widths * args.rounds:
        cache.clear()
        seconds = measure(args.rows, width, args.only)
        if "similarity" in seconds and width == 2048:
            print(verdict("similarity", seconds["similarity"], SIMILARITY_SECONDS, " s", at_least=False))


if __name__ == "__main__":
    main()
