"""How long do 500 pictures of 64 px take to segment, with all controls, for each readout?  And to find objects in?

    python tests/benchmarks/segmentation.py [--rounds 3]

conv_nano with an 8 x 8 grid, fitted on 500 other pictures, on one thread.  A third of the time is the readout of the
checkpoint's tokens; the rest is the same of the encoder untrained, of pixels and place.  Processor time is printed beside
the clock: on a busy machine the clock says more of the others.
"""

import argparse
import time

import numpy as np
import torch
from hardware import header, spread, verdict

from sslviz import scenes
from sslviz.runs import Checkpoint
from sslviz.transfer.dense.discovery import WAYS, discovery
from sslviz.transfer.dense.segmentation import READOUTS, segmentation

SECONDS = {"segmentation": 30, "discovery": 10}


def measured(run, rounds):
    """Seconds by the clock and of the processor, of each round."""
    clock, processor = [], []
    for _ in range(rounds):
        began = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return clock, processor


def main(rounds):
    torch.set_num_threads(1)
    print(header("torch", "scikit-learn", "scipy", device="cuda" if torch.cuda.is_available() else "cpu"))
    images = scenes(n=1000)
    images, fit = images.rows(np.arange(500)), images.rows(np.arange(500, 1000))
    checkpoint = Checkpoint("conv_nano", 0, {"name": "conv_nano", "image_size": 64}, None, 1)
    for readout in READOUTS:

        def segment(readout=readout):
            segmentation(checkpoint, images, fit=fit, readout=readout, progress=False)

        report(f"segmentation, {readout}", SECONDS["segmentation"], *measured(segment, rounds))
    for how in WAYS:

        def find(how=how):
            discovery(checkpoint, images, how=how, progress=False)

        report(f"discovery, {how}", SECONDS["discovery"], *measured(find, rounds))


def report(name, target, clock, processor):
    print(
        f"{name}: s by the clock {spread(clock, '.1f')}, of the processor {spread(processor, '.1f')} (min / median / max)"
    )
    print("  " + verdict("processor, worst round", max(processor), target, " s", at_least=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
