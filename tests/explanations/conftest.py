import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread_is_enough():
    """Tensors are tiny here: threads that wait for each other on a busy machine take longer than the work itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
