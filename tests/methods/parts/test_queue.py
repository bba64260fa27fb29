import torch
import torch.nn.functional as F

from sslviz.methods.parts.queue import Queue
from sslviz.runtime.random_state import seeded

from ..toys import normal


def queue_of(size, dim):
    with seeded(0):
        return Queue(size, dim)


def test_the_oldest_rows_give_way_and_the_end_joins_the_beginning():
    queue, pushed = queue_of(5, 3), [normal(2, 3, seed=s) for s in range(4)]
    torch.testing.assert_close(queue.rows.norm(dim=1), torch.ones(5))
    for z in pushed:
        queue.push(z)
    last = F.normalize(torch.cat(pushed), dim=1)
    torch.testing.assert_close(queue.rows, torch.stack([last[5], last[6], last[7], last[3], last[4]]))
    assert queue.next == 3


def test_of_more_rows_than_fit_the_last_ones_stay():
    queue, z = queue_of(4, 2), normal(7, 2)
    queue.push(z)
    torch.testing.assert_close(queue.rows, F.normalize(z[-4:], dim=1))
