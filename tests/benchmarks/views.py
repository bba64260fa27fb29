"""How fast are views beside torchvision's and kornia's?  The same augmentations, measured in turns in one run.

pip install kornia
python tests/benchmarks/views.py [--size 32] [--batch 256] [--rounds 15]

Every round times everyone once, one after the other, so that a busy machine slows all alike; a ratio is taken within
its round.  All start from the same uint8 images in memory and end with two normalised float32 views of each: random
resized crop, flip, colour jitter, greyscale.  torchvision gets antialiased crops, as sslviz makes them; kornia has none
and gets its faster way of cropping ("resample").  torchvision image by image keeps one core busy; in a loader, both.
It takes tensors or PIL images, and is faster with the latter; the loader has those.
"""

import argparse
import time
from statistics import median

import torch
from hardware import header, spread, verdict
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from sslviz.views import ViewPolicy

WORKERS = 2
TARGETS = {"torchvision v2, per image": 25, "kornia, batched": 5}


def torchvision_chain(policy):
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomResizedCrop(policy.size, policy.scale, policy.ratio, antialias=True),
            v2.RandomHorizontalFlip(policy.flip_prob),
            v2.RandomApply([v2.ColorJitter(*jitter(policy))], policy.jitter_prob),
            v2.RandomGrayscale(policy.gray_prob),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(policy.mean, policy.std),
        ]
    )


def kornia_chain(policy):
    import kornia.augmentation as K

    return torch.nn.Sequential(
        K.RandomResizedCrop((policy.size, policy.size), policy.scale, policy.ratio, cropping_mode="resample"),
        K.RandomHorizontalFlip(policy.flip_prob),
        K.ColorJitter(*jitter(policy), p=policy.jitter_prob),
        K.RandomGrayscale(p=policy.gray_prob),
        K.Normalize(torch.tensor(policy.mean), torch.tensor(policy.std)),
    )


def jitter(policy):
    return policy.brightness, policy.contrast, policy.saturation, policy.hue


class TwoViews(Dataset):
    """What a loader's workers run: two views of one of the images uint8 (n, h, w, 3)."""

    def __init__(self, pixels, transform):
        self.pixels, self.transform = pixels, transform

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        image = Image.fromarray(self.pixels[i].numpy())
        return self.transform(image), self.transform(image)


def contenders(size, batch):
    """{name: a function that makes two views of `batch` images}."""
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    pixels = images.permute(0, 2, 3, 1).contiguous()
    pictures = [Image.fromarray(x.numpy()) for x in pixels]
    policy, generator = ViewPolicy(size=size), torch.Generator().manual_seed(0)
    transform, kornia = torchvision_chain(policy), kornia_chain(policy)
    # Four batches a pass, of which the mean counts: enough to keep both workers busy throughout.
    loader = DataLoader(
        TwoViews(pixels.repeat(4, 1, 1, 1), transform), batch, num_workers=WORKERS, persistent_workers=True
    )
    return {
        "sslviz": (1, lambda: policy(images, generator)),
        "torchvision v2, per image": (1, lambda: torch.stack([transform(x) for _ in range(2) for x in images])),
        "torchvision v2, PIL": (1, lambda: torch.stack([transform(x) for _ in range(2) for x in pictures])),
        f"torchvision v2, {WORKERS} workers": (4, lambda: list(loader)),
        "kornia, batched": (1, lambda: kornia(images.repeat(2, 1, 1, 1).float().div_(255))),
    }


@torch.inference_mode()
def measure(tasks, rounds):
    """{name: seconds per batch in each round}."""
    seconds = {name: [] for name in tasks}
    for turn in range(-2, rounds):  # two to warm up
        for name, (batches, task) in tasks.items():
            began = time.perf_counter()
            task()
            if turn >= 0:
                seconds[name].append((time.perf_counter() - began) / batches)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(2)

    seconds = measure(contenders(args.size, args.batch), args.rounds)
    print(header("torch", "torchvision", "kornia"))
    print(f"{args.size} px, batch {args.batch}, two views of each; min / median / max of {args.rounds} rounds\n")
    print(f"{'':28}{'ms per batch':>27}{'views/s':>10}{'times slower than sslviz':>28}")
    for name, times in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(times, seconds["sslviz"], strict=True)]
        rate = 2 * args.batch / median(times)
        print(f"{name:28}{spread([1e3 * t for t in times], '.1f'):>27}{rate:>10,.0f}{spread(ratios, '.1f'):>28}")
    print()
    for name, target in TARGETS.items() if (args.size, args.batch) == (32, 256) else ():
        ratio = median(theirs / ours for theirs, ours in zip(seconds[name], seconds["sslviz"], strict=True))
        print(verdict(name, ratio, target))


if __name__ == "__main__":
    main()
