"""A GPU that computes nothing but shapes, on any machine: a step that would wait for a real one is found on it."""

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sslviz.methods import Batch


class HostWork(TorchDispatchMode):
    """Notes the operations that read or make a tensor in the host's memory."""

    def __init__(self):
        super().__init__()
        self.operations = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, torch.Tensor)]
        if any(x.device.type == "cpu" for x in tensors):
            self.operations.add(str(operation))
        return made


def pretended(x):
    return torch.empty(x.shape, dtype=x.dtype, device="cuda")


def host_work(method, batch):
    """The operations of a step on the host; raises where it reads a number from the device, or mixes devices."""
    with FakeTensorMode(), HostWork() as seen:
        for module in method.modules():
            for name, p in module._parameters.items():
                module._parameters[name] = p if p is None else nn.Parameter(pretended(p), p.requires_grad)
            for name, x in module._buffers.items():
                module._buffers[name] = x if x is None else pretended(x)
        views = [pretended(x) for x in batch.views]
        moved = Batch(views, *(pretended(x) for x in (batch.pixels, batch.rows, batch.labels)), batch.progress)
        method.loss(moved)
    return seen.operations
