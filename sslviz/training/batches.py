"""How do the pixels reach the device in time?  Whole where they fit; else one batch ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

RESIDENT = 0.5  # of a GPU's free memory may hold the images; a larger set is streamed


def batches_on(
    device: torch.device,
    pixels: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epochs: range,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Tensor]:
    """Which images come next?  Batches uint8 (b, h, w, 3) on `device`, for the epochs asked for.

    The order of an epoch is a permutation that (seed, epoch) alone decide; an incomplete last batch is left out.  Of
    each batch, process `rank` of `world_size` gets its share.  On a GPU, pixels that fit its memory are sent once and
    stay; others, and all on a CPU, may be a memory map larger than memory: a thread gathers the next batch during the
    step."""
    order = _order(len(pixels), batch_size, seed, epochs, rank, world_size)
    if device.type == "cuda" and pixels.nbytes < RESIDENT * torch.cuda.mem_get_info(device)[0]:
        resident = torch.from_numpy(np.array(pixels)).to(device)
        yield from (resident[rows.to(device, non_blocking=True)] for rows in order)
        return

    def gather(rows: Tensor) -> Tensor:
        batch = torch.from_numpy(pixels[np.sort(rows.numpy())])  # sorted: a memory map is read in one sweep
        return batch.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch

    with ThreadPoolExecutor(1) as thread:
        ahead = [thread.submit(gather, next(order))]
        for rows in order:
            ahead.append(thread.submit(gather, rows))
            yield ahead.pop(0).result()
        yield ahead.pop().result()


def _order(n: int, batch_size: int, seed: int, epochs: range, rank: int, world_size: int) -> Iterator[Tensor]:
    for epoch in epochs:
        mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint32)[0])
        order = torch.randperm(n, generator=torch.Generator().manual_seed(mixed))
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size][rank::world_size]
