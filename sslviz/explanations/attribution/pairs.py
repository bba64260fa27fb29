"""Pairs of images: which part of one goes with which part of the other, patch by patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.explanations.attribution.baselines import Baseline, baseline_images, patches
from sslviz.explanations.attribution.question import Question, encoder_and_name, frozen, read_mixes
from sslviz.explanations.faithfulness.rank_correlation import rank_correlations
from sslviz.explanations.passes import Passes
from sslviz.explanations.pictures import as_inputs, as_pictures
from sslviz.explanations.targets import targets
from sslviz.runtime.progress import progress_bar
from sslviz.statistics import Score

SHUFFLES = 100  # of the patches, for what two explanations share by chance
NAMES = ("image_a", "image_b")


@dataclass(frozen=True, eq=False)
class PairExplanation:
    """Which patch of one image goes with which patch of the other.

    - pairs: what patch p of `ids[0]` and patch q of `ids[1]` contribute together to their cosine similarity, float32
      (grid^2, grid^2), patches row by row.  Negative where they set the two apart
    - halves: two independent estimates of `pairs`, (2, grid^2, grid^2)
    - ids: of the two images
    - grid: patches a side
    - pixels: both pictures, uint8 (2, size, size, 3)
    - baseline: what was shown in place of a patch, uint8 (2, size, size, 3)
    - baseline_name: what that is called
    - similarity: the whole cosine
    - due: what the pairs ought to sum to: the cosine without what the baselines owe it
    - due_others: what that would be with unrelated images, (m,)
    - others: what these are called
    - name: the run or the encoder
    - seed: of the orders in which patches are uncovered
    """

    pairs: np.ndarray
    halves: np.ndarray
    ids: list[str]
    grid: int
    pixels: np.ndarray
    baseline: np.ndarray
    baseline_name: str
    similarity: float
    due: float
    due_others: np.ndarray
    others: str
    name: str = ""
    seed: int = 0

    @property
    def explained(self) -> float:
        """How much of the similarity the pairs of patches make up: their sum."""
        return float(self.pairs.sum(dtype=np.float64))

    def scores(self) -> dict[str, Score]:
        """How much do the patches make up, does it add up, and do two estimates agree?

        - explained: the part of the cosine that the patches make up; beside that of unrelated images
        - completeness: how far the pairs' sum is from what is to be shared out, as a share of all they hold, 0 at best.
          Control: how far it is from what is to be shared out with unrelated images
        - agreement: Spearman of the halves; beside that with the patches in another order
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        size = float(np.abs(self.pairs).sum()) or 1.0
        others = float(self.due_others.mean())
        return {
            "explained": Score(self.explained, controls={self.others: others}),
            "completeness": Score(
                abs(self.explained - self.due) / size,
                controls={self.others: abs(self.explained - others) / size},
                higher_is_better=False,
            ),
            "agreement": Score(
                float(rank_correlations(*self.halves[:, None])[0, 0]),
                controls={"patches in another order": self._agreement_by_chance()},
            ),
        }

    def _agreement_by_chance(self) -> float:
        rng, p = np.random.default_rng(self.seed), self.grid**2
        first, second = self.halves
        shuffled = np.stack([second[rng.permutation(p)][:, rng.permutation(p)] for _ in range(SHUFFLES)])
        return float(rank_correlations(first[None], shuffled).mean())

    def strongest(self, count: int = 10) -> list[tuple[int, int, float]]:
        """The pairs of patches with the largest contribution for or against: (patch of a, patch of b, contribution)."""
        order = np.argsort(-np.abs(self.pairs), axis=None, kind="stable")[:count]
        rows, columns = np.unravel_index(order, self.pairs.shape)
        return [(int(p), int(q), float(self.pairs[p, q])) for p, q in zip(rows, columns, strict=True)]


def explain_pair(
    checkpoint: Any,
    image_a: Images,
    image_b: Images,
    *,
    grid: int = 8,
    orders: int = 16,
    baseline: Baseline = "mean",
    others: Images | None = None,
    seed: int = 0,
    progress: bool = True,
) -> PairExplanation:
    """Which part of one image goes with which part of the other?

    `image_a` and `image_b` are Images of one picture each.  The patches (grid x grid) of each are uncovered one after
    the other, in `orders` random orders and their reverses.  The features that a patch adds are averaged: Shapley values
    A_p (d,).  Patch p of a and q of b contribute <A_p, B_q> / (|f(a)| |f(b)|), their interaction in the cosine.  That is
    BiLRP (arXiv:2003.05431) without its rules for single layers, so that any encoder will do.  The sum over all pairs is
    <f(a) - f(base of a), f(b) - f(base of b)> / (|f(a)| |f(b)|) whatever the encoder.

    Control: `others`, images that have nothing to do with either; without them, b with its pixels in another order.
    Costs 4 x orders x grid^2 answers of the encoder.  ValueError for more than one picture, or fewer than 2 orders.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None)
        >>> a, b = (sslviz.shapes(n=2).rows([row]) for row in (0, 1))
        >>> result = sslviz.explain_pair(checkpoint, a, b, grid=2, orders=2, progress=False)
        >>> result.pairs.shape, abs(result.explained - result.due) < 1e-3
        ((4, 4), True)

    Caveat: Patches that only matter together share what they add; and what the baseline shows is left out.
    """
    _check(image_a, image_b, orders)
    encoder, name = encoder_and_name(checkpoint)
    with frozen(encoder):
        x = torch.cat([as_inputs(image.pixels, encoder) for image in (image_a, image_b)])
        names, bases = baseline_images((baseline,), x, encoder)
        question = Question(encoder, targets.unit(0), x, bases, seed=seed, title="pair" if progress else "")
        added = _added(question, grid, orders, seed)  # (halves, 2, p, d)
        unrelated = _unrelated(x[1:], seed) if others is None else as_inputs(others.pixels, encoder)
        f, b = _features(replace(question, title=""), x), _features(question, bases[0])
        g = _features(question, unrelated)
        g_base = _features(question, baseline_images((baseline,), unrelated, encoder)[1][0])
    length = (f.norm(dim=1).prod()).clamp_min(1e-30)
    halves = added[:, 0] @ added[:, 1].mT / length
    pairs = added[:, 0].mean(0) @ added[:, 1].mean(0).T / length
    with_others = (g - g_base) @ (f[0] - b[0]) / (g.norm(dim=1) * f[0].norm()).clamp_min(1e-30)
    return PairExplanation(
        pairs=pairs.float().numpy(),
        halves=halves.float().numpy(),
        ids=[str(image_a.ids[0]), str(image_b.ids[0])],
        grid=grid,
        pixels=as_pictures(x, encoder),
        baseline=as_pictures(bases[0], encoder),
        baseline_name=names[0],
        similarity=float(f[0] @ f[1] / length),
        due=float((f[0] - b[0]) @ (f[1] - b[1]) / length),
        due_others=with_others.numpy(),
        others="shuffled pixels" if others is None else "other images",
        name=name,
        seed=seed,
    )


def pair_passes(*, grid: int = 8, orders: int = 16, others: int = 1) -> Passes:
    """How many pictures go through the encoder for `explain_pair`; `others`: how many unrelated images there are."""
    return Passes(4 * orders * (grid**2 + 1) + 4 + 2 * others)


def _check(image_a: Images, image_b: Images, orders: int) -> None:
    for name, image in zip(NAMES, (image_a, image_b), strict=True):
        if len(image) != 1 or image.pixels.ndim != 4:
            raise ValueError(f"{name} is to be one picture; got pixels of shape {image.pixels.shape}.")
    if orders < 2:
        raise ValueError(f"A pair is explained from at least 2 orders, so that two estimates can differ; got {orders}.")


def _added(question: Question, grid: int, orders: int, seed: int) -> Tensor:
    """What each patch adds to the features, on average over orders: float64 (2 halves, 2 images, p, d).

    Every order is also taken backwards, which cancels the interaction of any two patches exactly.
    """
    size, p = question.x.shape[-1], grid**2
    where = patches(size, grid)
    rng, total = np.random.default_rng(seed), [torch.zeros(1, dtype=torch.float64)] * 2
    read: Callable[..., Tensor] = question.encoder
    with progress_bar(question.title, 4 * orders * (p + 1), "answers", shown=bool(question.title)) as advance:
        for k in range(orders):
            forward = torch.from_numpy(rng.permutation(p))
            for order in (forward, forward.flip(0)):
                place = torch.empty(p, dtype=torch.long).scatter_(0, order, torch.arange(p))  # when each is uncovered
                shown = (place[where] < torch.arange(p + 1)[:, None, None]).float()  # (p + 1, s, s)
                f = read_mixes(question, question.baselines[0], shown, read=read, advance=advance).double()
                step = f.diff(dim=1)  # (2, p, d), in the order of uncovering
                total[k % 2] = total[k % 2] + step[:, place] / 2
    counts = [(orders + 1) // 2, orders // 2]
    return torch.stack([part / count for part, count in zip(total, counts, strict=True)])


def _features(question: Question, x: Tensor) -> Tensor:
    """float64 (n, d)."""
    shown = torch.ones(1, *x.shape[-2:])
    return read_mixes(replace(question, x=x), x, shown, read=question.encoder)[:, 0].double()


def _unrelated(x: Tensor, seed: int) -> Tensor:
    """The image with its pixels in another order: the same colours and nothing else."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(x.shape[-1] ** 2))
    return x.flatten(2)[..., order].unflatten(2, x.shape[-2:])
