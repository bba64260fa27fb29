import pytest
import torch
import torch.distributed as dist
from torch import nn

from sslviz.methods.parts import distributed
from sslviz.methods.parts.distributed import gather
from sslviz.methods.simclr import nt_xent
from sslviz.methods.vicreg import vicreg_terms

from ..toys import normal


def linear_map(weight):
    linear = nn.utils.skip_init(nn.Linear, *weight.T.shape, bias=False)
    linear.weight.data.copy_(weight)
    return linear


def whole_batch_loss(z):
    return nt_xent(z, 0.2) + sum(vicreg_terms(z))


def one_of_two(rank, folder, x, weight, loss, gradient):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    linear = linear_map(weight)
    model = nn.parallel.DistributedDataParallel(linear)
    mine = whole_batch_loss(gather(model(x.chunk(2, dim=1)[rank])))
    mine.backward()
    torch.testing.assert_close(mine.detach(), loss)
    torch.testing.assert_close(linear.weight.grad, gradient)
    dist.destroy_process_group()


@pytest.mark.slow  # two processes, forks of one that loads torch and timm
def test_two_processes_see_the_loss_and_gradient_of_one(two_processes, tmp_path):
    x, linear = normal(2, 8, 6), linear_map(normal(5, 6, seed=1))
    loss = whole_batch_loss(gather(linear(x)))
    loss.backward()
    two_processes(one_of_two, str(tmp_path), x, linear.weight.detach(), loss.detach(), linear.weight.grad)


def test_in_half_precision_a_process_sees_its_own_images_to_the_digit(monkeypatch):
    monkeypatch.setattr(distributed, "processes", lambda: 7)
    monkeypatch.setattr(dist, "get_rank", lambda: 3)
    monkeypatch.setattr(dist, "all_gather", lambda parts, z: [part.copy_(z) for part in parts])
    z = normal(2, 4, 5).bfloat16().requires_grad_()
    every = distributed.gather(z)
    assert torch.equal(every, z.repeat(1, 7, 1))
    every.sum().backward()
    assert torch.equal(z.grad, torch.full_like(z, 7))
