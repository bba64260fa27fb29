"""Does the demo tell its story, whatever the seed, in five minutes?  `python tests/benchmarks/demo.py --seeds 0 1 2`

Runs the whole demo once per seed in a fresh folder.  The story: the loss of `collapsed` is almost its best possible
one, and it is the worst encoder; of the two healthy ones, `simclr` keeps more of the shape and `simclr-no-jitter`
more of the colour. Each claim is checked on 95 % intervals that must not overlap."""

import argparse
import os
import platform
import tempfile
import time

import torch

import sslviz
from sslviz.runs import Run


def one(seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        results = sslviz.demo(folder, seed=seed, progress=False)
        seconds = time.perf_counter() - began
        loss = {name: Run(f"{folder}/{name}").history["loss"].iloc[-1] for name in results}
    shape, color = (
        {n: r[f"linear_probe:{c}"].scores()["accuracy"] for n, r in results.items()} for c in ("shape", "color")
    )
    print(f"\nseed {seed}: {seconds:.0f} s")
    print("| run | last loss | verdict | directions of 128 | shape, linear [95 %] | color, linear [95 %] |")
    print("|---|---|---|---|---|---|")
    for name, r in results.items():
        s, c, g = shape[name], color[name], r["spectrum"]
        print(
            f"| {name} | {loss[name]:.2f} | {r['collapse'].verdict} | {g.directions_in_use:.0f} "
            f"| {s.value:.2f} [{s.low:.2f}, {s.high:.2f}] | {c.value:.2f} [{c.low:.2f}, {c.high:.2f}] |"
        )
    claims = {
        "the collapsed loss is within 5 % of its best, -1": loss["collapsed"] < -0.95,
        "collapsed is called so": "collapse" in results["collapsed"]["collapse"].verdict,
        "the others are called healthy": all(
            results[n]["collapse"].verdict == "healthy" for n in ("simclr", "simclr-no-jitter")
        ),
        "simclr keeps more shape than simclr-no-jitter": shape["simclr"].low > shape["simclr-no-jitter"].high,
        "simclr-no-jitter keeps more shape than collapsed": shape["simclr-no-jitter"].low > shape["collapsed"].high,
        "simclr-no-jitter keeps more colour than simclr": color["simclr-no-jitter"].low > color["simclr"].high,
        "it took at most 5 minutes": seconds <= 300,
    }
    for claim, holds in claims.items():
        print(f"{'ok ' if holds else 'NO '} {claim}")
    return all(claims.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    raise SystemExit(0 if all([one(seed) for seed in parser.parse_args().seeds]) else 1)
