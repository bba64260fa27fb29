import pytest
import torch
from torch import nn

from sslviz.views import ViewPolicy

from .contract import draw_batch
from .pretended_gpu import host_work


class Made(nn.Module):
    """A method whose loss a test makes up."""

    def __init__(self, loss):
        super().__init__()
        self.weight, self.loss_of = nn.Parameter(torch.ones(3)), loss

    def loss(self, batch):
        return self.loss_of(self.weight, batch)


def work_of(loss):
    return host_work(Made(loss), draw_batch(ViewPolicy()))


def test_a_step_that_stays_on_the_device_is_no_work_for_the_host():
    assert not work_of(lambda weight, batch: (weight * torch.randn(3, device=weight.device)).sum())
    assert not work_of(lambda weight, batch: torch.stack([batch.views[0][1], batch.views[0][0]]).mean() + weight.sum())


def test_a_list_of_numbers_as_an_index_is_copied_to_the_device():
    assert work_of(lambda weight, batch: weight[[2, 0]].sum())


@pytest.mark.parametrize(
    "loss",
    [
        lambda weight, batch: weight * weight.sum().item(),  # a number is read
        lambda weight, batch: weight[weight > 0].sum(),  # the length of the result is read
        lambda weight, batch: weight + torch.randn(3),  # a tensor on the host
    ],
)
def test_numbers_that_are_read_and_tensors_elsewhere_raise(loss):
    with pytest.raises(RuntimeError):
        work_of(loss)
