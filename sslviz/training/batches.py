"""Batches of pixels on the device: the whole set where it fits a GPU's memory, else one batch ahead of the step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from torch import Tensor

RESIDENT = 0.5  # of a GPU's free memory may hold the images: the other half is for weights and activations


def batches_on(
    device: torch.device,
    pixels: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epochs: range,
    rank: int = 0,
    world_size: int = 1,
    chances: np.ndarray | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches uint8 (b, h, w, 3) and their row numbers int64 (b,), both on `device`, for the epochs asked for.

    The order of an epoch is a permutation that (seed, epoch) alone decide; an incomplete last batch is left out.  With
    `chances` (n,), as many rows are drawn with replacement, each with its chance; (seed, epoch) alone decide that too.  Of
    each batch, process `rank` of `world_size` gets its share.  On a GPU, pixels that fit its memory are sent once and
    stay.  Others, and all on a CPU, may be a memory map larger than memory: a thread gathers the next batch during the
    step.
    """
    order = _order(len(pixels), batch_size, seed, epochs, rank, world_size, chances)
    if device.type == "cuda" and pixels.nbytes < RESIDENT * torch.cuda.mem_get_info(device)[0]:
        resident = torch.from_numpy(np.array(pixels)).to(device)
        for rows in order:
            rows = rows.to(device, non_blocking=True)
            yield resident[rows], rows
        return

    def gather(rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.sort().values  # a memory map is read in one sweep
        batch = torch.from_numpy(pixels[rows.numpy()]), rows
        if device.type == "cuda":
            return batch[0].pin_memory().to(device, non_blocking=True), rows.to(device, non_blocking=True)
        return batch

    with ThreadPoolExecutor(1) as thread:
        ahead = [thread.submit(gather, next(order))]
        for rows in order:
            ahead.append(thread.submit(gather, rows))
            yield ahead.pop(0).result()
        yield ahead.pop().result()


def class_numbers(table: pd.DataFrame) -> Tensor:
    """The `label` column as numbers from 0 in the order of the sorted classes, int64 (n,); -1 for unknown ones."""
    if "label" not in table:
        return torch.full((len(table),), -1)
    return torch.from_numpy(table["label"].astype("category").cat.codes.to_numpy(np.int64))


def _order(
    n: int, batch_size: int, seed: int, epochs: range, rank: int, world_size: int, chances: np.ndarray | None
) -> Iterator[Tensor]:
    if chances is not None:
        bounds = torch.from_numpy(np.cumsum(chances)[:-1])  # what is drawn lies between two of these
    for epoch in epochs:
        mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint32)[0])
        generator = torch.Generator().manual_seed(mixed)
        if chances is None:
            order = torch.randperm(n, generator=generator)
        else:
            order = torch.searchsorted(bounds, torch.rand(n, generator=generator, dtype=torch.float64), right=True)
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size][rank::world_size]
