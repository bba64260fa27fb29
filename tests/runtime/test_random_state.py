import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from sslviz.runtime.random_state import global_state_kept, seeded


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def draw_from_all():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    return random.random(), np.random.rand(), float(torch.rand(1))


def test_all_three_generators_are_as_they_were_also_after_an_error():
    before = states()
    with global_state_kept():
        draw_from_all()
        assert states() != before
    assert states() == before
    with pytest.raises(KeyError), global_state_kept():
        draw_from_all()
        raise KeyError
    assert states() == before


def test_what_is_drawn_depends_on_the_seed_alone_and_the_state_is_restored():
    before = states()
    drawn = []
    for seed in (5, 5, 6):
        with seeded(seed):
            drawn.append(torch.nn.Linear(3, 2).weight.detach())
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    with torch.random.fork_rng(devices=[]):  # torch's own guard gives the same weights
        torch.manual_seed(5)
        assert torch.equal(torch.nn.Linear(3, 2).weight.detach(), drawn[0])
    assert states() == before


def test_torch_is_not_loaded_for_it():
    code = (
        "import sys\nfrom sslviz.runtime.random_state import global_state_kept\nwith global_state_kept():\n    pass\n"
    )
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)
