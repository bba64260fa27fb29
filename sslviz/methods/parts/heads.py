"""Heads between the features and the loss, which are thrown away after training."""

from __future__ import annotations

from torch import nn


def mlp(*widths: int, last_norm: bool = False) -> nn.Sequential:
    """A multilayer perceptron, (b, widths[0]) -> (b, widths[-1]).

    Batch norm and ReLU follow each linear layer but the last; `last_norm` adds a batch norm there, without scale and shift
    (SimSiam, arXiv 2011.10566).
    """
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-2], widths[1:-1], strict=True):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
    layers += [nn.Linear(widths[-2], widths[-1], bias=not last_norm)]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(widths[-1], affine=False)] if last_norm else []))
