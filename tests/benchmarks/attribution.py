"""How fast are the methods that cover parts of an image, beside captum's loop of one perturbation at a time?

    python tests/benchmarks/attribution.py [--rounds 5]

For one image of 32 px on the CPU, in turns: seconds of each, their ratio, and how far the values are apart.  What is
gained is the cost of starting every operation 64 to 225 times; a transformer, whose products are large even for one
image, gains less than a convolutional network.
"""

import argparse
import time

import numpy as np
import torch
from hardware import header, spread, verdict

from sslviz import create_encoder, shapes
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.attribution.occlusion import random_masks
from sslviz.explanations.pictures import as_inputs

SAMPLES, LEAST = 200, 5


def by_captum(encoder, x, own):
    from captum.attr import FeatureAblation, Occlusion

    def score(t, r):
        return (encoder(t) * r).sum(1)

    patch = (torch.arange(32) // 4)[:, None] * 8 + torch.arange(32) // 4
    given = {"baselines": 0.0, "additional_forward_args": (own,)}
    return {
        "occlusion": lambda: Occlusion(score).attribute(x, (3, 4, 4), strides=(3, 2, 2), **given)[0, 0].numpy(),
        "feature_ablation": lambda: (
            FeatureAblation(score).attribute(x, feature_mask=patch[None, None], **given)[0, 0].numpy()
        ),
        "relax": lambda: one_by_one(encoder, x, own),
    }


def one_by_one(encoder, x, own):
    """RELAX as its authors' loop: captum has none."""
    masks = random_masks(SAMPLES, 32, 8, 0.5, True, torch.Generator().manual_seed(0))
    s = torch.stack([torch.cosine_similarity(encoder(x * mask), own)[0] for mask in masks])
    return ((masks * s[:, None, None]).sum(0) / masks.sum(0)).numpy()


def ours(encoder, image, method):
    options = {"samples": SAMPLES} if method == "relax" else {"window": 4, "stride": 2} if method == "occlusion" else {}
    return attribute(encoder, image, method=method, baseline="grey", check=False, progress=False, **options).maps[0]


@torch.no_grad()
def main(rounds):
    print(header("torch", "captum"))
    image = shapes(n=1, seed=0)
    for name in ("vit_nano", "conv_nano"):
        encoder = create_encoder(name).eval()
        x = as_inputs(image.pixels, encoder)
        own = encoder(x)
        for method, theirs in by_captum(encoder, x, own).items():
            mine, difference = [], np.abs(theirs() - ours(encoder, image, method)).max()
            other = []
            for _ in range(rounds):
                start = time.perf_counter()
                theirs()
                middle = time.perf_counter()
                ours(encoder, image, method)
                other.append(middle - start)
                mine.append(time.perf_counter() - middle)
            scale = 1.0 if method == "relax" else float((own**2).sum())
            print(
                f"{name} {method}: one at a time {spread(other, '.3f')} s, batched {spread(mine, '.3f')} s; "
                f"apart by {difference / scale:.0e} of s"
            )
            print(verdict(f"{name} {method}", float(np.median(np.array(other) / mine)), LEAST))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
