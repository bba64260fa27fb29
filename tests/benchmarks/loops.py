"""Two training loops around the same encoder: `sslviz.pretrain`, watched, and the one that one would write without it.

The plain loop is SimCLR as lightly's examples have it: a DataLoader whose workers make both views of each image with
torchvision's v2 transforms, two calls of the encoder, lightly's NTXentLoss, AdamW.  It gets its images as ours does, as
uint8 in memory (a folder would cost it decoding besides), hands them to the transforms as PIL images, which are faster
there than tensors, and starts from the same weights.
"""

import gc
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from hardware import spread
from lightly.loss import NTXentLoss
from torch.utils.data import DataLoader
from views import TwoViews, torchvision_chain

import sslviz
from sslviz.methods import Recipe, build_method
from sslviz.views import ViewPolicy

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Pace:
    """How fast was it?  `views_share` of a step went into views; `memory` is the GPU's peak in GB (0 on a CPU)."""

    images_per_second: float
    memory: float
    views_share: float = float("nan")


# --- ours ------------------------------------------------------------------------------------------------------------


def ours(images, encoder, batch_size, precision="32-true"):
    """The second epoch of `sslviz.pretrain`; the first warms up.  What the evaluation after it costs is not counted."""
    forget_memory()
    with tempfile.TemporaryDirectory() as folder, watched_views() as spans:
        run = sslviz.pretrain(
            images,
            "simclr",
            out=f"{folder}/run",
            encoder=encoder,
            epochs=2,
            batch_size=batch_size,
            learning_rate=LEARNING_RATE,
            held_out=images.rows(range(batch_size)),
            precision=precision,
            progress=False,
        )
        rate = run.history["images_per_second"].iloc[-1]
    steps = len(images) // batch_size
    making_views = sum(seconds(*span) for span in spans[-steps:])
    return Pace(rate, peak_memory(), making_views * rate / (steps * batch_size))


@contextmanager
def watched_views():
    """When did the loop make views?  (begin, end) of every call, without making the device wait."""
    spans, call = [], ViewPolicy.__call__

    def timed(policy, batch, generator):
        began = now()
        views = call(policy, batch, generator)
        spans.append((began, now()))
        return views

    ViewPolicy.__call__ = timed
    try:
        yield spans
    finally:
        ViewPolicy.__call__ = call


def now():
    if DEVICE == "cpu":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def seconds(begin, end):
    return end - begin if DEVICE == "cpu" else begin.elapsed_time(end) / 1000


def forget_memory():
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory():
    return torch.cuda.max_memory_allocated() / 1e9 if DEVICE == "cuda" else 0.0


# --- theirs ----------------------------------------------------------------------------------------------------------


def plain(images, encoder, batch_size, workers, precision="32-true"):
    """A function that trains an epoch and returns its Pace.  The workers stay between epochs."""
    model, policy = build_method("simclr", sslviz.create_encoder(encoder, image_size=images.size[0]), {})
    loader = DataLoader(
        TwoViews(torch.from_numpy(images.pixels), torchvision_chain(policy)),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=DEVICE == "cuda",
    )
    loss_of = NTXentLoss(model.temperature)
    optimizer = torch.optim.AdamW(model.to(DEVICE).parameters(), LEARNING_RATE, weight_decay=Recipe().weight_decay)

    def epoch():
        forget_memory()
        for step, views in enumerate(loader):
            if step == workers:  # the first batch of every worker comes at once and late: what follows is the pace
                wait()
                began = time.perf_counter()
            with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16-mixed"):
                z0, z1 = (model.projector(model.encoder(x.to(DEVICE, non_blocking=True))) for x in views)
                loss = loss_of(z0, z1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wait()
        return Pace((step + 1 - workers) * batch_size / (time.perf_counter() - began), peak_memory())

    return epoch


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def in_turns(images, encoder, batch_size, *, workers, rounds, steps, precision="32-true"):
    """Ours and theirs, once each in every round, so that a busy machine slows both: two lists of `Pace`.

    The plain loop's epoch is `steps` long, and its workers' first batches more.
    """
    few = images.rows(range(min(len(images), (steps + workers) * batch_size)))
    theirs = plain(few, encoder, batch_size, workers, precision)
    theirs()  # warms up
    paces = [(ours(images, encoder, batch_size, precision), theirs()) for _ in range(rounds)]
    return [a for a, _ in paces], [b for _, b in paces]


def report(ours, theirs, workers):
    """Prints the spread of every number and returns the medians: rate, the plain loop's, ratio, share of views in %."""
    rates, plain_rates = ([pace.images_per_second for pace in paces] for paces in (ours, theirs))
    ratios = [a / b for a, b in zip(rates, plain_rates, strict=True)]
    shares = [100 * pace.views_share for pace in ours]
    print(f"  {'sslviz.pretrain, images/s':44}{spread(rates, ',.0f'):>26}")
    print(f"  {f'DataLoader, {workers} workers + lightly, images/s':44}{spread(plain_rates, ',.0f'):>26}")
    print(f"  {'times faster':44}{spread(ratios, '.2f'):>26}")
    print(f"  {'share of our step spent on views, %':44}{spread(shares, '.1f'):>26}")
    if DEVICE == "cuda":
        print(f"  {'peak memory, GB':44}{spread([pace.memory for pace in ours], '.1f'):>26}")
        print(f"  {'peak memory of the plain loop, GB':44}{spread([pace.memory for pace in theirs], '.1f'):>26}")
    return median(rates), median(plain_rates), median(ratios), median(shares)
