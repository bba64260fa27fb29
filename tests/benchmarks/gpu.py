"""How fast are pretraining, embedding and maps at full size?  On one GPU, in one call under ten minutes.

pip install lightly "sslviz[torchdr]"
python tests/benchmarks/gpu.py [--small] [--methods]

Pretraining: ResNet-18 at 32 px and ViT-S/16 at 224 px, in bf16, beside a plain loop.  Embedding (embed.py): ResNet-50 and
ViT-S/16 at 224 px, beside the best bare forward pass.  Maps: TorchDR's UMAP of as many points as sslviz gives it, with
its controls.

Ours is `sslviz.pretrain` itself; the plain loop (loops.py) has a worker per core, 16 at most.  Both train SimCLR on two
views of each image, on the same device, in turns.  The pixels are noise; what they show matters to nobody here.
`--small`, which a machine without a GPU always gets and says so, is a rehearsal: one round of a few images in fp32, whose
numbers mean little.  The last lines are rows of the README's table.  `--methods` times every method besides, a few steps at
each size, which takes about ten minutes on one GPU; `python tests/benchmarks/methods.py --gpu` is the same.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
from embed import compare
from hardware import header, verdict
from loops import DEVICE, forget_memory, in_turns, peak_memory, report
from projection import clustered, timed

import sslviz
from sslviz.data import Images
from sslviz.diagnostics.projection.torchdr_layout import MAX_POINTS, torchdr_umap
from sslviz.methods import METHODS


@dataclass(frozen=True)
class Size:
    """`images` in our epoch; `steps` of the plain loop's are timed."""

    encoder: str
    pixels: int
    batch: int
    images: int
    steps: int
    images_per_second: float  # the target


FULL = (
    Size("resnet18", 32, batch=512, images=50_000, steps=48, images_per_second=50_000 / 3),
    Size("vit_small_patch16_224", 224, batch=256, images=10_240, steps=16, images_per_second=1750),
)
SMALL = (
    Size("resnet18", 32, batch=8, images=32, steps=2, images_per_second=0),
    Size("vit_small_patch16_224", 224, batch=2, images=8, steps=2, images_per_second=0),
)
VIEWS_SHARE = 15  # %, the target
EMBEDDED = ("resnet50", "vit_small_patch16_224")
MAPPED = (MAX_POINTS, 128)  # points and dimensions


def noise(n, pixels):
    rng = np.random.default_rng(0)
    names = np.arange(n).astype(str)
    table = pd.DataFrame({"name": names, "label": rng.integers(0, 10, n).astype(str)})
    return Images(rng.integers(0, 256, (n, pixels, pixels, 3), dtype=np.uint8), names, table)


def measure(size, rounds, workers, precision):
    """Prints what came out and returns the row for the README."""
    images = noise(size.images, size.pixels)
    print(f"\n{size.encoder}, {size.pixels} px, batch {size.batch}, {precision}; min / median / max of {rounds} rounds")
    ours, theirs = in_turns(
        images, size.encoder, size.batch, workers=workers, rounds=rounds, steps=size.steps, precision=precision
    )
    rate, plain_rate, ratio, share = report(ours, theirs, workers)
    if size.images_per_second:
        print(verdict("  images/s", rate, round(size.images_per_second), unit=""))
        print(verdict("  views", share, VIEWS_SHARE, unit=" %", at_least=False))
    memory = f"{max(pace.memory for pace in ours):.1f} GB" if DEVICE == "cuda" else ""
    return (
        f"| {size.encoder}, {size.pixels} px, batch {size.batch} | {rate:,.0f} | {share:.0f} % "
        f"| {memory} | {plain_rate:,.0f} | {ratio:.1f}x |"
    )


def measure_embedding(n, rounds):
    """Prints a row for each network."""
    rows = []
    for name in EMBEDDED:
        ratio, ours, theirs, memory, precision = compare(name, n, rounds)
        rows.append(f"| {name} | {ours:,.0f} ({precision}) | {memory:.1f} GB | {theirs:,.0f} | {ratio:.2f}x |")
    print("\n| embedding, 224 px | images/s | peak memory | best bare pass, images/s | share |")
    print("|---|---|---|---|---|", *rows, sep="\n")


def measure_map(n, dimensions):
    """Prints a row for TorchDR's map with its controls, and one without them: its own call on the same features."""
    features = clustered(n, 0, dimensions)
    sslviz.projection(features.rows(np.arange(min(n, 2000))), "torchdr")  # warms up
    forget_memory()
    seconds = timed(lambda: sslviz.projection(features, "torchdr"))
    memory = peak_memory()
    plain = timed(lambda: torchdr_umap()(n_neighbors=15, backend=None, device=DEVICE).fit_transform(features.x))
    print("\n| map by TorchDR | seconds, with scores and null map | peak memory | its own call alone, seconds |")
    print(f"|---|---|---|---|\n| {n:,} x {dimensions} | {seconds:.1f} | {memory:.1f} GB | {plain:.1f} |", flush=True)


def pace_of_method(method, size, images, precision):
    """Images/s and peak GB of a few steps after as many that warm up; or why it cannot be."""
    forget_memory()
    options = {"encoder": size.encoder, "batch_size": size.batch, "precision": precision, "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        try:
            held_out = images.rows(range(size.batch))
            run = sslviz.pretrain(images, method, out=f"{folder}/run", epochs=2, held_out=held_out, **options)
        except (ValueError, RuntimeError) as error:  # a method that needs a transformer; memory that is not enough
            return str(error).splitlines()[0]
        return f"{run.history['images_per_second'].iloc[-1]:,.0f}, {peak_memory():.1f} GB"


def measure_methods(sizes, precision):
    """Prints a row for each method: images/s and peak memory at each size."""
    headings = [f"{size.encoder}, {size.pixels} px, batch {size.batch}" for size in sizes]
    print(f"\n| family | method | {' | '.join(headings)} |\n|---|---|{'---|' * len(sizes)}")
    pictures = [noise(size.steps * size.batch, size.pixels) for size in sizes]
    for name, method in METHODS.items():
        paces = [pace_of_method(name, size, images, precision) for size, images in zip(sizes, pictures, strict=True)]
        print(f"| {method.family} | `{name}` | {' | '.join(paces)} |", flush=True)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", default=DEVICE == "cpu", help="a rehearsal, in seconds")
    parser.add_argument("--methods", action="store_true", help="time every method too")
    args = parser.parse_args(words)
    workers = 2 if args.small else min(16, len(os.sched_getaffinity(0)))
    sizes, rounds, precision = (SMALL, 1, "32-true") if args.small else (FULL, 3, "bf16-mixed")

    print(header("torch", "torchvision", "lightly", "timm", "torchdr", device=DEVICE))
    if DEVICE == "cpu":
        print("This machine has no GPU that torch can use: what follows is a rehearsal, and its numbers mean little.")
    rows = [measure(size, rounds, workers, precision) for size in sizes]
    print("\n| SimCLR, two views | images/s | of it views | peak memory | DataLoader + lightly, images/s | faster |")
    print("|---|---|---|---|---|---|", *rows, sep="\n")
    measure_embedding(*((16, 1) if args.small else (20_480, rounds)))
    measure_map(*((500, MAPPED[1]) if args.small else MAPPED))
    if args.methods:
        measure_methods(sizes, precision)


if __name__ == "__main__":
    main()
