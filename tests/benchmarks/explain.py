"""How long do explanations of pictures of 224 px take, with all their evidence?

    python tests/benchmarks/explain.py [--encoders efficientnet_lite0,vit_small_patch16_224] [--pictures 12]
                                       [--method integrated_gradients]

One run of random weights, explained as `sslviz explain` does it: maps by one method, of the encoder and of its control,
where it attends or answers, and the evidence of each.  Prints the passes that were counted beforehand, seconds,
processor seconds and memory.  On a machine that does other things too, processor seconds are what to compare.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from hardware import header, verdict
from PIL import Image
from scipy.ndimage import gaussian_filter

import sslviz
from sslviz.data import Images
from sslviz.reports.explain.expected_passes import explain_passes
from sslviz.reports.explain.explain import explain
from sslviz.runs import Run

ENCODERS = "efficientnet_lite0,vit_small_patch16_224"
SIZE, MOST = 224, {"efficientnet_lite0": 60}  # seconds on two idle cores, of 12 pictures


def photographs(n):
    """Shapes on a ground that varies on every scale, as that of photographs does."""
    small, rng = sslviz.shapes(n=n, seed=0), np.random.default_rng(0)
    large = np.stack(
        [np.asarray(Image.fromarray(p).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for p in small.pixels]
    )
    ground = sum(gaussian_filter(rng.normal(size=large.shape), (0, s, s, 0)) * s for s in (1, 4, 16, 64))
    return Images(np.clip(large + 15 * ground / ground.std(), 0, 255).astype(np.uint8), small.ids, small.table)


def measured(name, images, method, folder):
    run = Run.create(folder / name, {"encoder": {"name": name, "image_size": SIZE}})
    run.save_checkpoint(1, sslviz.create_encoder(name, image_size=SIZE, seed=1).state_dict())
    passes = explain_passes(run, images, method=method)
    began, busy = time.perf_counter(), time.process_time()
    found = explain([run], images, method=method, progress=False)[name]
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    steps = found.maps.extra.get("steps")
    taken = f", {steps.mean():.0f} steps of a path on average" if steps is not None else ""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    precisions = ", ".join({one.precision for one in found.faithfulness.values()})
    print(
        f"{name}: {len(images)} pictures by {method}{taken}: about {passes.forward:,} forward and {passes.backward:,} "
        f"backward passes; {seconds:.1f} s, {busy:.1f} s of processors, {busy / len(images):.2f} s a picture; "
        f"evidence in {precisions}; {memory:.2f} GiB at most"
    )
    if name in MOST:
        print(
            verdict(f"{name}, 12 pictures", busy / 2 * 12 / len(images), MOST[name], " s of two cores", at_least=False)
        )


def main(encoders, pictures, method):
    print(header("torch", "timm", "captum"))
    images = photographs(pictures)
    with tempfile.TemporaryDirectory() as folder:
        for name in encoders.split(","):
            measured(name, images, method, Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", default=ENCODERS)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--method", default="integrated_gradients")
    given = parser.parse_args()
    main(given.encoders, given.pictures, given.method)
