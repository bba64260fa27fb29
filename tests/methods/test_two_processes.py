"""Two processes with half a batch each see the loss, the gradients and the state of one process with all of it.

Batch norm is in evaluation mode: on GPUs the loop makes it a synchronised one, which CPUs do not have.
"""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from sslviz.methods import METHODS, Batch

from .contract import built, draw_batch, loss_of, total

N = 8  # pictures in the whole batch


def share_of(batch, rank):
    """What process `rank` of two, or the only one (None), gets of a batch."""
    if rank is None:
        return batch
    mine = slice(rank * N // 2, (rank + 1) * N // 2)
    views = [x[:, mine] for x in batch.views]
    return Batch(views, batch.pixels[mine], batch.rows[mine], batch.labels[mine], batch.progress)


def two_steps(name, rank=None):
    """The losses of two steps, the gradients of the second and the state after it; in one process, or in one of two."""
    batch = draw_batch(METHODS[name].views, N)
    method = built(METHODS[name], batch).eval()
    model = method if rank is None else nn.parallel.DistributedDataParallel(Loss(method), find_unused_parameters=True)
    losses = []
    for seed in (1, 2):
        method.zero_grad()
        mine = share_of(batch, rank)
        terms = loss_of(method, mine, seed) if rank is None else model(mine, seed)
        total(terms).backward()
        losses.append(total(terms).detach())
    gradients = {key: p.grad for key, p in method.named_parameters() if p.grad is not None}
    return {"losses": torch.stack(losses), "gradients": gradients, "state": dict(method.named_buffers())}


class Loss(nn.Module):
    """A method whose forward is its loss, which is what data-parallel training wraps."""

    def __init__(self, method):
        super().__init__()
        self.method = method

    def forward(self, batch, seed):
        return loss_of(self.method, batch, seed)


def one_of_two(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    seen = {}
    for name in METHODS:
        seen[name] = two_steps(name, rank)
        losses = seen[name]["losses"] / 2  # every process has the loss of its own pictures, or that of all
        dist.all_reduce(losses)
        seen[name]["losses"] = losses
    torch.save(seen, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_two(two_processes, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("processes"))
    two_processes(one_of_two, folder)
    return [torch.load(f"{folder}/{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.slow  # two processes load torch and timm, and take two steps of every method
@pytest.mark.parametrize("name", METHODS)
def test_two_processes_see_what_one_sees(name, of_two):
    one = two_steps(name)
    small = 2e-5 * max(1.0, float(one["losses"].abs().max()))  # sums of other orders differ by the digits of the loss
    for seen in of_two:
        for what in ("losses", "gradients", "state"):
            torch.testing.assert_close(
                seen[name][what], one[what], rtol=1e-3, atol=small, msg=lambda m, w=what: f"{w}: {m}"
            )
