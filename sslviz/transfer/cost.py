"""What an encoder costs: weights, multiplications, time and memory, and what fewer bits a number would save."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from sslviz.data import Images
from sslviz.explanations.pictures import device_of, require_pictures
from sslviz.features.embed import preprocess, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.hardware import describe_machine
from sslviz.runtime.peak_memory import peak_memory
from sslviz.runtime.progress import progress_bar
from sslviz.transfer.budget import Budget, Passes
from sslviz.transfer.cost_result import NO_ENCODER, Cost
from sslviz.transfer.operations import BYTES, count_macs, weight_bytes
from sslviz.transfer.precision_variants import Variant, compare_precisions, make_variants
from sslviz.transfer.timing import take_turns

BATCH_SIZES, ROUNDS = (1, 64), 9
COMPARED = 128  # pictures whose features are compared between precisions: they differ little in it
Network = Callable[[torch.Tensor], torch.Tensor]


def cost(
    checkpoint: Checkpoint,
    images: Images,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: bool = True,
) -> Cost:
    """What does it cost to run?

    Counts weights and multiply-accumulates, attention included.  Measures time from uint8 pixels to features, peak
    memory, and how near features in bf16 and int8 come to those in fp32.  Here int8 is dynamic and of linear layers
    alone: a network without any gains nothing, and the result says so.  All precisions take turns in every round, after
    a warm-up, in evaluation mode, with as many threads as torch has.  `images` give size and pixels.

    Control of weights and multiply-accumulates: one linear map from pixels to as many features.  Of time and memory:
    the same pass without an encoder, which no encoder can undercut.  Of lower precisions: fp32, and the features of
    another picture.

    ValueError for fewer than two pictures, for clips, and for batch sizes or rounds below one.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("mine", 0, {"name": "conv_nano"}, path=None)
        >>> found = sslviz.cost(checkpoint, sslviz.shapes(n=8), batch_sizes=(1, 4), rounds=1, progress=False)
        >>> found.macs, found.parameters, found.not_measured["int8"]
        (8226816, 253368, 'it has no linear layers, and dynamic int8 changes nothing else')

    Caveat: Times hold for this machine, its threads and its load; another one may order encoders differently. Norms and
    activations cost time, too, and are in no count of multiply-accumulates.
    """
    sizes = _checked(images, batch_sizes, rounds)
    encoder = checkpoint.encoder()
    blank = torch.zeros(1, 3, encoder.image_size, encoder.image_size)
    macs, weights = count_macs(encoder, blank), weight_bytes(encoder)
    variants, not_measured = make_variants(to_device(encoder))
    shown = images.rows(np.sort(np.random.default_rng(seed).permutation(len(images))[:COMPARED]))
    with torch.inference_mode():
        similarity, other_similarity = compare_precisions(variants, shown.pixels)
        title = f"timing {checkpoint.run}" if progress else ""
        seconds, memory_gb = _measure(variants, images.pixels, sizes, rounds, title)
    return Cost(
        run=checkpoint.run,
        encoder=encoder.name,
        image_size=encoder.image_size,
        dim=encoder.dim,
        parameters=sum(p.numel() for p in encoder.parameters()),
        macs=macs,
        weight_bytes=weights,
        batch_sizes=sizes,
        seconds=seconds,
        memory_gb=memory_gb,
        ids=shown.ids,
        similarity=similarity,
        other_similarity=other_similarity,
        not_measured=not_measured,
        machine=_machine(device_of(encoder)),
        seed=seed,
    )


def _checked(images: Images, batch_sizes: Sequence[int], rounds: int) -> list[int]:
    """The batch sizes from few to many; ValueError for what cannot be measured."""
    require_pictures(images, "A cost needs pictures (n, h, w, 3), at least two")
    sizes = sorted(set(batch_sizes))
    if len(images) < 2:
        raise ValueError("A cost needs at least two pictures, since each is the other's control; got one.")
    if not sizes or sizes[0] < 1 or rounds < 1:
        raise ValueError(
            f"A cost needs batch sizes and rounds of at least 1, e.g. batch_sizes=(1, 64), rounds=9; got {batch_sizes}, "
            f"{rounds}."
        )
    return sizes


def _measure(
    variants: Mapping[str, Variant], pixels: np.ndarray, sizes: Sequence[int], rounds: int, title: str
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Seconds of each precision and of no encoder, (batch sizes, rounds), and the peak memory of the largest batch."""
    encoder = variants["fp32"].encoder
    device = device_of(encoder)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    networks: dict[str, Network] = {NO_ENCODER: lambda x: preprocess(x, encoder), **variants}
    seconds, memory = [], {}
    with progress_bar(title, len(sizes) * rounds * len(networks), "measurements", shown=bool(title)) as advance:
        for size in sizes:
            batch = torch.from_numpy(np.array(pixels[np.arange(size) % len(pixels)]))  # few pictures are shown again
            works = {name: _work(network, batch, device) for name, network in networks.items()}
            seconds.append(take_turns(works, rounds, wait=wait, advance=advance))
    for name, work in works.items():
        with peak_memory() as peak:
            work()
            wait()
            memory[name] = peak()
    return {name: np.stack([of_size[name] for of_size in seconds]) for name in networks}, memory


def _work(network: Network, batch: torch.Tensor, device: torch.device) -> Callable[[], torch.Tensor]:
    return lambda: network(batch.to(device))


def _machine(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    return {"device": name, "threads": str(torch.get_num_threads()), **describe_machine()}


def _passes(checkpoint: Checkpoint, images: Images, *, rounds: int = ROUNDS, **others: object) -> Passes:
    """Each precision takes every round, and as many passes to be warm as half a second holds."""
    return Passes(seen=len(BYTES) * (sum(BATCH_SIZES) * (rounds + 2) + min(len(images), COMPARED)))


BUDGET = Budget(_passes)
