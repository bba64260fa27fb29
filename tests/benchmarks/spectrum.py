"""How fast is the spectrum, and how little memory does it need?  Beside a singular value decomposition, and streamed.

python tests/benchmarks/spectrum.py [--rounds 5] [--rows 1000000]

Against the decompositions everyone is timed in turns, so that a busy machine slows all alike; a ratio is taken within
its round.  The long one is read from a memory map by a process of its own, whose anonymous memory is watched: pages of
the file are the system's cache, and not counted.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from hardware import header, spread, verdict

from sslviz.diagnostics.geometry.spectrum import effective_rank, spectrum
from sslviz.features import Features

D = 512


def contenders(x):
    import torch

    features, tensor = Features.from_array(x), torch.from_numpy(x)
    return {
        "sslviz, all scores and intervals": lambda: spectrum(features),
        "numpy, singular values alone": lambda: np.linalg.svd(x, compute_uv=False),
        "torch, singular values alone": lambda: torch.linalg.svdvals(tensor),
        "numpy, float64 Gram matrix alone": lambda: (lambda y: y.T @ y)(x.astype(np.float64)),
    }


def measure(tasks, rounds):
    """{name: seconds in each round}, after one to warm up."""
    seconds = {name: [] for name in tasks}
    for turn in range(-1, rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def beside_svd(rounds):
    x = np.random.default_rng(0).standard_normal((50_000, D), dtype=np.float32) / np.arange(1, D + 1, dtype=np.float32)
    seconds = measure(contenders(x), rounds)
    ours, *others = seconds
    print(f"\n50,000 x {D} float32; min / median / max of {rounds} rounds")
    for name, times in seconds.items():
        ratios = [theirs / mine for theirs, mine in zip(times, seconds[ours], strict=True)]
        print(f"{name:36}{spread(times, '.2f'):>22} s{spread(ratios, '.2f'):>22} x of ours")
    for name in others[:2]:
        ratios = sorted(theirs / mine for theirs, mine in zip(seconds[name], seconds[ours], strict=True))
        print(verdict(name, ratios[len(ratios) // 2], 1))
    exact = np.linalg.svd(x.astype(np.float64), compute_uv=False)
    off = abs(spectrum(Features.from_array(x)).scores()["rankme"].value / effective_rank(exact, eps=1e-7) - 1)
    print(verdict("RankMe, beside a float64 decomposition", off, 1e-6, " off", at_least=False))


def wide():
    x = np.random.default_rng(0).standard_normal((10_000, 2048), dtype=np.float32)
    features = Features.from_array(x)
    began = time.perf_counter()
    spectrum(features)
    print(verdict("10,000 x 2,048", time.perf_counter() - began, 3, " s", at_least=False))


def streamed(rows):
    """Writes the file here, and lets a process of its own read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, D))
        rng = np.random.default_rng(0)
        for start in range(0, rows, 20_000):
            x[start : start + 20_000] = rng.standard_normal((min(20_000, rows - start), D), dtype=np.float32)
        x.flush()
        command = [sys.executable, __file__, "--read", str(path)]
        seconds, mib = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    print()
    print(verdict(f"{rows:,} x {D} from a memory map", seconds, 20, " s", at_least=False))
    print(verdict("its peak memory above the file cache", mib, 1024, " MiB", at_least=False))


def read(path):
    """Seconds, and the most anonymous memory above what the process began with, in MiB."""
    features = Features.from_array(np.zeros((100, 4)))
    spectrum(features)  # imports and warms up
    x = np.load(path, mmap_mode="r")
    features = Features(x, np.arange(len(x)).astype(str), features.table.reindex(range(len(x))))
    began = time.perf_counter()
    mib = watched_memory(lambda: spectrum(features))
    print(time.perf_counter() - began, mib)


def watched_memory(task):
    """The most anonymous memory that a task takes above what the process had before, in MiB."""
    before, most, done = anonymous(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.005):
            most[0] = max(most[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    task()
    done.set()
    watcher.join()
    return most[0] - before


def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        return read(args.read)
    print(header("numpy", "scipy", "torch"))
    beside_svd(args.rounds)
    wide()
    streamed(args.rows)


if __name__ == "__main__":
    main()
