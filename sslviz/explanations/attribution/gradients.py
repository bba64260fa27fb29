"""Attribution methods that follow the gradient, by captum."""

from __future__ import annotations

import torch
from torch import Tensor

from sslviz.explanations.attribution.question import Answer, Question
from sslviz.runtime.random_state import seeded


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


def integrated_gradients(question: Question, *, steps: int = 50) -> Answer:
    """How is the way of s from a baseline to the image shared out among the pixels?  Summed over channels.

    (x - b) times the gradient's mean along the straight path (arXiv:1703.01365), in `steps` Gauss-Legendre steps.  The
    map sums to s(x) - s(b), and how nearly is reported.  At most 2^17 pixels (128 images of 32 px) are in memory with
    their gradients at once, whatever the steps.

    Caveat: A pixel that looks like the baseline gets nothing.
    """
    from captum.attr import IntegratedGradients

    if steps < 2:
        raise ValueError(f"Integrated gradients need at least 2 steps along the path; got {steps}.")
    method = IntegratedGradients(question.score, multiply_by_inputs=True)
    parts = []
    for rows, x, references in question.chunks():
        by_baseline = [
            method.attribute(
                x,
                baseline[rows].to(x.device),
                additional_forward_args=references or None,
                n_steps=steps,
                internal_batch_size=max(question.batch, len(x)),
            )
            .detach()
            .sum(1)
            .float()
            .cpu()
            for baseline in question.baselines
        ]
        parts.append(torch.stack(by_baseline))
    return Answer(torch.cat(parts, dim=1))


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


def _length(gradient: Tensor) -> Tensor:
    """(b, 3, s, s) -> (b, s, s)."""
    return gradient.detach().norm(dim=1).float().cpu()


def linear_share(question: Question) -> Tensor:
    """What s(x) - s(b) would be, were s linear: <x - b, gradient at x>, (k, n); integrated gradients in a single step."""
    parts = []
    for rows, x, references in question.chunks():
        x = x.requires_grad_()
        (gradient,) = torch.autograd.grad(question.score(x, *references).sum(), x)
        change = x.detach() - question.baselines[:, rows].to(x.device)  # (k, b, 3, s, s)
        parts.append((change * gradient).flatten(2).sum(2).float().cpu())
    return torch.cat(parts, dim=1)
