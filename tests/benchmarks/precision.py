"""What do folded batch norm, channels last and bfloat16 bring at 224 px, and what do they cost?

python tests/benchmarks/precision.py [--networks efficientnet_lite0 resnet50 vit_small_patch16_224] [--n 240] [--rounds 5]

Bare passes of 16 pictures in turns, the fastest of all rounds; weights are random.  What rounding does is told of n pictures
of tagged shapes: its share of the variance of features, the least centred cosine of a picture, and RankMe beside float32's."""

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from hardware import header

import sslviz
from sslviz.encoders.folding import folded
from sslviz.encoders.precision import in_precision
from sslviz.features.preprocess import preprocess

SIZE, BATCH = 224, 16
FIRST = "fp32, pictures channels first"


class ChannelsFirst(torch.nn.Module):
    """The network, whose pictures are laid out channel by channel."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        """The features (b, d)."""
        return self.network(x.contiguous())


def variants(encoder, x):
    """{words: the network computed so}; pictures come as `preprocess` gives them, channels last, but for `FIRST`."""
    fast = folded(encoder, x[:1])
    return {
        FIRST: ChannelsFirst(encoder),
        "fp32": encoder,  # pictures come with channels last, as `preprocess` gives them
        "fp32, kernels channels last": copy.deepcopy(encoder).to(memory_format=torch.channels_last),
        "fp32, folded too": fast,
        "bf16-mixed": in_precision(fast, "bf16-mixed"),
        "bf16": in_precision(fast, "bf16"),
    }


def through(network, x):
    return network(x.to(next(network.parameters()).dtype)).float()


def timed(networks, x, rounds):
    """{words: seconds of the fastest pass}; all take turns in every round."""
    seconds = {words: [] for words in networks}
    for _ in range(rounds + 1):  # the first warms up
        for words, network in networks.items():
            began = time.perf_counter()
            through(network, x)
            seconds[words].append(time.perf_counter() - began)
    return {words: min(taken[1:]) for words, taken in seconds.items()}


def told(x, full):
    """What rounding did to features x (n, d), beside those in float32."""
    a, b = full - full.mean(0), x - x.mean(0)
    share, cosine = float(((a - b) ** 2).sum() / (a**2).sum()), float(F.cosine_similarity(a, b).min())
    rank = sslviz.spectrum(sslviz.Features.from_array(np.asarray(x))).scores()["rankme"].value
    return f"rounding {share:.2%} of the variance, least centred cosine {cosine:.3f}, RankMe {rank:.2f}"


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=["efficientnet_lite0", "resnet50", "vit_small_patch16_224"])
    parser.add_argument("--n", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(header("torch", "timm"))
    images = sslviz.tagged_shapes(args.n, size=SIZE, seed=1)
    for name in args.networks:
        encoder = sslviz.create_encoder(name, image_size=SIZE, seed=0).eval()
        x = preprocess(torch.tensor(images.pixels[:BATCH]), encoder)
        networks = variants(encoder, x)
        seconds = timed(networks, x, args.rounds)
        first = next(iter(seconds.values()))
        features = {
            words: torch.cat(
                [
                    through(network, preprocess(torch.tensor(part), encoder))
                    for part in np.array_split(images.pixels, -(-args.n // BATCH))
                ]
            )
            for words, network in networks.items()
        }
        print(f"\n{name}")
        for words, taken in seconds.items():
            said = told(features[words], features["fp32"])
            print(f"  {words:32}{BATCH / taken:8.1f} images/s {first / taken:6.2f}x  {said}", flush=True)


if __name__ == "__main__":
    main()
