"""Targets: the one number s, made of an encoder's features, that is explained; an encoder has no classes.

What a target compares an image with is computed beforehand and carries no gradient.  It travels with the image
(`references`, one row per image), so that a method that repeats images repeats it alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.features import Features

COSINE_TOP = 1.0  # where a cosine can rise no further, its gradient is zero


@dataclass(frozen=True, eq=False)
class Target:
    """The number that is explained.

    - words: the number in a title
    - value: features (b, d) and references (b, ...) -> s (b,)
    - references: what images are compared with, one row for each image
    - top: the most that s can be, if there is such a thing; where an image reaches it, every gradient is zero
    - grows: whether s grows with the length of the features, so that maps of two encoders are compared as shares of s
    - key: tells it, with its references, from any other target; without one, its maps are computed anew each time
    """

    words: str
    value: Callable[..., Tensor]
    references: tuple[Tensor, ...] = ()
    top: float | None = None
    grows: bool = False
    key: str = ""


def own(features: Tensor) -> Target:
    """What makes these features what they are?  s(x) = <f(x), f(x0)>, x0 the image itself, held fixed; (n, d).

    Label-free explanation (arXiv:2203.01928).

    Caveat: It is not normalised, so that long features get strong maps.
    """
    return Target("itself (dot product)", lambda f, own: (f * own).sum(1), (features.detach(),), grows=True, key="own")


def own_cosine(features: Tensor) -> Target:
    """What keeps an image where it is?  s(x) = cos(f(x), f(x0)), x0 the image itself, held fixed; (n, d).

    Caveat: At the image itself it is at its maximum, so that its gradient is zero; take away or integrate instead.
    """
    return Target("itself (cosine)", _cosine, (features.detach(),), COSINE_TOP, key="own cosine")


def similarity(references: Tensor, words: str) -> Target:
    """Why is it near this?  s(x) = cos(f(x), r), with a reference r for each image; `references` (n, d).

    Caveat: What makes two images alike need not be what sets both apart from all others; contrast asks that.
    """
    return Target(words, _cosine, (references.detach(),), COSINE_TOP, key=f"similarity {words}")


def contrast(difference: Tensor, words: str) -> Target:
    """Why is it near these and not those?  s(x) = mean cosine to these minus mean cosine to those.

    `difference` (n, d): mean of the features of these at length one, minus that of those; after COCOA
    (arXiv:2210.00107).

    Caveat: It answers for these two groups only.
    """
    return Target(
        words, lambda f, v: (F.normalize(f, dim=1) * v).sum(1), (difference.detach(),), key=f"contrast {words}"
    )


def probe(weights: np.ndarray, bias: float = 0.0, *, name: str = "the probe") -> Target:
    """What does this linear readout go by?  s(x) = <w, f(x)> + bias; `weights` (d,), bias only shifts s.

    Caveat: It explains the readout together with the encoder, and a readout may use what the encoder merely holds.
    """
    w = torch.as_tensor(np.asarray(weights, dtype=np.float32))
    if w.ndim != 1 or not torch.isfinite(w).all():
        raise ValueError(f"A probe needs one finite weight per dimension, shape (d,); got shape {tuple(w.shape)}.")

    def value(features: Tensor) -> Tensor:
        if features.shape[1] != len(w):
            raise ValueError(
                f"The probe has {len(w)} weights, but the encoder has {features.shape[1]} dimensions; fit it to these."
            )
        return features @ w.to(features) + bias

    digest = hashlib.blake2b(w.numpy().tobytes(), digest_size=8).hexdigest()
    return Target(f"the logit of {name}", value, key=f"probe {name} {bias} {digest}")


def readout(fit: Features, label: str, classes: Sequence[str]) -> Target:
    """What does a linear readout of `label` go by?  s(x) = its logit of one class for each image, those in `classes` (n,).

    The readout is `linear_probe`'s, fitted to `fit`, features of the same encoder.  ValueError for a class that it does
    not know.

    Caveat: It explains the readout together with the encoder, and a readout may use what the encoder merely holds.
    """
    from sslviz.diagnostics.probes.linear import linear_weights

    names, weights, bias = linear_weights(fit, label)
    where = {str(name): row for row, name in enumerate(names)}
    if missing := sorted(set(map(str, classes)) - set(where)):
        raise ValueError(f"No readout knows {label} {missing[0]!r}: it was fitted to {', '.join(where)}.")
    rows = [where[str(name)] for name in classes]
    references = torch.from_numpy(weights[rows]), torch.from_numpy(bias[rows])
    words = f"the logit of its own {label}" if len(set(rows)) > 1 else f"the logit of {label} {classes[0]}"
    return Target(words, lambda f, w, b: (f * w).sum(1) + b, references, key=f"readout {label}")


def unit(index: int) -> Target:
    """What does this one dimension answer to?  s(x) = f(x)[index].

    Caveat: Single dimensions of an encoder often mean nothing by themselves; principal components may mean more.
    """

    def value(features: Tensor) -> Tensor:
        if not 0 <= index < features.shape[1]:
            raise ValueError(f"There is no unit {index}: the features have {features.shape[1]}, counted from 0.")
        return features[:, index]

    return Target(f"unit {index}", value, key=f"unit {index}")


def component(features: Features, index: int = 0) -> Target:
    """What does a main direction of this space answer to?  s(x) = <u, f(x) - mean>, u the principal component `index`.

    `features` of the same encoder (n, d).  The component's sign is arbitrary; its largest loading is made positive.
    ValueError where there is no such component.

    Caveat: Large directions are not more important, only larger.
    """
    x = features.x.astype(np.float64)
    mean = x.mean(0)
    variances, eigenvectors = np.linalg.eigh(np.cov(x - mean, rowvar=False).reshape(x.shape[1], x.shape[1]))
    if not 0 <= index < min(x.shape[1], len(x) - 1) or variances[-1 - index] <= 1e-12 * max(variances.sum(), 1e-30):
        raise ValueError(
            f"These {len(x)} features of {x.shape[1]} dimensions have no principal component {index}; counted from 0."
        )
    u = eigenvectors[:, -1 - index]
    u = u * np.sign(u[np.abs(u).argmax()])
    readout = probe(u, -float(mean @ u))
    share = variances[-1 - index] / variances.sum()
    return Target(f"principal component {index} ({share:.0%} of the variance)", readout.value, key=readout.key)


def agreement(positives: Tensor, temperature: float, head: Callable[[Tensor], Tensor] | None = None) -> Target:
    """What makes views of an image find it among all others?  s(x) = -InfoNCE of the image and its views.

    `positives` (n, v, k) are v views of each image as `head` sees them (the projector, or None for the features), at
    length one.  The views of the other images are the negatives (arXiv:1807.03748).  ValueError for fewer than two
    images.

    Caveat: It depends on the views that were drawn and on the other images given.
    """
    if len(positives) < 2:
        raise ValueError("To find an image among others there must be others; give at least 2 images.")
    bank = positives.detach()

    def value(features: Tensor, own_views: Tensor, row: Tensor) -> Tensor:
        z = F.normalize(features if head is None else head(features), dim=1)
        near = torch.einsum("bk,bvk->bv", z, own_views) / temperature  # (b, v)
        all_views = torch.einsum("bk,nvk->bnv", z, bank.to(z)) / temperature
        is_own = torch.arange(len(bank), device=z.device) == row[:, None]  # (b, n)
        others = all_views.masked_fill(is_own[:, :, None], -torch.inf).flatten(1).logsumexp(1)  # (b,)
        return (near - torch.logaddexp(near, others[:, None])).mean(1)

    return Target("agreement with its views (-InfoNCE)", value, (bank, torch.arange(len(bank))))


def _cosine(features: Tensor, reference: Tensor) -> Tensor:
    return F.cosine_similarity(features, reference, dim=1, eps=1e-12)
