"""How long does one fit of `fine_tune` take?  Seconds of 300 steps on one core, best, median and worst of a few.

python tests/benchmarks/fine_tune.py [--encoders conv_nano vit_nano] [--steps 300] [--timed 60] [--rounds 3] [--shots 20]

A fit trains a copy of the encoder and a linear head on `shots` pictures of each of four classes, in batches of 32.  Only
`--timed` steps are taken, and their time is scaled to `--steps`; a training takes as long whatever it has learnt.  Wall
time is what a user waits; processor time is what a machine that others use at the same time would need alone.
"""

import argparse
import time

import numpy as np
import torch
from hardware import header, spread, verdict

import sslviz
from sslviz.diagnostics.probes.standardization import standardization
from sslviz.training.devices import choose_precision
from sslviz.transfer.descent import Recipe
from sslviz.transfer.tuning import Tuning, blank_head

TARGET = 15  # seconds of 300 steps of conv_nano, on one core
CLASSES = 4


def seconds_of_a_fit(name, steps, timed, rounds, shots):
    """Wall and processor seconds of one fit, (rounds,) each."""
    images = sslviz.shapes(n=CLASSES * shots, seed=0)
    codes = np.arange(len(images)) % CLASSES
    encoder = sslviz.create_encoder(name)
    standard = standardization(np.random.default_rng(0).normal(size=(2, encoder.dim)))
    walls, cores = [], []
    for round in range(rounds + 1):  # the first one warms up
        wall, core = time.perf_counter(), time.process_time()
        Tuning(encoder, Recipe(timed, layer_decay=0.65)).fit(
            blank_head(CLASSES, standard), images.pixels, codes, 1e-3, round
        )
        walls.append((time.perf_counter() - wall) * steps / timed)
        cores.append((time.process_time() - core) * steps / timed)
    return walls[1:], cores[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", nargs="+", default=["conv_nano", "vit_nano"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--timed", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=20)
    args = parser.parse_args()

    torch.set_num_threads(1)
    print(header("torch", "timm"))
    print(f"precision {choose_precision()}, {args.steps} steps, one thread; min / median / max of {args.rounds}\n")
    for name in args.encoders:
        walls, cores = seconds_of_a_fit(name, args.steps, args.timed, args.rounds, args.shots)
        print(f"{name}: {spread(walls, '.1f')} s, processor {spread(cores, '.1f')} s")
        if name == "conv_nano":
            print(verdict("one fit of conv_nano, processor", min(cores), TARGET, " s", at_least=False))


if __name__ == "__main__":
    main()
