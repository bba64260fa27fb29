"""A network made from a checkpoint, trained on a few labelled pictures, and asked about others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from sslviz.diagnostics.probes.standardization import Standardization
from sslviz.features.embed import batch_size, preprocess
from sslviz.runtime.random_state import seeded
from sslviz.runtime.threads import one_thread
from sslviz.transfer.descent import Classifier, Recipe, descend
from sslviz.transfer.few_label_readouts import rotated
from sslviz.transfer.interpolation import estimate_statistics, interpolated, moved
from sslviz.transfer.softmax_regressions import softmax_regressions
from sslviz.views import ViewPolicy

if TYPE_CHECKING:
    from sslviz.encoders import Encoder


@dataclass(frozen=True, eq=False)
class Head:
    """A linear head on standardised features: weight (c, d), bias (c,), and what a feature is standardised with (d,)."""

    weight: Tensor
    bias: Tensor
    center: Tensor
    scale: Tensor


def blank_head(classes: int, standard: Standardization) -> Head:
    """A head of zeros on features that are standardised so."""
    return Head(
        torch.zeros(classes, len(standard.center)),
        torch.zeros(classes),
        _floats(standard.center),
        _floats(standard.scale),
    )


@one_thread
def linear_head(x: np.ndarray, codes: np.ndarray, standard: Standardization, penalty: float) -> Head:
    """The logistic regression of `low_label` on features (n, d) of these classes (n,), as a head that can learn on."""
    coordinates, basis = rotated(standard(x)[None])
    found = softmax_regressions(coordinates, codes[None], int(codes.max()) + 1, penalty)
    weights = found.weights if basis is None else basis @ found.weights  # (1, d, c)
    return Head(_floats(weights[0].T), _floats(found.bias[0]), _floats(standard.center), _floats(standard.scale))


def _floats(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(x, np.float32))


@dataclass(frozen=True, eq=False)
class Tuning:
    """How a copy of an encoder is trained, whatever its head and its labelled pictures.

    - encoder: left as it is
    - recipe: of the descent
    - share: of the way from the weights at the start to those at the end (WiSE-FT); 1 is the end
    - strength: of random crops and colours at the beginning and at the end; None: pictures as they are
    - advance: called after every step
    """

    encoder: Encoder
    recipe: Recipe
    share: float = 1.0
    strength: tuple[float, float] | None = None
    advance: Callable[[], object] = lambda: None

    def fit(self, head: Head, pixels: np.ndarray, codes: np.ndarray, rate: float, seed: int) -> Classifier:
        """The network trained on pixels uint8 (n, h, w, 3) of these classes (n,), in evaluation mode."""
        device = next(self.encoder.parameters()).device
        with seeded(seed):
            network = Classifier(
                copy.deepcopy(self.encoder), *(x.to(device) for x in (head.weight, head.bias, head.center, head.scale))
            ).to(device)
            start = {name: x.clone() for name, x in network.state_dict().items()}
            given = torch.from_numpy(np.array(pixels)).to(device)
            targets = torch.from_numpy(codes).to(device)
            descend(network, partial(self._inputs, given), targets, self.recipe, rate, seed, advance=self.advance)
            if self.share != 1:
                network.load_state_dict(interpolated(start, network.state_dict(), self.share))
            if moved(start, network.state_dict()):
                estimate_statistics(network, _inputs(given, self.encoder))
        return network

    def _inputs(self, pixels: Tensor, rows: Tensor, progress: float, generator: Generator) -> Tensor:
        some, encoder = pixels[rows.to(pixels.device)], self.encoder
        if self.strength is None:
            return preprocess(some, encoder)
        fed: Any = {"mean": encoder.mean, "std": encoder.std}
        policy = ViewPolicy(encoder.image_size, views=1, strength=self.strength, **fed)
        return policy.at(progress)(some, generator)[0][0]


@torch.inference_mode()
def logits_of(network: Classifier, pixels: np.ndarray) -> np.ndarray:
    """What the network makes of pixels uint8 (n, h, w, 3): logits (n, c), in float32 and evaluation mode."""
    network.eval()
    given = torch.from_numpy(np.array(pixels)).to(next(network.parameters()).device)
    return torch.cat([network(x).float().cpu() for x in _inputs(given, network.encoder)]).numpy()


def _inputs(pixels: Tensor, encoder: Encoder) -> Iterator[Tensor]:
    for some in pixels.split(batch_size(encoder)):
        yield preprocess(some, encoder)
