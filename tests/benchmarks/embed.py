"""How fast is embedding at 224 px?  `sslviz.embed` beside the best bare forward pass of the same network in timm.

python tests/benchmarks/embed.py [--n 512] [--rounds 3] [--threads 1] [--networks resnet50 ...]

The bare pass has its input normalised in memory already, in the best of fp32 and bf16, channels first and last, and batches
of two sizes: the fastest of those whose features have a cosine above 0.999 with fp32 for every picture.  Ours begins with
uint8 and does all that `embed` does but building the encoder: its checks, the choice of precision, preprocessing, Features.

Weights are random.  On a CPU processor seconds of all threads count, so that other work on the machine does not; on a GPU
it is the clock.  Rounds are interleaved, a ratio is taken within its round.
"""

import argparse
import copy
import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from hardware import header, spread, verdict

import sslviz
from sslviz.encoders.precision import SAME
from sslviz.features.batches import batch_size
from sslviz.features.embed import to_device
from sslviz.features.preprocess import preprocess
from sslviz.runtime.peak_memory import peak_memory

NETWORKS = ("resnet50", "vit_small_patch16_224", "tf_efficientnet_lite0", "convnext_tiny")
SIZE, TARGET = 224, 0.9
CUDA = torch.cuda.is_available()


@dataclass(frozen=True)
class Built(sslviz.Checkpoint):
    """A checkpoint whose encoder is built already."""

    built: list = field(default_factory=list)

    def encoder(self):
        if not self.built:
            self.built.append(super().encoder())
        return self.built[0]


def seconds(task):
    """Of all threads on a CPU, by the clock on a GPU."""
    if CUDA:
        torch.cuda.synchronize()
    clock = time.perf_counter if CUDA else time.process_time
    began = clock()
    task()
    if CUDA:
        torch.cuda.synchronize()
    return clock() - began


def bare(model, x, batch):
    """The features of a normalised input in memory, and nothing else."""
    with torch.inference_mode():
        return torch.cat(
            [model.forward_head(model.forward_features(part), pre_logits=True).float() for part in x.split(batch)]
        )


def candidates(encoder, x):
    """{words: task} of bare passes whose features are those of fp32."""
    sizes = (batch_size(encoder), 256) if CUDA else (batch_size(encoder), 32)
    full = bare(encoder.model, x, sizes[0])
    for dtype in (torch.float32, torch.bfloat16):
        for form in (torch.contiguous_format, torch.channels_last):
            model = copy.deepcopy(encoder.model).to(dtype).to(memory_format=form)
            there = x.to(dtype).contiguous(memory_format=form)
            if F.cosine_similarity(full, bare(model, there, sizes[0])).min() > SAME:
                for batch in sizes:
                    words = f"{str(dtype)[6:]}, {str(form)[6:].replace('_format', '')}, batch {batch}"
                    yield words, lambda model=model, there=there, batch=batch: bare(model, there, batch)


def compare(name, n, rounds):
    """Prints one network's numbers and returns (median ratio, our images/s, theirs, our peak memory in GB, precision)."""
    checkpoint = Built(name, -1, {"name": name, "image_size": SIZE}, None)
    images = sslviz.shapes(n=n, size=64, seed=0)
    pixels = np.repeat(np.repeat(images.pixels, 4, 1), 4, 2)[
        :, :SIZE, :SIZE
    ]  # the size of the input, as photographs are
    images = sslviz.Images(np.ascontiguousarray(pixels), images.ids, images.table)
    encoder = to_device(checkpoint.encoder())
    x = torch.cat(
        [
            preprocess(torch.from_numpy(part).to(next(encoder.parameters()).device), encoder)
            for part in np.array_split(images.pixels, 8)
        ]
    )
    few = x[: 512 if CUDA else 32]
    tried = {words: (seconds(task), seconds(task))[1] for words, task in candidates(encoder, few)}
    best = min(tried, key=tried.get)
    theirs_task = dict(candidates(encoder, x))[best]
    found = [sslviz.embed(checkpoint, images, progress=False)]  # warms up
    ours, theirs, memory = [], [], 0.0
    for _ in range(rounds):
        with peak_memory() as peak:
            ours.append(seconds(lambda: found.append(sslviz.embed(checkpoint, images, progress=False))))
            memory = max(memory, peak())
        theirs.append(seconds(theirs_task))
    precision = found[-1].source["precision"]
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(f"\n{name}: bare passes of {len(few)} pictures, s: {', '.join(f'{w} {s:.2f}' for w, s in tried.items())}")
    print(f"  best bare pass: {best}; ours: {precision}; min / median / max of {rounds} rounds of {n} pictures")
    print(f"  {'sslviz.embed, images/s':32}{spread([n / s for s in ours], ',.1f'):>26}")
    print(f"  {'bare pass, images/s':32}{spread([n / s for s in theirs], ',.1f'):>26}")
    print(f"  {'share of its speed':32}{spread(ratios, '.2f'):>26}")
    print(
        f"  peak memory {memory:.2f} GB ({'of the GPU' if CUDA else 'of the process, with torch and the bare copies'})"
    )
    print(verdict("  share of the best bare pass", median(ratios), TARGET), flush=True)
    return median(ratios), n / median(ours), n / median(theirs), memory, precision


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_480 if CUDA else 512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU")
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(header("torch", "timm", device="cuda" if CUDA else "cpu"), f"{args.threads} threads")
    for name in args.networks:
        compare(name, args.n, args.rounds)


if __name__ == "__main__":
    main()
