"""Is a learned shortcut seen in the maps?  `python tests/benchmarks/shortcut.py --seeds 0`

Two encoders are pretrained without labels, one where the colour of a tag goes with the shape in 95 % of the pictures and
one where it does not (bias .25, the share of chance); on each a linear readout of the shape is fitted to pictures of the
same kind.  The number explained is the logit of each picture's own shape; the tag contrast is the relevance on the tag
minus that on a distractor of the same size, colours and places, which goes with nothing.  Both are explained on the same
pictures, in which the tag goes with the shape.  Views are mild, so that the tag stays in them.  Claims: with the shortcut
the interval lies above 0, without it 0 is inside or above, and the difference, paired over pictures, lies above 0.  An
untrained encoder is the control: a readout alone can take the shortcut where the features merely hold the colour."""

import argparse
import os
import tempfile
import time

import numpy as np
import torch
from hardware import header

import sslviz
from sslviz import attribute, tag_contrast, tagged_shapes
from sslviz.explanations.targets import targets
from sslviz.statistics import bootstrap_balanced_mean, percentile_interval

MILD = {"scale": (0.6, 1.0), "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.02, "gray_prob": 0.0}
METHODS = ("feature_ablation", "occlusion", "integrated_gradients")


def contrast(checkpoint, fit, images, method, seed):
    options = {"groups": "masks"} if method == "feature_ablation" else {}
    target = targets.readout(sslviz.embed(checkpoint, fit, progress=False), "shape", images.table["shape"])
    maps = attribute(
        checkpoint, images, target=target, method=method, check=False, progress=False, seed=seed, **options
    )
    return tag_contrast(maps, images.masks, images=images, seed=seed)


def run_seed(seed, n, epochs, count):
    began = time.perf_counter()
    worlds = {"bias .95": tagged_shapes(n, bias=0.95, seed=seed), "bias-free": tagged_shapes(n, bias=0.25, seed=seed)}
    pictures = worlds["bias .95"].split("test-biased")
    pictures = pictures.rows(np.arange(min(count, len(pictures))))
    checkpoints = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, world in worlds.items():
            run = sslviz.pretrain(
                world.split("train"),
                out=f"{folder}/{name}",
                epochs=epochs,
                seed=seed,
                settings=MILD,
                progress=False,
                held_out=world.split("probe"),
                eval_every=epochs,
            )
            checkpoints[name] = run.last
        checkpoints["untrained, biased readout"] = checkpoints["bias .95"].untrained()
        print(
            f"\nseed {seed}: two encoders in {time.perf_counter() - began:.0f} s; {len(pictures)} pictures, intervals of 95 %"
        )
        claims = []
        for method in METHODS:
            results = {}
            for name, checkpoint in checkpoints.items():
                fit = worlds.get(name, worlds["bias .95"]).split("train")
                results[name] = contrast(checkpoint, fit, pictures, method, seed)
                print(f"| {method} | {name} | {results[name].scores()['tag_contrast']} |")
            values = [results[name].values[0] for name in worlds]
            gap = values[0] - values[1]
            low, high = percentile_interval(bootstrap_balanced_mean(gap, np.zeros(len(gap)), seed=seed))
            print(f"| {method} | difference, paired | {gap.mean():.3f} [{low:.3f}, {high:.3f}] |")
            with_, without = (results[name].scores()["tag_contrast"] for name in worlds)
            claims.append(with_.low > 0 >= without.low and low > 0)
    print(f"{time.perf_counter() - began:.0f} s in all")
    return claims


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    print(header("torch", "captum"))
    for seed in options.seeds:
        claims = run_seed(seed, options.n, options.epochs, options.count)
        print("claims: " + ", ".join(f"{m} {'holds' if c else 'FAILS'}" for m, c in zip(METHODS, claims, strict=True)))
