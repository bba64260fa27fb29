"""The measures of maps that need the encoder: areas under deletion and insertion, and infidelity, for many maps at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.encoders.precision import PROBE
from sslviz.explanations.control_maps import MODEL_FREE
from sslviz.explanations.faithfulness import perturbation
from sslviz.explanations.faithfulness.perturbation import BLOCKS, Fill, Perturbed, Similarity
from sslviz.explanations.passes import Passes
from sslviz.explanations.pictures import as_input
from sslviz.explanations.targets.targets import Target
from sslviz.features.checked_encoder import checked_encoder
from sslviz.features.embed import batch_size, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

SIMILARITIES: dict[str, Similarity] = {"cosine": perturbation.cosine, "dot": perturbation.dot}
RANDOM = "random"  # the control whose order is drawn
Measures = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # curves and values, by name


class Asked(NamedTuple):
    """What is read of perturbed pictures, and how they are perturbed; see `faithfulness`."""

    target: str | Similarity | Target
    fill: Fill
    steps: int
    seed: int


class CurveKey(NamedTuple):
    """What curves depend on: how they are made, whether the order is drawn, and the maps."""

    asked: Asked
    drawn: bool
    maps: str


@dataclass(eq=False)
class PerturbedAnswers:
    """What one encoder said of perturbed pictures, so that maps measured one after the other do not ask it twice.

    Control maps of one grid have the same answers whatever map they stand beside, and so have the blocks of the
    infidelity.

    - checkpoint: whose encoder
    - images: the pictures
    - asked: in which precision the encoder is to answer, as of `embed`
    - losses: what each block costs, (n, BLOCKS)
    - curves: deletion and insertion in the order of one map of each picture, (2, n, k + 1)
    """

    checkpoint: Checkpoint
    images: Images
    asked: str = "auto"
    losses: dict[Asked, np.ndarray] = field(default_factory=dict)
    curves: dict[CurveKey, np.ndarray] = field(default_factory=dict)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, on its device."""
        return to_device(self.checkpoint.encoder())

    @cached_property
    def checked(self) -> tuple[Encoder, str]:
        """One that gives the same features faster, and its precision; ValueError as of `checked_encoder`."""
        pictures = as_input(self.images.pixels[:PROBE], self.encoder)
        network, kept = checked_encoder(self.encoder, pictures, self.asked, said=False)
        return network, kept["precision"]

    @property
    def precision(self) -> str:
        """ "bf16" or "bf16-mixed" where it was named, or is faster and the features agree; else "fp32"."""
        return self.checked[1]

    def __call__(self, x: Tensor) -> Tensor:
        """The features (b, d) of pictures as the encoder expects them, in this precision."""
        network, _ = self.checked
        return network(x.to(next(network.parameters()).dtype))


def similarity_target(target: str | Similarity | Target) -> Target:
    """The number that is read while pixels go: a word, a function of features, or a target as it is.

    ValueError for an unknown word.
    """
    if isinstance(target, Target):  # a unit or a probe compares with nothing, not with the whole image
        return target if target.references else replace(target, value=lambda f, whole: target.value(f))
    if not isinstance(target, str):
        return Target(getattr(target, "__name__", "a function of the features"), target)
    if target not in SIMILARITIES:
        raise ValueError(
            f"target is one of {', '.join(SIMILARITIES)}, a function of features or a Target; got {target!r}."
        )
    return Target(target, SIMILARITIES[target])


def measure_on_encoder(
    maps: dict[str, np.ndarray], answers: PerturbedAnswers, asked: Asked, *, progress: bool
) -> Measures:
    """Curves (m, n, k + 1) and values (m, n) of m maps of each of n images, on one grid.

    "deletion" and "insertion" have both; "infidelity" has values only.  What is in `answers` is not asked again.
    """
    keys = {name: CurveKey(asked, name == RANDOM, _digest(array)) for name, array in maps.items()}
    _ask(answers, asked, {key: maps[name] for name, key in keys.items() if key not in answers.curves}, progress)
    curves = np.stack([answers.curves[key] for key in keys.values()], axis=1)  # (2, m, n, k + 1)
    fractions = removed_fractions(next(iter(maps.values())), asked.steps)
    whole = dict(zip(("deletion", "insertion"), curves, strict=True))
    areas = {name: area(curve, fractions) for name, curve in whole.items()}
    blocks, size = _blocks(answers, asked), answers.encoder.image_size
    errors = [perturbation.infidelity(array, blocks, answers.losses[asked], size=size) for array in maps.values()]
    return whole, areas | {"infidelity": np.stack(errors)}


def _ask(answers: PerturbedAnswers, asked: Asked, maps: dict[CurveKey, np.ndarray], progress: bool) -> None:
    """Adds the curves of these maps, and what blocks cost where that is not known, to the answers."""
    first = asked not in answers.losses
    if not maps and not first:
        return
    images, batch = answers.images, batch_size(answers.encoder)
    orders = {key: perturbation.order(array, asked.seed) for key, array in maps.items()}
    blocks = _blocks(answers, asked) if first else np.empty((len(images), 0, 3), int)
    found: list[list[np.ndarray]] = []
    passes = sum((removal_passes(a[0].size, asked.steps, drawn=key.drawn) for key, a in maps.items()), Passes())
    total = len(images) * (passes + Passes(2 + blocks.shape[1])).forward
    with progress_bar(f"removing pixels of {answers.checkpoint.run}", total, "pictures", shown=progress) as advance:
        for part in perturbation.in_batches(len(images), max(1, batch // 8)):
            seen = _perturbed(answers, asked, part, batch, advance)
            orders_of_part = {key: ranks[part] for key, ranks in orders.items()}
            found.append(_answers_of(seen, orders_of_part, blocks[part], asked.steps))
    arrays = [np.concatenate(parts, axis=-2) for parts in zip(*found, strict=True)]
    if first:
        answers.losses[asked] = arrays[-1]
    answers.curves.update(zip(maps, arrays, strict=False))


def _perturbed(
    answers: PerturbedAnswers, asked: Asked, part: slice, batch: int, advance: Callable[[int], None]
) -> Perturbed:
    x, target = as_input(answers.images.pixels[part], answers.encoder), similarity_target(asked.target)
    return Perturbed(
        answers,
        x,
        fill=asked.fill,
        similarity=target.value,
        references=[r[part].to(x.device) for r in target.references],
        batch=batch,
        advance=advance,
    )


def _answers_of(
    seen: Perturbed, orders: dict[CurveKey, np.ndarray], blocks: np.ndarray, steps: int
) -> list[np.ndarray]:
    """Curves (2, b, k + 1) in each order, and what the blocks cost, (b, BLOCKS); all asked in full batches."""
    size = seen.x.shape[-1]
    gone = [torch.from_numpy(perturbation.block_masks(blocks, size)).to(seen.x.device)]
    for key, ranks in orders.items():
        gone += [perturbation.removed(ranks, seen.x, insert=insert, steps=steps) for insert in _ways(key.drawn)]
    parts = iter(seen.values(torch.cat(gone, 1)).split([part.shape[1] for part in gone], 1))
    losses = (seen.whole[:, None] - next(parts)).double()
    curves = []
    for key in orders:
        of_one = [perturbation.with_ends(next(parts), seen, insert=insert) for insert in _ways(key.drawn)]
        # An order drawn at random is as random backwards: what it leaves out when it takes, it has brought already.
        curves.append(torch.stack(of_one if len(of_one) == 2 else [*of_one, of_one[0].flip(1)]))
    return [array.cpu().numpy() for array in (*curves, losses)]


def _ways(drawn: bool) -> tuple[bool, ...]:
    """Whether cells come, of each curve that is asked for."""
    return (False,) if drawn else (False, True)


def _blocks(answers: PerturbedAnswers, asked: Asked) -> np.ndarray:
    return perturbation.square_blocks(len(answers.images), answers.encoder.image_size, asked.seed)


def _digest(maps: np.ndarray) -> str:
    return hashlib.blake2b(repr(maps.shape).encode() + np.ascontiguousarray(maps).tobytes()).hexdigest()


def removal_passes(cells: int, steps: int, *, drawn: bool) -> Passes:
    """How many pictures go through the encoder for the curves of one map of so many cells, their ends apart."""
    return len(_ways(drawn)) * Passes(len(perturbation.counts(cells, steps)) - 2)


def faithfulness_passes(
    n: int, cells: int, maps: int, *, steps: int, first: bool = True, controls: bool = True
) -> Passes:
    """How many pictures go through the encoder for the evidence of maps of n images; the few it is checked by, apart.

    - cells: of one map
    - maps: how many there are of each image: the map itself and others, but for those that no model makes
    - steps: as `faithfulness` takes them
    - first: whether nothing was asked before with the same `PerturbedAnswers`
    - controls: whether the maps that no model makes were not asked about before on this grid
    """
    curve, drawn = (removal_passes(cells, steps, drawn=drawn) for drawn in (False, True))
    others = (len(MODEL_FREE) - 1) * curve + drawn if controls else Passes()
    return n * (maps * curve + others + Passes(2 + BLOCKS * first))


def area(curves: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The area under curves (..., k + 1) over `fractions` (k + 1,), by the trapezoid rule."""
    return np.trapezoid(curves, fractions, axis=-1)


def removed_fractions(maps: np.ndarray, steps: int) -> np.ndarray:
    """The share (k + 1,) of the picture that is gone after each step, in the order of maps (n, h, w)."""
    return perturbation.counts(maps[0].size, steps) / maps[0].size
