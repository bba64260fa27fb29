"""Batches of pictures: as many as the device holds, made ready behind the computing, halved where memory ends."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sslviz.encoders import Encoder

BATCH = 512  # images at 32 px; larger images go in proportionally smaller batches
AHEAD = 2  # batches that lie ready while one is computed: one would do, were all equally large
WORTH_IT = 1.05  # a GPU is full where twice the batch does not bring this many times the images a second
SHARE = 0.6  # of a GPU's free memory that twice the batch may take; the rest is for other programs
NO_ROOM = "Memory does not hold a single picture in {name}; take a smaller encoder or image size, or more memory."

T = TypeVar("T")


def batch_size(encoder: Encoder) -> int:
    """The images in a batch: `BATCH` at 32 px, fewer in proportion to their area where they are larger."""
    return max(1, BATCH * 32**2 // encoder.image_size**2)


class BatchSize:
    """How many images go into the next batch.

    A CPU keeps the size that fits its caches (`batch_size`).  A GPU begins with it and doubles until that brings no more
    images a second, or memory would not hold more.  Both go down to half where memory ends.
    """

    def __init__(self, encoder: Encoder, images: int | None = None) -> None:
        """`images`: keeps this size, because what is drawn depends on it; only what is drawn is halved."""
        self.device, self.name = next(encoder.parameters()).device, encoder.name
        self.images, self._fixed = images or batch_size(encoder), images is not None
        self.most = sys.maxsize  # images that memory holds, as far as is known
        self._growing = self.device.type == "cuda" and not self._fixed
        self._best = 0.0  # images a second, of all sizes before
        self._rates: list[float] = []  # of this size

    def computed(self, images: int, seconds: float) -> None:
        """Is told what a batch took.  The first of each size warms up, so that the second decides."""
        if not self._growing or images != self.images:  # smaller ones were made ready before
            return
        self._rates.append(images / seconds)
        if len(self._rates) == 2:
            rate = max(self._rates)
            self._growing = rate > WORTH_IT * self._best and self._has_room()
            self._best, self._rates = rate, []
            self.images *= 2 if self._growing else 1

    def _has_room(self) -> bool:
        """Whether twice of what torch took fits into what it left."""
        free, _ = torch.cuda.mem_get_info(self.device)
        return torch.cuda.memory_reserved(self.device) < SHARE * free

    def halve(self, images: int) -> None:
        """Is told that memory does not hold a batch of so many: half of it, from now on."""
        self._growing, self.most = False, max(1, images // 2)
        if not self._fixed:
            self.images = min(self.images, self.most)


def in_batches(
    read: Callable[[Tensor], T],
    load: Callable[[np.ndarray], Tensor],
    pixels: np.ndarray,
    size: BatchSize,
    advance: Callable[[int], None] = lambda images: None,
) -> Iterator[T]:
    """What `read` makes of all pictures in order, batch by batch; a batch that memory does not hold goes in parts.

    - read: a batch on its device -> numbers on the CPU
    - load: uint8 (b, h, w, 3), perhaps on a disk -> the batch; runs in a thread of its own, `AHEAD` batches at most, and
      what it raises is raised here
    - advance: is told how many pictures are done

    ValueError where memory does not hold a single picture.
    """
    batches = _ahead(load, pixels, size)
    try:
        for x in batches:
            yield from _fitting(read, x, size, advance)
    finally:
        batches.close()  # the thread ends with the work, not with the collector


def _ahead(load: Callable[[np.ndarray], Tensor], pixels: np.ndarray, size: BatchSize) -> Generator[Tensor, None, None]:
    """The batches in order, the next ones made while one is in use."""
    stream = torch.cuda.Stream(size.device) if size.device.type == "cuda" else None

    def made(start: int, stop: int) -> Tensor:
        with torch.cuda.stream(stream):  # None does nothing
            x = load(pixels[start:stop])
        if stream is not None:
            stream.synchronize()  # whoever takes it from here finds it complete
        return x

    waiting: deque[Future[Tensor]] = deque()
    pool, start = ThreadPoolExecutor(1, "pictures"), 0
    try:
        while start < len(pixels) or waiting:
            while start < len(pixels) and len(waiting) < AHEAD:
                stop = min(len(pixels), start + size.images)
                waiting.append(pool.submit(made, start, stop))
                start = stop
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fitting(read: Callable[[Tensor], T], x: Tensor, size: BatchSize, advance: Callable[[int], None]) -> Iterator[T]:
    """What `read` makes of a batch, in one part or, where memory ends, in halves."""
    parts = deque(x.split(size.most))
    while parts:
        part, began = parts.popleft(), time.perf_counter()
        try:
            out = read(part)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise ValueError(NO_ROOM.format(name=size.name)) from error
            size.halve(len(part))
            parts = deque(piece for large in (part, *parts) for piece in large.split(size.most))
        else:
            size.computed(len(part), time.perf_counter() - began)
            advance(len(part))
            yield out
            continue
        if x.is_cuda:
            torch.cuda.empty_cache()  # here, where the error no longer holds what was computed


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error says: Python's own, CUDA's, or that of torch's allocator on a CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
