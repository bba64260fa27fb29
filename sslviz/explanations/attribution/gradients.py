"""Attribution methods that follow the gradient: at the image and around it by captum, along a path by quadrature."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attribution.question import Answer, Question
from sslviz.explanations.passes import Passes
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.random_state import seeded

FEWEST_STEPS = 8  # of a path: with fewer, a sum may be right by chance
USUAL_STEPS = 16  # that a path takes, or fewer: what is expected before it is known
# Of all that a map holds: what it may sum to more or less than it should.  Maps then have a rank correlation of .99 with
# those of 128 steps, after 8 to 12 steps on average (`conv_nano` trained by SimCLR and BYOL, 8 digits, both baselines).
COMPLETE = 0.005


def saliency(question: Question) -> Answer:
    """How steep is s at each pixel?  Length of the gradient over the three channels, >= 0 (arXiv:1312.6034).

    Caveat: It says what a tiny change would do, not what the pixel contributes.
    """
    from captum.attr import Saliency

    method = Saliency(question.score)
    parts = []
    for _, x, references in question.chunks():
        gradient = method.attribute(x.requires_grad_(), abs=False, additional_forward_args=references or None)
        parts.append(_length(gradient))
    return Answer(torch.cat(parts)[None])


def input_x_gradient(question: Question) -> Answer:
    """What would each pixel contribute, were s linear?  Pixel times gradient, summed over channels (arXiv:1605.01713).

    Pixels are as the encoder gets them, normalised.

    Caveat: A pixel of the normalisation's mean colour counts nothing.
    """
    from captum.attr import InputXGradient

    method = InputXGradient(question.score)
    parts = [
        method.attribute(x.requires_grad_(), additional_forward_args=references or None).detach().sum(1).cpu()
        for _, x, references in question.chunks()
    ]
    return Answer(torch.cat(parts)[None])


def passes_of_gradient(encoder: Encoder, images: Images, baselines: int) -> Passes:
    """One gradient of each picture."""
    return len(images) * Passes(1, 1)


def integrated_gradients(question: Question, *, steps: int = 64, tolerance: float = COMPLETE) -> Answer:
    """How is the way of s from a baseline to the image shared out among the pixels?  Summed over channels.

    (x - b) times the gradient's mean along the straight path (arXiv:1703.01365), by Fejér's second rule.  Its steps are
    doubled, from 8 to at most `steps`, until the map sums to s(x) - s(b) within `tolerance`, a share of all that it
    holds.  What was asked at fewer steps is used again.  How nearly it does, and `extra` "steps" (k, n), are reported.
    At most 2^17 pixels (128 images of 32 px) are in memory with their gradients at once, whatever the steps.

    Caveat: A pixel that looks like the baseline gets nothing.
    """
    if steps < 2 or tolerance < 0:
        raise ValueError(
            f"Integrated gradients need at least 2 steps along the path and a tolerance >= 0; got {steps}, {tolerance}."
        )
    parts = []
    with progress_bar(question.title, len(question.x), "images", shown=bool(question.title)) as advance:
        for start in range(0, len(question.x), question.batch):
            rows = torch.arange(start, min(start + question.batch, len(question.x)))
            parts.append(_integrated(question, rows, steps, tolerance))
            advance(len(rows))
    maps, one_step, taken = (torch.cat(of_all, dim=1) for of_all in zip(*parts, strict=True))
    return Answer(maps, extra={"steps": taken.numpy()}, one_step=one_step)


def _integrated(question: Question, rows: Tensor, steps: int, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (k, b, s, s) of these images; what a single gradient would add up to, (k, b); and the steps taken, (k, b)."""
    k, b = len(question.baselines), len(rows)
    path = torch.cartesian_prod(torch.arange(k), rows)  # (p, 2): baseline, image
    maps = torch.zeros(len(path), *question.x.shape[-2:])
    one_step, taken = torch.zeros(len(path)), torch.zeros(len(path), dtype=torch.long)
    levels, open_ = step_numbers(steps), torch.arange(len(path))
    shares, due = torch.empty(0), torch.empty(0)  # (open, nodes, s, s), (open,)
    for level, count in enumerate(levels):
        at = quadrature_nodes(count)
        if level == 0:
            shares, s = _shares(question, path, at)
            one_step, due = shares[:, -1].sum((1, 2)), s[:, -1] - s[:, 0]
        else:
            between, _ = _shares(question, path[open_], at[1::2])
            shares = torch.cat([torch.stack([shares[:, :-1], between], 2).flatten(1, 2), shares[:, -1:]], 1)
        found = torch.einsum("n,pnhw->phw", quadrature_weights(count), shares)
        maps[open_], taken[open_] = found, count
        unfinished = (found.sum((1, 2)) - due).abs() > tolerance * found.abs().sum((1, 2))
        open_, shares, due = open_[unfinished], shares[unfinished], due[unfinished]
        if not len(open_):
            break
    return maps.unflatten(0, (k, b)), one_step.view(k, b), taken.view(k, b)


def _shares(question: Question, path: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """(x - b) times the gradient of s at these places (m,) of each path (p, 2), summed over channels; and s, (p, m)."""
    shares, values = [], []
    for part in torch.arange(len(path) * len(at)).split(question.batch):
        k, i = path[part // len(at)].T
        x, baseline = (pictures.to(question.device) for pictures in (question.x[i], question.baselines[k, i]))
        place = at[part % len(at), None, None, None].to(x)
        # Channels last: see `read_mixes`.
        mixed = torch.lerp(baseline, x, place).contiguous(memory_format=torch.channels_last).requires_grad_()
        s = question.score(mixed, *question.references(i))
        (gradient,) = torch.autograd.grad(s.sum(), mixed)
        shares.append(((x - baseline) * gradient).sum(1).float().cpu())
        values.append(s.detach().float().cpu())
    both = [torch.cat(found).unflatten(0, (len(path), len(at))) for found in (shares, values)]
    return both[0], both[1]


def step_numbers(steps: int) -> list[int]:
    """The numbers of steps that are tried one after the other: each twice the one before, the last `steps`, none below 8."""
    numbers = [steps]
    while numbers[0] % 2 == 0 and numbers[0] // 2 >= FEWEST_STEPS:
        numbers.insert(0, numbers[0] // 2)
    return numbers


def quadrature_nodes(steps: int) -> Tensor:
    """The places of Fejér's second rule on [0, 1] and both ends, (steps + 1,): every second one is of half the steps."""
    return (1 - torch.cos(torch.pi * torch.arange(steps + 1, dtype=torch.float64) / steps)).float() / 2


def quadrature_weights(steps: int) -> Tensor:
    """Their weights (steps + 1,), which sum to one; exact for polynomials of a degree up to `steps` - 2.

    The ends have none: a plain baseline lies in the bend of many ReLUs at once, where the gradient means nothing.
    """
    angles, odd = np.pi * np.arange(steps + 1) / steps, 2 * np.arange(1, steps // 2 + 1) - 1
    weights = 2 * np.sin(angles) / steps * (np.sin(np.outer(angles, odd)) / odd).sum(1)
    weights[[0, -1]] = 0
    return torch.from_numpy(weights).float()


def passes_of_integrated(
    encoder: Encoder, images: Images, baselines: int, *, steps: int = 64, tolerance: float = COMPLETE
) -> Passes:
    """A gradient at every step of every path, of which there are about `USUAL_STEPS` where more are allowed."""
    return len(images) * baselines * (min(steps, USUAL_STEPS) + 1) * Passes(1, 1)


def smoothgrad(question: Question, *, samples: int = 32, sigma: float = 0.15) -> Answer:
    """How steep is s around the image, when noise is averaged away?  Length of the mean gradient (arXiv:1706.03825).

    The mean of `samples` gradients with Gaussian noise of `sigma` times the range of pixel values added.

    Caveat: Sharper to look at is not truer; with a large sigma it explains another image.
    """
    from captum.attr import NoiseTunnel, Saliency

    if samples < 2 or not 0 <= sigma <= 1:
        raise ValueError(f"SmoothGrad needs samples >= 2 and 0 <= sigma <= 1; got {samples} and {sigma}.")
    method = NoiseTunnel(Saliency(question.score))
    spread = sigma * 3 / sum(question.encoder.std)  # of the values as the encoder gets them
    whole, halves = [], []
    with seeded(question.seed):
        for _, x, references in question.chunks():
            two = [
                method.attribute(
                    x,
                    nt_type="smoothgrad",
                    nt_samples=half,
                    stdevs=spread,
                    abs=False,
                    nt_samples_batch_size=max(1, question.batch // len(x)),
                    additional_forward_args=references or None,
                ).detach()
                for half in (samples - samples // 2, samples // 2)
            ]
            first = (samples - samples // 2) / samples
            whole.append(_length(first * two[0] + (1 - first) * two[1]))
            halves.append(torch.stack([_length(half) for half in two]))
    return Answer(torch.cat(whole)[None], torch.cat(halves, dim=1))


def passes_of_smoothgrad(
    encoder: Encoder, images: Images, baselines: int, *, samples: int = 32, sigma: float = 0.15
) -> Passes:
    """A gradient of every sample."""
    return len(images) * samples * Passes(1, 1)


def _length(gradient: Tensor) -> Tensor:
    """(b, 3, s, s) -> (b, s, s)."""
    return gradient.detach().norm(dim=1).float().cpu()
